"""Groups of rollouts whose verdicts are flipped, by output or by prompt: all of them, and draws."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.groups import advantages, every_count
from toyrl.theory.group.variance import count_law

RATES = {"adam": 0.05, "plain": 0.5, "plain at Adam's rate": 0.05}


def flips(right: np.ndarray, up: float, down: float, by: str) -> Any:
    """(chance, verdicts) of every way in which a group's verdicts (G,) can be flipped."""
    rate = np.where(right > 0, up, down)
    if by == "prompt":  # one draw, so all flip together
        return [(1 - up, right), (up, 1 - right)]
    return [(float(np.where(f, rate, 1 - rate).prod()), np.where(f, 1 - right, right))
            for f in np.array(list(itertools.product((0, 1), repeat=len(right))))]  # fmt: skip


def moments(pi: np.ndarray, size: int, estimator: Any, up: float, down: float, by: str) -> Any:
    """E[g] (4,) and E|g|^2 over all groups of four arms, two right, and all flips."""
    cases = [(float(pi[list(arms)].prod()) * chance, arms, verdict)
             for arms in itertools.product(range(4), repeat=size)
             for chance, verdict in flips((np.array(arms) < 2) * 1.0, up, down, by)]  # fmt: skip
    chance = np.array([c for c, _, _ in cases])
    score = (np.eye(4) - pi)[np.array([a for _, a, _ in cases])]
    a = advantages(estimator, np.array([v for _, _, v in cases]))
    g = (a[..., None] * score).mean(1)
    return chance @ g, chance @ (g**2).sum(-1)


def split(p: float, size: int, flip: float, by: str) -> tuple[np.ndarray, ...]:
    """Chance, right and accepted, wrong and accepted, right: of each group of two arms."""
    if by == "prompt":
        k = np.arange(size + 1)
        chance = count_law(p, size)
        return (np.r_[chance * (1 - flip), chance * flip], np.r_[k, 0 * k],
                np.r_[0 * k, size - k], np.r_[k, k])  # fmt: skip
    cases = [(count_law(p, size)[k] * count_law(1 - flip, k)[i] * count_law(flip, size - k)[j],
              i, j, k) for k in range(size + 1) for i in range(k + 1)
             for j in range(size - k + 1)]  # fmt: skip
    return tuple(np.array(x) for x in zip(*cases, strict=True))


def pushes(estimator: Any, size: int) -> np.ndarray:
    """(G + 1, 2) advantages of an accepted and of a rejected rollout, by how many are accepted."""
    a = advantages(estimator, every_count(size))
    return np.stack([a[:, 0] * (np.arange(size + 1) > 0), a[:, -1]], -1)


def logit_gradient(push: np.ndarray, both: Any, wrong: Any, right: Any) -> np.ndarray:
    """The logit's gradient in groups of which `both` are right and accepted, ..."""
    a = push[np.asarray(both + wrong)]
    return (both * a[..., 0] + (right - both) * a[..., 1]) / (len(push) - 1)


def group_gradients(rng: Any, push: np.ndarray, shape: tuple[int, ...], rates: Any) -> Any:
    """p (R, S) -> mean gradient of `shape` = (B,) groups each, R runs (false -, false +, by)."""
    up, down = (np.array([r[i] for r in rates], dtype=float)[:, None, None] for i in (0, 1))
    together = np.array([r[2] == "prompt" for r in rates])[:, None, None]
    size = len(push) - 1

    def mean(p: np.ndarray) -> np.ndarray:
        wide = (*p.shape, *shape)
        right = rng.binomial(size, p[..., None], wide)
        both, wrong = rng.binomial(right, 1 - up), rng.binomial(size - right, down + 0 * right)
        flipped = rng.random(wide) < up
        both = np.where(together, np.where(flipped, 0, right), both)
        wrong = np.where(together, np.where(flipped & (down > 0), size - right, 0), wrong)
        return logit_gradient(push, both, wrong, right).mean(-1)

    return mean


def run(rng: Any, rates: Any, optimiser: str, updates: int, seeds: int, logit: float
        ) -> np.ndarray:  # fmt: skip
    """(updates + 1, R, seeds) success rates of Adam on GRPO or plain steps on centred rewards."""
    adam, rate = optimiser == "adam", RATES[optimiser]
    of = group_gradients(
        rng,
        pushes(PRESETS["grpo_population" if adam else "dr_grpo"], 8),
        (32 if adam else 64,),
        rates,
    )

    def step(state: np.ndarray, k: int) -> np.ndarray:
        theta, first, second = state
        g = of(sigmoid(theta))
        if not adam:
            return np.array([theta + rate * g, first, second])
        first, second = 0.9 * first + 0.1 * g, 0.99 * second + 0.01 * g**2
        size = np.sqrt(second / (1 - 0.99 ** (k + 1))) + 1e-8
        return np.array([theta + rate * first / (1 - 0.9 ** (k + 1)) / size, first, second])

    start = np.zeros((3, len(rates), seeds))
    start[0] = logit
    return sigmoid(follow(step, start, updates)[:, 0])


def reached_at(path: np.ndarray) -> np.ndarray:
    """Updates until the success rate is 0.9, of each run; the last one where it never is."""
    reached = path >= 0.9
    return np.where(reached.any(0), reached.argmax(0), len(path) - 1)
