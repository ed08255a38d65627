"""What a linear probe, a pairwise test and a distance filter say of a reward model, normal laws.

Representations h = +-gap/2 + noise of covariance S, labels balanced; reward r = w . h.

    probe        the best linear classifier's accuracy is Phi(m/2), m^2 = gap' S^-1 gap (Fisher)
    pairwise     P(r of the better > r of the worse) = Phi(w.gap / sqrt(2 w' S w)) <= Phi(m/sqrt 2),
                 with equality at w ~ S^-1 gap
    dimension    x ~ N(0, 1) seen with correlation rho: 1[x > 0] is told with 1 - arccos(rho)/pi
    gain         the tilt by r at KL kappa raises a gold reward of variance s^2 that correlates by
                 rho with r, jointly normal, by rho s sqrt(2 kappa)
    filter       a text at distance d from its centroid's mean: |h - c|^2/sd^2 is noncentral
                 chi-square
    discard      each of G texts is dropped with chance q, whatever it is: the expected gradient is
                 multiplied by a number, so that fixed points stay and the clock slows

Formulas: docs/theory/learned.md.

Source: derived, for paper 32 (probing preference representations).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import ncx2

from toyrl.messages import shortened
from toyrl.registry import entry

Array = Any
BASELINES = ("none", "mean", "leave_one_out")


@entry(
    "probe_accuracy",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="Phi(sqrt(gap' S^-1 gap)/2)",
)
def probe_accuracy(gap: Array, covariance: Array) -> float:
    """Accuracy in [1/2, 1] of the best linear probe between two normal classes of equal size.

    gap : (D,) difference of the classes' means; covariance : (D, D), common to both. 1 where they
    differ in a direction without noise. O(D^3).

    Raises ValueError for shapes that don't match and a covariance that is none.
    """
    gap, (value, axes) = _normal(gap, covariance)
    along = axes.T @ gap
    quiet = value <= 1e-12 * max(float(value.max()), 1e-300)
    if np.abs(along[quiet]).max(initial=0.0) > 1e-9 * max(float(np.abs(gap).max()), 1e-300):
        return 1.0
    far = along[~quiet] / np.sqrt(value[~quiet]) if (~quiet).any() else np.zeros(1)
    return float(ndtr(np.linalg.norm(far) / 2))


@entry(
    "pairwise_accuracy",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="Phi(w.gap / sqrt(2 w' S w))",
)
def pairwise_accuracy(weight: Array, gap: Array, covariance: Array) -> float:
    """Chance in [0, 1] that the reward w.h ranks a text of the better class above one of the worse.

    weight, gap : (D,); covariance : (D, D). Equal rewards count half: constant scores give 1/2.

    Raises ValueError as `probe_accuracy`.
    """
    gap, (value, axes) = _normal(gap, covariance)
    w = np.asarray(weight, dtype=float)
    if w.shape != gap.shape:
        msg = f"weight has the shape {w.shape}, gap {gap.shape}; give one number a feature"
        raise ValueError(msg)
    noise = float(np.sqrt(2 * (np.maximum(value, 0) * (axes.T @ w) ** 2).sum()))
    ahead = float(w @ gap)
    return float(ndtr(ahead / noise)) if noise > 0 else 0.5 + 0.5 * float(np.sign(ahead))


@entry(
    "sign_accuracy",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="1 - arccos(rho)/pi",
)
def sign_accuracy(correlation: Array) -> np.ndarray:
    """Accuracy in [0, 1] of telling x > 0 by the sign of a normal feature; like `correlation`.

    correlation : of feature and attribute, in [-1, 1], any shape; -1 is always wrong.

    Raises ValueError for a correlation outside.
    """
    rho = np.asarray(correlation, dtype=float)
    if not (np.abs(rho) <= 1).all():
        msg = f"correlation={shortened(correlation)} must lie in [-1, 1]"
        raise ValueError(msg)
    return 1 - np.arccos(rho) / np.pi


@entry(
    "encoded_correlation",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="sum_p w_p e_p / sqrt(P sum_p w_p^2 (e_p^2 + 1)), w_p = e_p/(e_p^2 + 1)",
)
def encoded_correlation(strength: Array, weight: Array | None = None) -> np.ndarray:
    """(...) correlation of r = w.h with gold R = sum_p x_p, where h_p = e_p x_p + N(0, 1).

    strength : (..., P) e_p; weight : the same shape, default the least-squares weights, for which
    it is sqrt(mean_p e_p^2/(e_p^2 + 1)). 0 for constant scores.
    """
    e = np.asarray(strength, dtype=float)
    w = e / (e**2 + 1) if weight is None else np.asarray(weight, dtype=float)
    sd = np.sqrt(e.shape[-1] * (w**2 * (e**2 + 1)).sum(-1))
    return (w * e).sum(-1) / np.where(sd > 0, sd, 1.0)


@entry(
    "tilted_gain",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="rho sd sqrt(2 kappa)",
)
def tilted_gain(correlation: Array, nats: Array, sd: Array = 1.0) -> np.ndarray:
    """Gold reward gained by the tilt towards a reward model, at a KL of `nats` from the base.

    correlation : of model and gold, jointly normal under the base, in [-1, 1]; sd : of the gold;
    all broadcast. A score that knows nothing gains nothing, tilted without end too.

    Raises ValueError for a negative KL.
    """
    rho, kappa, s = (np.asarray(v, dtype=float) for v in (correlation, nats, sd))
    if not (kappa >= 0).all():
        msg = f"nats={shortened(nats)} must be at least 0"
        raise ValueError(msg)
    slope = rho * s
    with np.errstate(invalid="ignore"):  # 0 times inf
        return np.where(slope == 0, 0.0, slope * np.sqrt(2 * kappa))


@entry(
    "kept_share",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="F_ncx2(most^2/sd^2; D, d^2/sd^2)",
)
def kept_share(most: Array, distance: Array, dimensions: int, sd: float = 1.0) -> np.ndarray:
    """Share in [0, 1] of texts h ~ N(c + d u, sd^2 I) within `most` of the one centroid c.

    most, distance : >= 0, broadcast, d from the centroid to the texts' mean; most = inf keeps all;
    dimensions : D >= 1; sd : >= 0, of a feature

    Raises ValueError for numbers out of these ranges.
    """
    m, d = np.broadcast_arrays(np.asarray(most, dtype=float), np.asarray(distance, dtype=float))
    for name, ok in (("most", (m >= 0).all()), ("distance", (d >= 0).all()), ("sd", sd >= 0),
                     ("dimensions", dimensions >= 1)):  # fmt: skip
        if not ok:
            least = 1 if name == "dimensions" else 0
            msg = f"{name}={shortened(locals()[name])} must be at least {least}"
            raise ValueError(msg)
    if sd == 0:
        return (d <= m) * 1.0
    inside = ncx2.cdf(np.where(np.isinf(m), 0.0, m / sd) ** 2, dimensions, (d / sd) ** 2)
    return np.where(np.isinf(m), 1.0, np.clip(inside, 0.0, 1.0))


@entry(
    "discard_speed",
    kind="theorem",
    cards=("32",),
    provenance="derived",
    formula="1 - q; (G(1-q) - 1 + q^G)/(G - 1); (1-q)(1 - q^(G-1))",
)
def discard_speed(share: Array, group_size: int, baseline: str = "none") -> np.ndarray:
    """What dropping each rollout with chance `share` multiplies the expected gradient by: [0, 1].

    The gradient of a group is (1/G) sum over the kept of (r - baseline) times the score; baseline :
    "none", "mean" of the kept, or "leave_one_out", the mean of the other kept. A group of one that
    is left has none of the latter two and teaches nothing. Undivided by a standard deviation.
    share : any shape. NaN for groups of one under "mean" and "leave_one_out": nothing to slow.

    Raises ValueError for numbers out of their ranges and another baseline.
    """
    q, G = np.asarray(share, dtype=float), int(group_size)
    if not ((q >= 0) & (q <= 1)).all() or G < 1:
        msg = f"share={shortened(share)} must lie in [0, 1], group_size={group_size} be at least 1"
        raise ValueError(msg)
    if baseline not in BASELINES:
        msg = f"baseline={shortened(baseline)} is not one of {', '.join(BASELINES)}"
        raise ValueError(msg)
    if baseline == "none":
        return 1 - q
    if G == 1:
        return q * np.nan
    if baseline == "mean":
        return (G * (1 - q) - 1 + q**G) / (G - 1)
    return (1 - q) * (1 - q ** (G - 1))


def _normal(gap: Array, covariance: Array) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    d, S = np.asarray(gap, dtype=float), np.asarray(covariance, dtype=float)
    if d.ndim != 1 or S.shape != (d.size, d.size) or not d.size:
        msg = f"gap has the shape {d.shape}, covariance {S.shape}; give (D,) and (D, D)"
        raise ValueError(msg)
    if not (np.isfinite(d).all() and np.isfinite(S).all() and np.allclose(S, S.T)):
        msg = "gap and covariance must be finite, the covariance symmetric"
        raise ValueError(msg)
    value, axes = np.linalg.eigh(S)
    if value.min() < -1e-9 * max(float(np.abs(value).max()), 1e-300):
        msg = f"covariance has the eigenvalue {value.min():.3g}; none may be below 0"
        raise ValueError(msg)
    return d, (value, axes)
