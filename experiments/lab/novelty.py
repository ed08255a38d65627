"""Predictors of novelty on states in a table, many at once, with the work counted."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core.work import UPDATE, spend
from toyrl.shapers.explore.distilled import distillation_bonus

Array = Any


def chased(mu: Array, visits: Array, rng: Any, *, eta: float | None, sigma: float,
           once: bool = False) -> np.ndarray:  # fmt: skip
    """(S,) bonuses of S states with points mu (S, d) after visits (S,) of each.

    eta : constant step, None for 1/n; once : one draw a state is used at each visit (a fault)
    """
    mu, n = np.asarray(mu, dtype=float), np.asarray(visits)
    f, draw = np.zeros_like(mu), sigma * rng.standard_normal(mu.shape)
    for t in range(1, int(n.max()) + 1):
        if not once and sigma:
            draw = sigma * rng.standard_normal(mu.shape)
        step = np.where(n >= t, 1 / t if eta is None else eta, 0.0)[:, None]
        f = f + step * (mu + draw - f)
        spend(UPDATE / 4)
    return distillation_bonus(f, mu)


def greedy_visits(
    mu: Array, rng: Any, steps: int, *, eta: float | None, sigma: float
) -> np.ndarray:
    """(R, K) visits of R visitors who always go to the state of K with the largest bonus.

    mu : (R, K, d); eta, sigma : as in `chased`; ties go to the first state
    """
    mu = np.asarray(mu, dtype=float)
    f, n = np.zeros_like(mu), np.zeros(mu.shape[:2])
    bonus, row = distillation_bonus(f, mu), np.arange(len(mu))
    for _ in range(steps):
        at = row, bonus.argmax(-1)
        n[at] += 1
        aim = mu[at] + (sigma * rng.standard_normal(mu[at].shape) if sigma else 0.0)
        step = 1 / n[at][:, None] if eta is None else eta
        f[at] += step * (aim - f[at])
        bonus[at] = distillation_bonus(f[at], mu[at])
        spend(UPDATE / 8)
    return n
