"""A law of estimators: does the scale of the reward matter?"""

from __future__ import annotations

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.rollouts import Rollouts
from toyrl.testing.arrays import difference


def affine_difference(
    estimator: Estimator, reward: np.ndarray, r: Rollouts, *, scale: float, shift: float
) -> float:
    """How far scale * reward + shift moves the advantages, in units of the tolerance.

    At most 1 for every reward and scale > 0: the estimator is affine invariant, so that a weight
    common to all terms, and a constant, are without effect (std-normalised groups with eps = 0).
    """
    before = estimator.apply({"reward": reward}, r)[0]
    after = estimator.apply({"reward": scale * reward + shift}, r)[0]
    return difference(np.asarray(before), np.asarray(after))
