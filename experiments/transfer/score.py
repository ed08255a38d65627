"""How good were the predictions? Rank agreement with ties, calibration, the noise ceiling.

Every number compares two vectors over rewards; nothing here knows about models or worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 4
"""Members below which a family has no rank correlation of its own."""


def sign_matrix(values: np.ndarray, tolerance: np.ndarray | float = 1e-9) -> np.ndarray:
    """(n, n) sign of values_i - values_j, 0 within the tolerance (n, n or a number)."""
    gap = values[:, None] - values[None, :]
    return np.where(np.abs(gap) <= tolerance, 0.0, np.sign(gap))


def tau_b(signs: np.ndarray, other: np.ndarray) -> float:
    """Kendall's tau-b of two orders given by their sign matrices; NaN where one is all ties.

    For values without a tolerance it equals scipy.stats.kendalltau (tau-b). "Tied within a
    spread" is not transitive, which sign matrices allow.
    """
    top = np.triu_indices(len(signs), 1)
    a, b = signs[top], other[top]
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else float("nan")


def seed_spread(outcomes: np.ndarray) -> np.ndarray:
    """(n, n) tolerance for outcomes (n, seeds): the standard error of a difference of two means.

    NaN stands for a seed that wasn't run. The variance over seeds is pooled over rewards, since few
    seeds estimate it badly one by one.
    """
    known = np.isfinite(outcomes)
    runs = known.sum(1)
    left = np.maximum(runs - 1, 0)
    if not left.any():
        return np.zeros((len(outcomes), len(outcomes)))
    mean = np.where(known, outcomes, 0.0).sum(1) / np.maximum(runs, 1)
    pooled = np.where(known, (outcomes - mean[:, None]) ** 2, 0.0).sum() / left.sum()
    share = 1.0 / np.maximum(runs, 1)
    return np.sqrt(pooled * (share[:, None] + share[None, :]))


def agreement(predicted: np.ndarray, outcomes: np.ndarray) -> float:
    """tau-b of predictions (n,) with the mean outcome of (n, seeds), ties inside seed spread."""
    came = sign_matrix(np.nanmean(outcomes, 1), seed_spread(outcomes))
    return tau_b(sign_matrix(predicted), came)


def within_families(
    predicted: np.ndarray, outcomes: np.ndarray, family: Sequence[str]
) -> dict[str, float]:
    """Agreement inside each family of at least four rewards."""
    names = np.asarray(family)
    out = {}
    for name in dict.fromkeys(family):
        rows = names == name
        if rows.sum() >= FEWEST:
            out[name] = agreement(predicted[rows], outcomes[rows])
    return out


def ceiling(outcomes: np.ndarray) -> float:
    """The noise ceiling: mean tau-b between disjoint halves of the seeds, over all splits.

    outcomes : (n, seeds); rewards with a seed that wasn't run (NaN) are left out. Of an odd number
    of seeds one half has one more. NaN with fewer than two seeds, or if a half is all ties in every
    split.
    """
    from itertools import combinations

    outcomes = outcomes[np.isfinite(outcomes).all(1)]
    seeds = outcomes.shape[1]
    if seeds < 2:
        return float("nan")
    found = []
    for part in combinations(range(seeds), seeds // 2):
        rest = [s for s in range(seeds) if s not in part]
        one, other = outcomes[:, list(part)].mean(1), outcomes[:, rest].mean(1)
        found.append(tau_b(sign_matrix(one), sign_matrix(other)))
    defined = [t for t in found if np.isfinite(t)]
    return float(np.mean(defined)) if defined else float("nan")


def brier(probability: np.ndarray, happened: np.ndarray) -> float:
    """Mean squared error of probabilities against the share of seeds in which it happened.

    probability (n,), happened (n, seeds) of 0 and 1
    """
    return float(((probability[:, None] - happened) ** 2).mean())


@dataclass(frozen=True)
class Difference:
    """A score less another with its 95 % interval, paired over rewards."""

    value: float
    low: float
    high: float


def paired(
    score: Callable[[np.ndarray], float],
    other: Callable[[np.ndarray], float],
    n: int,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Difference:
    """Bootstrap over rewards of score(rows) - other(rows); rows are drawn with replacement.

    Draws in which either is undefined are left out.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(n)
    found = []
    for _ in range(draws):
        pick = rng.integers(0, n, n)
        gap = score(pick) - other(pick)
        if np.isfinite(gap):
            found.append(gap)
    if not found:
        return Difference(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(found, [0.025, 0.975])
    return Difference(score(rows) - other(rows), float(low), float(high))
