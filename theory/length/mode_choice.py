"""Choosing a reasoning mode by the first token: mislabelled prompts, drift, steps to the margin.

A policy opens a prompt in the long mode with probability q = sigmoid(d), d = z_long - z_short the
difference of two logits, each with its own parameter. A group holds h rollouts forced into each
mode. All derived; the setting is that of "Adaptive Deep Reasoning".

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "mode_count_law",
    kind="theorem",
    cards=("19",),
    provenance="derived",
    formula="P(K = k) = C(half,k) p^k (1-p)^(half-k)",
)
def binomial(half: int, p: float) -> np.ndarray:
    """(half + 1,) probabilities of 0..half successes."""
    k = np.arange(half + 1)
    ways = np.array([math.comb(half, int(i)) for i in k], dtype=float)
    return ways * p**k * (1 - p) ** (half - k)


@entry(
    "mislabelled_prompt",
    kind="theorem",
    cards=("19",),
    section="group-wise reward; derived",
    provenance="derived",
    formula="P(a_S >= a_L - theta)",
)
def easy_probability(short: float, long: float, half: int, theta: float) -> float:
    """P(a_S >= a_L - theta) in a group with `half` rollouts in each mode.

    short, long : true accuracies; a tie, up to rounding, is easy

    Raises ValueError for a `half` below 1.
    """
    if half < 1:
        msg = f"half={half} must be at least 1: accuracies need a rollout in each mode"
        raise ValueError(msg)
    i, j = np.arange(half + 1)[:, None], np.arange(half + 1)[None, :]
    chance = binomial(half, short)[:, None] * binomial(half, long)[None, :]
    return float(chance[i / half >= j / half - theta - 1e-12].sum())


@entry(
    "mode_logit_drift",
    kind="theorem",
    cards=("19",),
    provenance="derived",
    formula="2 A ((1-q)/L_long + q/L_short)",
)
def logit_drift(advantage: float, q: Array, length_short: float, length_long: float) -> Array:
    """Expected change of d per unit learning rate, a loss that divides rollouts by their length.

    advantage : expected sum of the long half's advantages over the group size; minus that of the
        short half, as the group's advantages sum to 0. Each of the two logits moves by
        advantage * ((1 - q)/L_long + q/L_short), one up and one down.

    q : any shape, in (0, 1); lengths in tokens, > 0.
    """
    return 2 * advantage * ((1 - q) / length_long + q / length_short)


@entry(
    "steps_to_margin",
    kind="theorem",
    cards=("19",),
    provenance="derived",
    formula="(margin - gap)/(2 eta c), rounded up",
)
def steps_to_margin(gap: float, margin: float, rate: float, weight: float) -> int:
    """Hinge steps until the preferred logit leads by the margin: a step moves it by 2 eta c.

    Raises ValueError where a rate or weight of 0 never gets there.
    """
    if gap >= margin:
        return 0
    if not rate * weight > 0:
        msg = f"rate={rate}, weight={weight}: both must be above 0 to move the gap to the margin"
        raise ValueError(msg)
    return math.ceil((margin - gap) / (2 * rate * weight) - 1e-12)


@entry(
    "mean_steps",
    kind="theorem",
    cards=("19",),
    provenance="derived",
    formula="target/(2 eta c (2 agreement - 1))",
)
def mean_steps(target: float, agreement: float, rate: float, weight: float) -> float:
    """Steps until d has moved by `target` nats, labels right with probability `agreement`.

    inf where it never gets there in the mean: labels right at most half of the time, or a rate or
    weight of 0; 0 for a target of 0.
    """
    pace = 2 * rate * weight * (2 * agreement - 1)
    if target == 0:
        return 0.0
    return target / pace if pace > 0 else math.inf
