"""What a group can learn from grades: over an exemplar, or on a scale that is the same for all.

Qualities in a group are normal, q ~ N(mu, tau^2), and are graded 1 + #{k : q - q_ex > s_k}: only
delta = mu - q_ex matters. An exemplar at the policy's level absorbs how hard the source is; an
absolute judge sees it, and far from its thresholds the group is silent.

    live(delta)  = 1 - sum_l p_l^G                               P(grades in the group differ)
    corr(delta)  = sum_k phi((s_k - delta)/tau)/sd(grade)        correlation of grade and quality
    drift(delta) = sum_k phi((s_k - delta)/tau)/tau              d E[grade]/d mu

by Cov(q, 1[q > s]) = tau phi((s - mu)/tau).

Formulas: docs/theory/learned.md.

Source: derived, for paper 45 (ExTrans).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.registry import entry
from toyrl.theory.group.spread import group_spread

Array = Any
NODES = np.linspace(-9.0, 9.0, 1801)
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()
"""Trapezoid rule for a normal mean, exact to rounding for what is smooth over 0.01 spreads."""


def _places(delta: Array, thresholds: Array, tau: float) -> np.ndarray:
    s = np.asarray(thresholds, dtype=float)
    if s.ndim != 1 or not s.size or np.any(np.diff(s) < 0) or not np.all(np.isfinite(s)):
        msg = f"thresholds={s.tolist()} must be finite, one or more, in rising order"
        raise ValueError(msg)
    if not 0 < tau < np.inf:
        msg = f"tau={tau} must be above 0 and finite: equal qualities have no spread to grade"
        raise ValueError(msg)
    return (s - np.asarray(delta, dtype=float)[..., None]) / tau


def _density(z: Array) -> np.ndarray:
    with np.errstate(under="ignore", over="ignore"):
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


@entry(
    "grade_law",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="Phi((s_l - delta)/tau) - Phi((s_(l-1) - delta)/tau)",
)
def grade_law(delta: Array, thresholds: Array, tau: float) -> np.ndarray:
    """(..., K + 1) chances of the grades 1 .. K + 1 of one rollout.

    delta : (...) mean quality less the exemplar's, units of quality; thresholds : (K,) rising
    tau : standard deviation of quality within the group

    Raises ValueError for tau that is not above 0 and finite, and for thresholds not in order.
    """
    z = _places(delta, thresholds, tau)
    ends = np.full_like(z[..., :1], np.inf)
    z = np.concatenate([-ends, z, ends], axis=-1)
    low, high = z[..., :-1], z[..., 1:]
    # Above the middle the difference of upper tails keeps what 1 - 1 would lose.
    upper = low > 0
    return np.where(upper, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))


@entry(
    "exemplar_live",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="1 - sum_l p_l^G",
)
def live(delta: Array, thresholds: Array, tau: float, group_size: float) -> np.ndarray:
    """(...,) P(the G grades of a group differ), in [0, 1]; arguments of `grade_law`, G >= 1."""
    p = grade_law(delta, thresholds, tau)
    return group_spread(p, np.arange(p.shape[-1]), group_size)


@entry(
    "exemplar_drift",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="sum_k phi((s_k - delta)/tau)/tau",
)
def drift(delta: Array, thresholds: Array, tau: float) -> np.ndarray:
    """(...,) d E[grade]/d mu, at least 0, in grades a unit of quality; arguments of `grade_law`."""
    return _density(_places(delta, thresholds, tau)).sum(-1) / tau


@entry(
    "exemplar_corr",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="sum_k phi((s_k - delta)/tau)/sqrt(sum_l (l - m)^2 p_l)",
)
def corr(delta: Array, thresholds: Array, tau: float) -> np.ndarray:
    """(...,) correlation of grade and quality in a group, in [0, 1]; 0 where all grades are one.

    Arguments of `grade_law`.
    """
    p, slope = grade_law(delta, thresholds, tau), tau * drift(delta, thresholds, tau)
    level = np.arange(p.shape[-1])
    m = (level * p).sum(-1, keepdims=True)
    sd = np.sqrt(((level - m) ** 2 * p).sum(-1))
    some = sd > 0
    return np.minimum(np.where(some, slope / np.where(some, sd, 1.0), 0.0), 1.0)


def _averaged(of: Callable[[np.ndarray], np.ndarray], ability: float, spread: float) -> float:
    """E of(ability + d) over sources d ~ N(0, spread^2), by the trapezoid rule.

    Raises ValueError for a spread below 0 or infinite.
    """
    if not 0 <= spread < np.inf:
        msg = f"spread={spread} must be at least 0 and finite"
        raise ValueError(msg)
    return float(WEIGHTS @ of(ability + spread * NODES))


@entry(
    "absolute_live",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="E_d live(ability + d), d ~ N(0, spread^2)",
)
def live_absolute(
    thresholds: Array, tau: float, group_size: float, spread: float, *, ability: float = 0.0
) -> float:
    """Mean `live` under an absolute scale, over sources of difficulty N(0, spread^2).

    thresholds : (K,) on the scale of quality; spread : >= 0, 0 gives `live(ability)`
    """
    return _averaged(lambda x: live(x, thresholds, tau, group_size), ability, spread)


@entry(
    "absolute_corr",
    kind="theorem",
    cards=("45",),
    provenance="derived",
    formula="E_d corr(ability + d), d ~ N(0, spread^2)",
)
def corr_absolute(thresholds: Array, tau: float, spread: float, *, ability: float = 0.0) -> float:
    """Mean `corr` under an absolute scale; thresholds (K,), arguments of `live_absolute`."""
    return _averaged(lambda x: corr(x, thresholds, tau), ability, spread)
