"""Groups of rollouts: advantages, every count of two kinds, which answers are picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core.work import spend
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts

Array = Any


def advantages(estimator: Any, reward: Array, length: Array = 1.0, *, compared: int = 1
               ) -> np.ndarray:  # fmt: skip
    """(..., G) advantages of groups of rewards (..., G), nothing else being known of them.

    length : broadcasts to the rewards; compared : rollouts that an advantage looks at one by one,
        units of work for each
    """
    reward = np.asarray(reward, dtype=float)
    length = np.broadcast_to(np.asarray(length, dtype=float), reward.shape).copy()
    spend(reward.size * compared)
    a, _ = estimator.apply({"reward": reward}, Rollouts(reward, length, float(length.max())))
    return np.asarray(a)


def every_count(size: int) -> np.ndarray:
    """(G + 1, G) groups of which the first 0, 1, ..., G members have a 1, the others a 0."""
    return (np.arange(size) < np.arange(size + 1)[:, None]) * 1.0


def picked(policy: Array, u: Array) -> np.ndarray:
    """(..., G) answers that uniform numbers u (..., G) pick from policies (..., K)."""
    return (np.asarray(u)[..., None] > np.cumsum(policy, -1)[..., None, :-1]).sum(-1)


def one_token(**fields: Array) -> Rollouts:
    """Rollouts (..., B, G) of one token each, with fields of that token in the same shape."""
    like = np.asarray(next(iter(fields.values())), dtype=float)
    own = {name: np.asarray(x, dtype=float)[..., None] for name, x in fields.items()}
    return class_rollouts(None, correct=0 * like, length=1.0, max_length=1.0, group_size=None,
                          fields=own)  # fmt: skip
