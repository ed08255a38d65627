"""Damped least squares (Levenberg-Marquardt) for many small independent problems at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Residual = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""p (N, P) -> residuals r (N, R) and their Jacobian (N, R, P), a row a problem."""


@dataclass(frozen=True)
class Rules:
    """How steps are damped, limited and stopped.

    iterations : at most so many steps
    relative : damping multiplies the diagonal of J'J, so that units of p don't matter; else it
        is added as it is
    largest_step : limit of the largest component of a step
    whole : a step beyond the limit is scaled as a whole; else each component is cut off
    bound : |p| never exceeds it
    most_damping : damping rises no further
    calm, patience : a run stops when the last `patience` steps lowered no cost by more than this
        share of it
    enough : it also stops when no residual is larger
    """

    iterations: int = 60
    relative: bool = True
    largest_step: float = 4.0
    whole: bool = True
    bound: float = math.inf
    most_damping: float = 1e9
    calm: float = 1e-5
    patience: int = 4
    enough: float = 0.0


def levenberg_marquardt(
    residual: Residual, start: np.ndarray, rules: Rules | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise |r(p)|^2 / 2 in every row of p; returns (p (N, P), cost (N,)).

    start : (N, P). A row's damping falls by 4 when a step lowers its cost and rises by 6 when
    not; all rows stop together.
    """
    rules = rules or Rules()
    p = start.copy()
    r, J = residual(p)
    cost = 0.5 * (r**2).sum(-1)
    damping = np.full(len(p), 1e-2)
    idle = np.zeros(len(p), dtype=int)
    for _ in range(rules.iterations):
        tried = np.clip(p - _step(r, J, damping, rules), -rules.bound, rules.bound)
        r_new, J_new = residual(tried)
        new = 0.5 * (r_new**2).sum(-1)
        better = new < cost
        gain = np.where(better, cost - new, 0.0)
        idle = np.where(gain <= rules.calm * cost + 1e-12, idle + 1, 0)
        p = np.where(better[:, None], tried, p)
        r = np.where(better[:, None], r_new, r)
        J = np.where(better[:, None, None], J_new, J)
        cost = np.where(better, new, cost)
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-9, rules.most_damping)
        if np.all(idle >= rules.patience) or np.abs(r).max() < rules.enough:
            break
    return p, cost


def _step(r: np.ndarray, J: np.ndarray, damping: np.ndarray, rules: Rules) -> np.ndarray:
    JT = np.swapaxes(J, -1, -2)
    A, g = JT @ J, JT @ r[..., None]
    amount = np.ones(r.shape[:1] + A.shape[-1:])
    if rules.relative:
        amount = np.einsum("npp->np", A) + 1e-6
    identity = np.eye(A.shape[-1])
    step = np.linalg.solve(A + (damping[:, None] * amount)[..., None] * identity, g)[..., 0]
    # A large step leaves the region where the model is near linear.
    if not rules.whole:
        return np.clip(step, -rules.largest_step, rules.largest_step)
    longest = np.maximum(np.abs(step).max(-1, keepdims=True), 1e-300)
    return step * np.minimum(1, rules.largest_step / longest)
