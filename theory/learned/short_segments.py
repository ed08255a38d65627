"""The spread of a short segment: why steps of equal weight shrink to few frames under noise.

The population standard deviation of L normal numbers of deviation tau has the mean tau c(L),

    c(L) = sqrt(2/L) Gamma(L/2)/Gamma((L - 1)/2),      c(1) = 0, c(2) = 0.564, c(3) = 0.724

so that a criterion that gives each step the same weight gains by cutting a long step to a few
frames. If k of the L lie `jump` above the rest, L times the variance over tau^2 is a noncentral
chi-square of L - 1 degrees of freedom and noncentrality k (L - k) jump^2/(L tau^2).

Formulas: docs/theory/learned.md.

Source: textbook (chi distribution, Rice); its use on the criterion of paper 44 derived.
"""

from __future__ import annotations

import math
from typing import Annotated

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, Range, checked
from toyrl.registry import entry


@entry(
    "short_segment_ratio",
    kind="theorem",
    cards=("44",),
    provenance="derived",
    section="step discovery",
    formula="c(L) = sqrt(2/L) Gamma(L/2)/Gamma((L-1)/2)",
)
@checked
def short_segment_ratio(length: Annotated[int, COUNT]) -> float:
    """c(L) in [0, 1): mean population deviation of L normal frames over their true one.

    Raises ValueError for a length below 1.
    """
    if length == 1:
        return 0.0
    from scipy.special import poch

    # Gamma(L/2)/Gamma((L-1)/2) is a rising factorial; its logarithms would cancel for large L.
    return math.sqrt(2 / length) * float(poch((length - 1) / 2, 0.5))


@entry(
    "segment_deviation",
    kind="theorem",
    cards=("44",),
    provenance="derived",
    section="step discovery",
    formula="tau c(L) 1F1(-1/2; (L-1)/2; -k (L-k) jump^2/(2 L tau^2))",
)
@checked
def segment_deviation(
    length: Annotated[int, COUNT],
    raised: Annotated[int, Range("[0, inf)", whole=True)],
    *,
    noise: Annotated[float, NOT_NEGATIVE],
    jump: Annotated[float, FINITE] = 1.0,
) -> float:
    """Mean population deviation of `length` normal frames, `raised` of them `jump` higher.

    noise : deviation of every frame; 0: the deviation of the levels themselves

    Raises ValueError for numbers out of their ranges, and for more raised frames than frames.
    """
    if raised > length:
        msg = f"raised={raised} frames of length={length}: at most all are raised"
        raise ValueError(msg)
    between = raised * (length - raised)
    level = abs(jump) * math.sqrt(between) / length
    if length == 1 or level == 0:
        return noise * short_segment_ratio(length)
    x = 0.5 * length * (level / noise) ** 2 if noise > 1e-150 * level else math.inf
    # Far out the noise adds its part orthogonal to the levels alone.
    if x > 1e4:
        return level + (length - 2) * noise**2 / (2 * length * level)
    from scipy.special import hyp1f1

    return noise * short_segment_ratio(length) * float(hyp1f1(-0.5, (length - 1) / 2, -x))
