"""Two decisions, each with a logit of its own, under any reward of the four outcomes.

    drift            the expected update: the gradient of the mean reward in both logits
    counted_update   REINFORCE on a batch, from how often each outcome occurred
    update_law       that update's mean and covariance, by enumeration of all batches
    chance_beyond    how likely one update lands beyond a boundary, by the same enumeration
    sampled_update   one drawn update of many runs at once

Outcomes stand in the order (0, 0), (0, 1), (1, 0), (1, 1), first decision first: go or stand, then
careful or careless, say. The baseline of a rollout is the mean of the others: the batch's mean
times B/(B - 1). Source: derived, for paper 20's comparison of minibatch sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import multisets

Array = Any
TAKEN = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
"""(4, 2) which decisions each outcome has taken."""


def chances(logits: Array) -> np.ndarray:
    """(..., 2) chance of taking each decision."""
    return 1 / (1 + np.exp(-np.asarray(logits, dtype=float)))


def outcome_law(logits: Array) -> np.ndarray:
    """(..., 4) chance of each outcome, logits (..., 2)."""
    p = chances(logits)[..., None, :]
    return np.where(TAKEN > 0, p, 1 - p).prod(-1)


def drift(reward: Array, logits: Array) -> np.ndarray:
    """(..., 2) gradient of the mean reward, reward (..., 4), logits (..., 2)."""
    score = TAKEN - chances(logits)[..., None, :]
    return ((np.asarray(reward) * outcome_law(logits))[..., None] * score).sum(-2)


def counted_update(reward: Array, counts: Array) -> np.ndarray:
    """(..., 2) mean over a batch of (R_i - mean of the others) times the score.

    reward (..., 4); counts (..., 4) whole numbers, 2 or more in all. These credits sum to 0, so
    that the chances in the scores fall out: the logits are not asked.
    """
    n, R = np.asarray(counts, dtype=float), np.asarray(reward, dtype=float)
    size = n.sum(-1, keepdims=True)
    return (n * (R - (n * R).sum(-1, keepdims=True) / size) / (size - 1)) @ TAKEN


def sampled_update(reward: Array, logits: Array, batch: Array, rng: Any) -> np.ndarray:
    """(..., 2) one drawn update, every run with its own batch size, (...) whole numbers from 2."""
    law = outcome_law(logits)
    counts = rng.multinomial(np.asarray(batch), law / law.sum(-1, keepdims=True))
    return counted_update(reward, counts)


def every_batch(logits: Array, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """All batches of a size: counts (M, 4) and their chances (..., M), logits (..., 2).

    M = comb(batch + 3, 3): 10 for 2 rollouts, 6,545 for 32, 366,145 for 128.

    Raises ValueError for a batch of less than two, which has no others.
    """
    if batch < 2:
        msg = f"batch={batch} must be 2 or more: the baseline is the mean of the others"
        raise ValueError(msg)
    from scipy.special import gammaln

    counts = multisets(4, batch)
    ways = gammaln(batch + 1) - gammaln(counts + 1.0).sum(-1)
    z = np.asarray(logits, dtype=float)[..., None, :]
    log_law = -np.logaddexp(0.0, np.where(TAKEN > 0, -z, z)).sum(-1)
    return counts, np.exp(ways + log_law @ counts.T)


def update_law(reward: Array, logits: Array, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (2,) and covariance (2, 2) of a batch's update, exactly, reward (4,), logits (2,).

    Raises ValueError as `every_batch`.
    """
    counts, chance = every_batch(logits, batch)
    moved = counted_update(reward, counts)
    mean = chance @ moved
    return mean, (chance[:, None] * (moved - mean)).T @ (moved - mean)


def chance_beyond(
    reward: Array,
    logits: Array,
    batch: int,
    beyond: Callable[[np.ndarray], np.ndarray],
    *,
    rate: float = 1.0,
    updates: int = 1,
) -> float:
    """Chance that `updates` updates end where `beyond` is true, over all batches of each.

    beyond : logits (N, 2) -> (N,) bool; rate : step size. The sum has comb(batch + 3, 3)^updates
    terms. Raises ValueError as `every_batch`.
    """
    z, weight = np.asarray(logits, dtype=float)[None], np.ones(1)
    for _ in range(updates):
        counts, law = every_batch(z, batch)
        z = (z[:, None] + rate * counted_update(reward, counts)).reshape(-1, 2)
        weight = (weight[:, None] * law).ravel()
    return float(weight[np.asarray(beyond(z))].sum())


def train(
    reward: Array, start: Array, batch: Array, updates: int, *, rate: float = 1.0, seed: int = 0
) -> np.ndarray:
    """(..., 2) chances at the end of sampled training, all runs at once.

    reward (..., 4), start (..., 2) chances in (0, 1), batch (...): shapes that broadcast
    """
    rng, p = np.random.default_rng(seed), np.asarray(start, dtype=float)
    shape = np.broadcast_shapes(p.shape[:-1], np.shape(reward)[:-1], np.shape(batch))
    z = np.broadcast_to(np.log(p / (1 - p)), (*shape, 2))
    for _ in range(updates):
        z = z + rate * sampled_update(reward, z, np.broadcast_to(batch, shape), rng)
    return chances(z)
