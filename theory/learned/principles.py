"""What a judge can know that is told the principle, and one that is not.

Responses have features phi in R^D, a principle is a direction c, the truth <c, phi>. Accuracy is
the share of pairs that a judge orders as the truth does, ties half.

    blind, c and -c      acc(c) + acc(-c) = 1 for any scores: a pair that is right under the one
                         is wrong under the other
    linear, isotropic    acc = 1 - angle(w, c)/pi: the sign of a projection differs with chance
                         angle/pi
    R_acc by chance      1 - W_untied/(2 W): reversed or not at even odds, or tied, costs half

Formulas: docs/theory/learned.md.

Source: paper 12 (RewardAnything) for the reward; the laws are derived.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE, Range, checked
from toyrl.registry import entry

Array = Any


@entry(
    "angle_accuracy",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="principle-blind judges",
    formula="1 - angle(w, c)/pi",
)
def angle_accuracy(judge: Array, principle: Array) -> np.ndarray:
    """Pair accuracy (...) of a fixed direction under a principle, for isotropic Gaussian features.

    judge, principle : (..., D), broadcast; 1/2 where one of them is 0, which ties everything
    """
    w, c = (np.asarray(x, dtype=float) for x in (judge, principle))
    w, c = (x / np.where((m := np.abs(x).max(-1, keepdims=True)) > 0, m, 1.0) for x in (w, c))
    size = np.sqrt((w**2).sum(-1) * (c**2).sum(-1))
    # arccos alone loses half of the digits near 0 and pi.
    aligned = (w * c).sum(-1) / np.where(size > 0, size, 1.0)
    return np.where(size > 0, 1 - np.arccos(np.clip(aligned, -1, 1)) / np.pi, 0.5)


@entry(
    "blind_accuracy",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="principle-blind judges",
    formula="1 - arccos(1/sqrt(D))/pi",
)
@checked
def blind_accuracy(attributes: Annotated[int, COUNT]) -> float:
    """Mean accuracy of the best blind linear judge over D one-attribute principles: w all equal.

    For D = 2 every direction between the two is as good.
    """
    return float(1 - np.arccos(1 / np.sqrt(attributes)) / np.pi)


@entry(
    "copied_accuracy",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="principle-blind judges",
    formula="floor + (1 - floor)/D",
)
@checked
def copied_accuracy(
    attributes: Annotated[int, COUNT], floor: Annotated[float, Range("[0, 1]")] = 0.5
) -> float:
    """Mean over D one-attribute principles of a judge that always copies one attribute.

    floor : what is paid for an order that has nothing to do with the truth: 1/2 for accuracy,
        `chance_agreement` of the true grades for R_acc
    """
    return floor + (1 - floor) / attributes


@entry(
    "span_accuracy",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="principle-blind judges",
    formula="1 - span/(4 pi)",
)
@checked
def span_accuracy(span: Annotated[float, Range("[0, 3.141592653589793]")]) -> float:
    """Best blind accuracy where two-attribute principles have uniform angles in an arc.

    span : radians, up to pi; 7/8 for a right angle
    """
    return 1 - span / (4 * np.pi)


@entry(
    "chance_agreement",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="code rewardanything/processing.py",
    formula="1 - W_untied/(2 W)",
)
def chance_agreement(truth: Array) -> np.ndarray:
    """(...) expected R_acc of a judge whose order has nothing to do with true grades (..., n).

    Also exactly what equal scores pay. 1/2 for different grades, 1 for equal ones.

    Raises ValueError for fewer than two grades, and for NaN.
    """
    g = np.asarray(truth, dtype=float)
    if g.ndim < 1 or g.shape[-1] < 2 or not np.isfinite(g).all():
        msg = f"truth={shortened(truth)} must be (..., n) finite grades, n of 2 and more"
        raise ValueError(msg)
    gap = np.abs(g[..., :, None] - g[..., None, :])
    weight = np.where(np.eye(g.shape[-1]) > 0, 0.0, 1 + gap)
    return 1 - (weight * (gap > 0)).sum((-2, -1)) / (2 * weight.sum((-2, -1)))


@entry(
    "silence_threshold",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="code rewardanything/processing.py",
    formula="1 - (w_f/w_a)(f_said - f_silent)",
)
@checked
def silence_threshold(
    form: Annotated[float, NOT_NEGATIVE],
    agree: Annotated[float, POSITIVE],
    *,
    said: Annotated[float, Range("[0, 1]")] = 1.0,
    silent: Annotated[float, Range("[0, 1]")] = 0.0,
) -> float:
    """R_acc below which the released reward pays more for an output without scores.

    form, agree : weights w_f and w_a; said, silent : R_fmt of a judgement and of silence (up to
        0.2 for thinking alone). Above 1: silence always pays more; below 0: never
    """
    return 1 - form / agree * (said - silent)


@entry(
    "steered_mean",
    kind="theorem",
    cards=("12",),
    provenance="derived",
    section="case study: a principle steers a policy",
    formula="mu + s Var/beta + s^2 kappa_3/(2 beta^2)",
)
@checked
def steered_mean(
    ref: Any, attribute: Any, sign: Annotated[float, Range("(-inf, inf)")], *,
    beta: Annotated[float, POSITIVE]
) -> float:  # fmt: skip
    """Mean attribute under the tilt ref exp(sign attribute/beta)/Z, to second order in 1/beta.

    ref, attribute : (K,) probabilities and values; sign : +1 asks for more of it, -1 for less
    """
    p, x = np.asarray(ref, dtype=float), np.asarray(attribute, dtype=float)
    mean = p @ x
    away = x - mean
    return float(mean + sign * (p @ away**2) / beta + sign**2 * (p @ away**3) / (2 * beta**2))
