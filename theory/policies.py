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
    "tilt_curve",
    kind="theorem",
    cards=("35", "57"),
    provenance="derived",
    formula="(E gold, E r, KL(pi_t || ref)) of the tilt pi_t, averaged over prompts",
)
def tilt_curve(
    ref: Array, reward: Array, gold: Array, inverse_beta: Array, shares: Array | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gold, proxy, KL), each (N,), along the tilts ref exp(reward t)/Z: optimising, step by step.

    ref, reward, gold : (B, K), one row a prompt; inverse_beta : (N,), the same for all prompts
    shares : (B,) weights of the prompts, None: all alike
    """
    ref = np.asarray(ref, dtype=float)
    weight = np.full(len(ref), 1 / len(ref)) if shares is None else np.asarray(shares, dtype=float)
    tilted = tilt(ref, reward, inverse_beta)
    gained = ((tilted * np.where(ref > 0, x, 0.0)).sum(-1) @ weight for x in (gold, reward))
    return (*gained, kl(tilted, ref) @ weight)  # pyright: ignore[reportReturnType]


@entry(
    "tilt_to_kl",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="t with KL(ref exp(r t)/Z || ref) = nats",
)
def tilt_to_kl(ref: Array, reward: Array, nats: float, shares: Array | None = None) -> float:
    """The inverse temperature t at which the tilt is `nats` away: the optimum of that KL ball.

    ref, reward : (..., K), several rows share one t and their KL is averaged by `shares`, (...) or
    None: all alike. 0 at nats = 0; inf from the KL of the best answers alone on, and for a reward
    that is the same everywhere. KL rises in t with slope t Var r, so the root is one.

    Raises ValueError for negative or NaN nats.
    """
    from scipy.optimize import brentq

    if not nats >= 0:
        msg = f"nats={nats} must be at least 0: a KL divergence"
        raise ValueError(msg)
    ref, reward = np.broadcast_arrays(np.asarray(ref, dtype=float), np.asarray(reward, dtype=float))
    weight = np.full(ref.shape[:-1], 1 / max(1, ref[..., 0].size)) if shares is None else shares

    def gap(t: float) -> float:
        return float((kl(tilt(ref, reward, t), ref) * weight).sum() - nats)

    if gap(np.inf) <= 0:
        return float("inf")
    if nats == 0:
        return 0.0
    drawn = np.where(ref > 0, reward, np.nan)
    high = 1 / float(np.nanmax(np.nanmax(drawn, axis=-1) - np.nanmin(drawn, axis=-1)))
    while gap(high) < 0:
        high *= 4
    low = high / 4
    while gap(low) > 0:
        low /= 4
    ends = np.log([low, high])
    found: Any = brentq(lambda x: gap(np.exp(x)), *ends, xtol=1e-15, rtol=np.float64(1e-15))
    return float(np.exp(found))


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
