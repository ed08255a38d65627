"""Policies on finitely many answers: softmax, KL divergence, total variation, the tilts.

The tilt ref exp(r t)/Z is the policy of the largest E r - KL(pi || ref)/t, and of the largest E r
at its distance from the reference: t = 0 is the reference, large t picks the best answers.

Formulas: docs/theory/policies.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "softmax",
    kind="theorem",
    cards=("40",),
    provenance="derived",
    formula="exp(theta_i)/sum_j exp(theta_j)",
)
def softmax(theta: Array) -> np.ndarray:
    """Probabilities of logits (..., K) along the last axis."""
    x = np.exp(np.asarray(theta, dtype=float) - np.max(theta, axis=-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


@entry("kl", kind="theorem", cards=("40", "35"), provenance="derived", formula="sum p log(p/q)")
def kl(p: Array, q: Array) -> np.ndarray:
    """KL(p || q) in nats along the last axis; 0 log 0 = 0, inf where q lacks what p has.

    p, q : broadcast, (..., K) on the last axis.
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0).sum(-1)
    return np.maximum(found, 0.0)  # rounding alone makes it negative


@entry(
    "tilt",
    kind="theorem",
    cards=("35", "40", "30"),
    provenance="derived",
    formula="ref exp(r/beta)/Z",
)
def tilt(ref: Array, reward: Array, inverse_beta: Array) -> np.ndarray:
    """ref exp(reward * inverse_beta)/Z along the last axis, for every inverse_beta.

    ref, reward : (..., K), broadcast. inverse_beta : any shape (N...), in 1/reward units; its axes
    come first: (N..., ..., K). Answers of probability 0 stay at 0; inf keeps the best ones alone.
    """
    ref, reward = np.broadcast_arrays(np.asarray(ref, dtype=float), np.asarray(reward, dtype=float))
    t = np.asarray(inverse_beta, dtype=float)
    t = t.reshape(t.shape + (1,) * ref.ndim)
    top = np.where(ref > 0, reward, -np.inf).max(-1, keepdims=True)
    gap = np.where(ref > 0, reward - top, 0.0)
    with np.errstate(invalid="ignore"):  # inf times 0
        weight = ref * np.exp(np.where(gap == 0, 0.0, t * gap))
    return weight / weight.sum(-1, keepdims=True)


@entry(
    "forward_tilt",
    kind="theorem",
    cards=("00",),
    works=("kl",),
    provenance="derived",
    formula="beta ref/(beta + v - r), v such that it sums to 1",
)
def forward_tilt(ref: Array, reward: Array, beta: float) -> np.ndarray:
    """(K,) maximiser of E r - beta KL(ref || pi): pi (v - r + beta) = beta ref, v its mean reward.

    ref : (K,) all above 0; reward : (K,), beta > 0 in the same units. Where the tilt leaves bad
    answers exponentially, this keeps them as a power law.

    Raises ValueError for a beta that is not above 0 and a reference that lacks an answer.
    """
    from scipy.optimize import brentq

    ref, reward = np.asarray(ref, dtype=float), np.asarray(reward, dtype=float)
    if not (beta > 0 and (ref > 0).all()):
        msg = f"beta={beta}, ref={ref.tolist()}: all must be above 0, or no maximum is reached"
        raise ValueError(msg)

    def policy(over: float) -> np.ndarray:
        return beta * ref / (over + reward.max() - reward)

    # `over` is beta + v - max r: at beta the sum is at most 1, and at beta ref(best) at least 1.
    low, wider = beta * float(ref[reward == reward.max()].sum()), 1e-12  # by rounding, where equal
    found = brentq(lambda x: policy(x).sum() - 1, low * (1 - wider), beta * (1 + wider), xtol=1e-15)
    return policy(float(found))  # pyright: ignore[reportArgumentType]


@entry(
    "total_variation",
    kind="theorem",
    cards=("00", "37"),
    provenance="derived",
    formula="sum |p - q| / 2",
)
def total_variation(p: Array, q: Array) -> np.ndarray:
    """Total variation distance in [0, 1] along the last axis; p, q : (..., K), broadcast."""
    return np.abs(np.asarray(p, dtype=float) - np.asarray(q, dtype=float)).sum(-1) / 2
