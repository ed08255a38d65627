"""What a checklist tells: how far texts differ, and how well a verdict or a judge keeps that.

R_C is the mean of N verdicts of 1, 1/2 or 0. Constraints are independent, met in full with chance
p_i and in part with h_i. A group-normalised estimator is blind to a reward's scale, so that a
larger spread is worth something only against noise: correlations say how much.

Formulas: docs/theory/routed.md.

Source: derived, for paper 55.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import NOT_NEGATIVE, SHARE, Range, checked
from toyrl.registry import entry
from toyrl.theory.noise.channel import noisy_success, signal

Array = Any


@entry(
    "checklist_deviation",
    kind="theorem",
    cards=("55",),
    provenance="derived",
    formula="Var R_C = (1/N^2) sum_i [p_i + h_i/4 - (p_i + h_i/2)^2]",
)
def checklist_deviation(full: Array, part: Array = 0.0) -> np.ndarray:
    """(...) standard deviation of R_C.

    full : (..., N) chances p_i; part : (..., N) or a number, chances h_i, p_i + h_i <= 1

    Raises ValueError for chances that aren't, and for no constraints.
    """
    full, part = _chances(full, part)
    each = full + part / 4 - (full + part / 2) ** 2
    return np.sqrt(np.maximum(each, 0.0).sum(-1)) / full.shape[-1]


@entry(
    "checklist_law",
    kind="theorem",
    cards=("55",),
    provenance="derived",
    formula="P(R_C = j/(2N)), the product of (1 - p_i - h_i) + h_i x + p_i x^2",
)
def checklist_law(full: Array, part: Array = 0.0) -> np.ndarray:
    """(2N + 1,) chances of R_C = 0, 1/(2N), ..., 1: products of polynomials, one a constraint.

    With `toyrl.theory.group.spread.group_spread` it says how often a group has any signal; the last
    entry alone is the law of an all-or-nothing reward.

    full : (N,) chances p_i; part : (N,) or a number, chances h_i, p_i + h_i <= 1

    Raises ValueError for chances that aren't, and for no constraints.
    """
    full, part = _chances(full, part)
    law = np.ones(1)
    for p, h in zip(full, part, strict=True):
        law = np.convolve(law, [max(1 - p - h, 0.0), h, p])
    return law


@entry(
    "judge_correlation",
    kind="theorem",
    cards=("55",),
    provenance="derived",
    formula="kappa v/sqrt(kappa^2 v^2 + sigma^2)",
)
@checked
def judge_correlation(
    kappa: Annotated[Array, NOT_NEGATIVE], noise: Annotated[Array, NOT_NEGATIVE],
    deviation: Annotated[Array, NOT_NEGATIVE],
) -> np.ndarray:  # fmt: skip
    """Correlation in [0, 1] of a holistic judge kappa R_C + noise with R_C; 0 if it says nothing.

    kappa, noise (standard deviation) and deviation (of R_C) are >= 0 and broadcast.

    Raises ValueError for one below 0.
    """
    told = np.asarray(kappa, dtype=float) * np.asarray(deviation, dtype=float)
    size = np.hypot(told, np.asarray(noise, dtype=float))
    return np.where(told > 0, told / np.where(size > 0, size, 1.0), 0.0)


@entry(
    "flip_correlation",
    kind="theorem",
    cards=("55",),
    provenance="derived",
    formula="(1 - 2e) sqrt(p(1 - p)/(q(1 - q))),  q = p(1 - e) + (1 - p)e",
)
@checked
def flip_correlation(p: Annotated[Array, SHARE], flip: Annotated[Array, SHARE]) -> np.ndarray:
    """Correlation in [-1, 1] of R_C with itself after each verdict was flipped with chance e.

    For any number of binary constraints, all met with chance p; 0 where verdicts don't vary.
    p and flip lie in [0, 1] and broadcast.

    Raises ValueError for one outside.
    """
    p = np.asarray(p, dtype=float)
    q = noisy_success(p, flip, flip)
    clean, noisy = p * (1 - p), q * (1 - q)
    ratio = np.where(noisy > 0, clean / np.where(noisy > 0, noisy, 1.0), 0.0)
    return signal(flip, flip) * np.sqrt(ratio)


@entry(
    "flip_rate_matching",
    kind="theorem",
    cards=("55",),
    provenance="derived",
    formula="e* = (1 - t)/2,  t = (rho/2)/sqrt(a + rho^2 (1/4 - a)),  a = p(1 - p)",
)
@checked
def flip_rate_matching(
    correlation: Annotated[Array, SHARE], p: Annotated[Array, Range("(0, 1)")]
) -> np.ndarray:
    """The flip rate in [0, 1/2] at which a checklist is as good as a judge of this correlation.

    The inverse of `flip_correlation`; at p = 1/2 it is (1 - rho)/2. Both broadcast.

    Raises ValueError for a correlation outside [0, 1] and for p outside (0, 1).
    """
    rho, p = np.asarray(correlation, dtype=float), np.asarray(p, dtype=float)
    a = p * (1 - p)
    t = rho / 2 / np.sqrt(a + rho**2 * (0.25 - a))
    return (1 - np.minimum(t, 1.0)) / 2


def _chances(full: Array, part: Array) -> tuple[np.ndarray, np.ndarray]:
    full = np.asarray(full, dtype=float)
    part = np.broadcast_to(np.asarray(part, dtype=float), full.shape)
    if full.ndim == 0 or not full.shape[-1]:
        msg = "full has no constraints; give chances (N,) of N >= 1"
        raise ValueError(msg)
    if not ((full >= 0) & (part >= 0) & (full + part <= 1 + 1e-12)).all():
        msg = f"full={full.tolist()} and part={part.tolist()} must be chances, at most 1 together"
        raise ValueError(msg)
    return full, part
