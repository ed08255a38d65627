"""What a prompt's reward pays: spread of gaps, ties, best of segments; what a z-score keeps.

Formulas: docs/theory/prompts.md.

Source: derived, for the published rewards of paper 37 (RLPrompt).
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy.special import ndtr

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE, Range, checked
from toyrl.registry import entry

Array = Any
CLASSES = Range("[2, inf)", whole=True)


@entry(
    "uneven_gap_bonus",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="(right - wrong) max(s - |m|, 0)/2",
)
@checked
def uneven_gap_bonus(
    m: Annotated[float, FINITE],
    s: Annotated[float, NOT_NEGATIVE],
    *,
    wrong: Annotated[float, FINITE] = 180.0,
    right: Annotated[float, FINITE] = 200.0,
) -> float:
    """Piecewise reward of gaps m + s and m - s, half the inputs each, less that of m for all.

    0 as long as both gaps have one sign; then it grows, for right > wrong, while accuracy halves.

    Raises ValueError for numbers out of their ranges.
    """
    return (right - wrong) * max(s - abs(m), 0.0) / 2


@entry(
    "normal_gap_reward",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="wrong m + (right - wrong)(m Phi(m/s) + s phi(m/s))",
)
@checked
def normal_gap_reward(
    m: Annotated[float, FINITE],
    s: Annotated[float, NOT_NEGATIVE],
    *,
    wrong: Annotated[float, FINITE] = 180.0,
    right: Annotated[float, FINITE] = 200.0,
) -> float:
    """Mean piecewise reward of gaps N(m, s^2), not cut at 1; at s = 0 the reward of m.

    Raises ValueError for numbers out of their ranges.
    """
    if s == 0 or abs(m) > 40 * s:
        return wrong * m + (right - wrong) * max(m, 0.0)
    z = m / s
    positive = m * float(ndtr(z)) + s * float(np.exp(-z * z / 2) / np.sqrt(2 * np.pi))
    return wrong * m + (right - wrong) * positive


@entry(
    "tied_gap",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="1/t + 1[t = C]",
)
@checked
def tied_gap(tied: Annotated[int, CLASSES], classes: Annotated[int, CLASSES]) -> float:
    """Released gap of a model undecided between the label and tied - 1 other classes, 1/t each.

    By the equality mask; without ties a gap is at most 1, and a tie left in is 0.

    Raises ValueError for numbers out of their ranges, and for more tied than there are.
    """
    if tied > classes:
        msg = f"tied={tied} must be at most classes={classes}"
        raise ValueError(msg)
    return 1 / tied + (tied == classes)


@entry(
    "bootstrapped_maximum_law",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="n/(n + 1), n/((n + 1)^2 (n + 2) k)",
)
@checked
def bootstrapped_maximum_law(
    n: Annotated[int, COUNT], k: Annotated[int, COUNT]
) -> tuple[float, float]:
    """(mean, variance) of the mean of k maxima of n uniform scores in [0, 1].

    Raises ValueError for numbers out of their ranges.
    """
    return n / (n + 1), n / (n + 1) / (n + 1) / (n + 2) / k


@entry(
    "lucky_segments",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="1 - (1 - p)^n",
)
@checked
def lucky_segments(p: Annotated[float, Range("[0, 1]")], n: Annotated[int, COUNT]) -> float:
    """Reward of outputs that score 1 with chance p, else 0: mean of bootstrapped maxima, any k.

    Raises ValueError for numbers out of their ranges.
    """
    return 1.0 if p == 1 else float(-np.expm1(n * np.log1p(-p)))


@entry(
    "input_signal",
    kind="theorem",
    cards=("37",),
    section="section 4 of the toy; one REINFORCE sample at the uniform policy",
    provenance="derived",
    formula="(v/K)/((1 - 1/K)(v + abar^2 + sigma^2)), 1/(K - 1)",
)
@checked
def input_signal(merits: Array, sigma: Annotated[float, NOT_NEGATIVE]) -> tuple[float, float]:
    """(raw, z-scored): |E g|^2 / E|g|^2 of one sample's gradient, no baseline, uniform policy.

    merits : (K,) what K prompts are worth, not all equal; rewards are merit + N(0, sigma^2), the
        offset of the input being the same for all prompts
    Their ratio, the gain of z-scores within inputs, is 1 + (mean^2 + sigma^2)/variance.

    Raises ValueError for fewer than two prompts, equal ones, and numbers that are not finite.
    """
    a = np.asarray(merits, dtype=float)
    if a.ndim != 1 or a.size < 2 or not np.isfinite(a).all() or not np.ptp(a) > 0:
        msg = f"merits={a.tolist()} must be two or more finite numbers, not all equal"
        raise ValueError(msg)
    k, spread = a.size, float(a.var())
    whole = (1 - 1 / k) * (spread + float(a.mean()) ** 2 + sigma**2)
    return spread / k / whole, 1 / (k - 1)


@entry(
    "pooled_spread",
    kind="theorem",
    cards=("37",),
    provenance="derived",
    formula="sqrt((between + within/k)/(between + within))",
)
@checked
def pooled_spread(
    between: Annotated[float, NOT_NEGATIVE],
    within: Annotated[float, POSITIVE],
    k: Annotated[int, COUNT],
) -> float:
    """Standard deviation of a z-score by pooled maxima, for many prompts; below 1 where k > 1.

    between : variance of prompts' expected maxima; within : of a maximum around it; k : segments

    Raises ValueError for numbers out of their ranges.
    """
    return float(np.sqrt((between + within / k) / (between + within)))
