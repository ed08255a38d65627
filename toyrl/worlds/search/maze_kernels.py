"""Compiled steps of the mazes in `toyrl.worlds.search.maze`, which imports them when one moves.

Places must lie inside the walls and numbers be finite: nothing is checked here.
"""

from __future__ import annotations

import numba
import numpy as np

from toyrl.worlds.search.maze import RAYS, REACH

SPEED, STEP = 0.5, 0.1


@numba.njit(cache=True)
def step(walls, place, action):  # pragma: no cover (compiled)
    """Move a place (2,) in place by an action (2,), each coordinate unless a wall is there."""
    for c in range(2):
        old = place[c]
        place[c] = old + SPEED * action[c]
        if walls[int(place[0]), int(place[1])]:
            place[c] = old


@numba.njit(cache=True)
def see(walls, place, carries, out):  # pragma: no cover (compiled)
    """Write into out (observed,) what is seen at a place (2,): place, eight distances, a ball."""
    w, h = walls.shape
    out[0], out[1] = 2 * place[0] / w - 1, 2 * place[1] / h - 1
    far = float(max(w, h))
    for ray in range(RAYS):
        angle = 2 * np.pi * ray / RAYS
        dx, dy = STEP * np.cos(angle), STEP * np.sin(angle)
        x, y, away = place[0], place[1], 0.0
        while not walls[int(x), int(y)] and away < far:
            x += dx
            y += dy
            away += STEP
        out[2 + ray] = min(away / far, 1.0)
    if len(out) > 2 + RAYS:
        out[2 + RAYS] = carries


@numba.njit(cache=True)
def near(a, b):  # pragma: no cover (compiled)
    """Whether two places (2,) lie within reach of each other."""
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 < REACH**2


@numba.njit(cache=True)
def episodes(walls, start, goal, balls, genomes, hidden, observed, steps,
              kind):  # pragma: no cover (compiled)  # fmt: skip
    """(path (n, 11, 2), reward (n,)) of controllers (n, genes), a run of `steps` each."""
    n = len(genomes)
    path, reward = np.empty((n, 11, 2)), np.zeros(n)
    seen, inner, action = np.empty(observed), np.empty(hidden), np.empty(2)
    first = np.sqrt(((start - goal) ** 2).sum())
    for i in range(n):
        g, place, held, done = genomes[i], start.copy(), -1, False
        left = np.ones(len(balls), dtype=np.bool_)
        path[i, 0] = place
        mark = 1
        for t in range(steps):
            if not done:
                see(walls, place, 1.0 if held >= 0 else 0.0, seen)
                at = 0
                for u in range(hidden):
                    total = g[at + observed]
                    for o in range(observed):
                        total += g[at + o] * seen[o]
                    inner[u] = np.tanh(total)
                    at += observed + 1
                for c in range(2):
                    total = g[at + hidden]
                    for u in range(hidden):
                        total += g[at + u] * inner[u]
                    action[c] = np.tanh(total)
                    at += hidden + 1
                step(walls, place, action)
                if kind == 2:
                    for b in range(len(balls)):
                        if held < 0 and left[b] and near(place, balls[b]):
                            held, left[b] = b, False
                    if held >= 0 and near(place, goal):
                        held = -1
                        reward[i] += 1.0
                elif near(place, goal):
                    done = True
            while mark < 11 and (t + 1) * 10 >= mark * steps:
                path[i, mark] = place
                mark += 1
        if kind == 0:
            reward[i] = 1 - np.sqrt(((place - goal) ** 2).sum()) / first
        elif kind == 1:
            reward[i] = 1.0 if done else 0.0
    return path, reward
