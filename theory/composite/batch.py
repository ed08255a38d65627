"""How noisy a minibatch's update is, and what the size changes: its spread, never its mean.

With the mean of the others as baseline the update is the mean over all pairs of rollouts of
(R_i - R_j)(s_i - s_j)/2, s the score: a U-statistic, whose covariance is closed. All derived, for
paper 20. Formulas: docs/theory/composite.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


def _checked(batch: float) -> float:
    if batch < 2:
        msg = f"batch={batch} must be 2 or more: the baseline is the mean of the others"
        raise ValueError(msg)
    return batch


@entry(
    "update_covariance",
    kind="theorem",
    cards=("20",),
    section="batch-size scaling; derived (U-statistic of pairs)",
    provenance="derived",
    formula="2 (2(B-2) Z_1 + Z_2)/(B(B-1)), Z_1 = Cov((R-mu) s)/4, Z_2 = Cov of a pair",
)
def update_covariance(reward: Array, p: float, q: float, batch: float) -> np.ndarray:
    """(2, 2) covariance of one REINFORCE update of two logits, from `batch` rollouts.

    reward : (4,) of stand, stand carefully, go, go carefully (neither, second, first, both)
    p, q : chances of the two decisions, in [0, 1]; batch : from 2 on

    It falls as 1/B; the mean does not depend on B. Raises ValueError for a batch below 2.
    """
    B = _checked(batch)
    R = np.asarray(reward, dtype=float)
    law = np.array([(1 - p) * (1 - q), (1 - p) * q, p * (1 - q), p * q])
    score = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) - np.array([p, q])
    own = (R - law @ R)[:, None] * score
    mean = law @ own
    first = (law[:, None] * (own - mean)).T @ (own - mean) / 4
    pair = 0.5 * (R[:, None] - R)[..., None] * (score[:, None] - score) - mean
    second = np.einsum("i,j,ijk,ijl->kl", law, law, pair, pair)
    return 2 * (2 * (B - 2) * first + second) / (B * (B - 1))


@entry(
    "go_variance",
    kind="theorem",
    cards=("20",),
    section="batch-size scaling; derived",
    provenance="derived",
    formula="G^2 v ((B-2)(1-4v) + 1 - 2v)/(B(B-1)), v = p(1-p)",
)
def go_variance(p: Array, batch: float, G: float = 1.0) -> np.ndarray:
    """Variance of the first logit's update when everybody is careful (q = 1), under the product.

    p : any shape in [0, 1]. Raises ValueError for a batch below 2.
    """
    B, p = _checked(batch), np.asarray(p, dtype=float)
    v = p * (1 - p)
    return G**2 * v * ((B - 2) * (1 - 4 * v) + 1 - 2 * v) / (B * (B - 1))
