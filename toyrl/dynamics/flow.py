"""Flows on logits: where they rest, which way they run, and what separates the basins.

For policies with one choice left, d logit(q)/dt = f(q), whatever f comes from: two modes under a
reward that depends on the policy itself, a reward model that follows the policy, label-free votes.
With several logits `path` integrates and `edge` finds where a line of starts changes its basin.
Source: derived; textbook phase line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np

Drift = Callable[[np.ndarray], np.ndarray]
"""Chances (N,) in (0, 1) -> d logit/dt (N,)."""


class Rest(NamedTuple):
    """A zero of the drift: the chance, and whether the flow comes back to it."""

    chance: float
    stable: bool


def rests(drift: Drift, *, reach: float = 12.0, points: int = 2001) -> list[Rest]:
    """The zeros of the drift between logits -reach and reach, from low to high chances.

    A zero is stable where the drift falls through it, and a separatrix where it rises: starts on
    its two sides end in different places. points : of the grid on which signs are looked for; two
    zeros within one step of it are missed.
    """
    from scipy.optimize import brentq

    z = np.linspace(-reach, reach, points)
    value = np.asarray(drift(1 / (1 + np.exp(-z))), dtype=float)
    z, value = z[value != 0], value[value != 0]  # a zero on the grid lies between its neighbours
    out = []

    def at(x: float) -> float:
        return float(np.asarray(drift(np.array([1 / (1 + np.exp(-x))])))[0])

    for i in np.flatnonzero(value[:-1] * value[1:] < 0):
        x = cast("float", brentq(at, z[i], z[i + 1], xtol=1e-13))
        out.append(Rest(float(1 / (1 + np.exp(-x))), bool(value[i] > 0)))
    return out


def separatrix(drift: Drift, **options: float) -> float:
    """The one unstable zero between two basins; NaN where there is none or more than one.

    options : of `rests`
    """
    found = [r.chance for r in rests(drift, **options) if not r.stable]  # pyright: ignore[reportArgumentType]
    return found[0] if len(found) == 1 else float("nan")


def path(drift: Drift, start: np.ndarray, *, step: float, steps: int) -> np.ndarray:
    """(steps + 1, ..., K) logits of a flow on K logits, by Runge-Kutta's classical rule.

    drift : logits (..., K) -> d logits/dt, of the same shape; start : (..., K); step : of time
    """
    z = np.asarray(start, dtype=float)
    out = [z]
    for _ in range(steps):
        a = drift(z)
        b = drift(z + step / 2 * a)
        c = drift(z + step / 2 * b)
        d = drift(z + step * c)
        z = z + step / 6 * (a + 2 * (b + c) + d)
        out.append(z)
    return np.array(out)


def edge(
    drift: Drift,
    start: Callable[[np.ndarray], np.ndarray],
    lands: Callable[[np.ndarray], np.ndarray],
    low: float,
    high: float,
    *,
    step: float,
    steps: int,
    passes: int = 3,
) -> float:
    """Where a line of starts crosses from one basin into another, by bisection of `path`'s end.

    start : (N,) places between low and high -> logits (N, K); lands : logits (N, K) at the end ->
    whether they are in the second basin, (N,) bool, false at low and true at high; each pass
    narrows the bracket 15-fold. NaN where all starts land in one basin.
    """
    for _ in range(passes):
        at = np.linspace(low, high, 16)
        there = np.asarray(lands(path(drift, start(at), step=step, steps=steps)[-1]))
        if there.all() or not there.any():
            return float("nan")
        i = int(np.argmax(there))
        low, high = float(at[max(i - 1, 0)]), float(at[i])
    return (low + high) / 2
