"""Credit for segments: how noisy the gradient is when a reward stands early, late or at the end.

L segments are right with chance q each, independently, every one by a logit of its own; each pays 1
if right. The REINFORCE gradient of segment j is (x_j - q) A_j, of mean v = q (1 - q), with

    holistic        A_j = all of x, less its mean: paid at the end, no critic
    reward_to_go    A_j = x_j + ... + x_L, less its mean
    gae             A_j = sum_u lam^u (x_(j+u) - q): an exact critic

Formulas: docs/theory/process.md.

Source: derived, for paper 51 (Fine-Grained RLHF) and its limit: lam = 1 is reward_to_go, lam = 0
the least. With an exact critic a reward paid at the end has the same temporal differences x_j - q,
so the same variances: places help reward-to-go and critics that err, and nothing else.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE, SHARE, checked
from toyrl.registry import entry


@entry(
    "holistic_credit_variance",
    kind="theorem",
    cards=("51",),
    provenance="derived",
    section="credit assignment",
    formula="Var g_j = (L - 1) v^2 + v (1 - 4 v), v = q (1 - q)",
)
@checked
def holistic_credit_variance(
    q: Annotated[float, SHARE], segments: Annotated[int, COUNT]
) -> np.ndarray:
    """(L,) variance of each segment's gradient when the sum of all is everybody's reward.

    Raises ValueError for numbers out of their ranges.
    """
    v = q * (1 - q)
    return np.full(segments, (segments - 1) * v**2 + v * (1 - 4 * v))


@entry(
    "gae_credit_variance",
    kind="theorem",
    cards=("51",),
    provenance="derived",
    section="credit assignment",
    formula="Var g_j = v^2 sum_(i=1)^(L-j) lam^(2 i) + v (1 - 4 v)",
)
@checked
def gae_credit_variance(
    q: Annotated[float, SHARE], segments: Annotated[int, COUNT], lam: Annotated[float, SHARE] = 1.0
) -> np.ndarray:
    """(L,) variance of each segment's gradient with an exact critic; lam 1: reward-to-go.

    Raises ValueError for numbers out of their ranges.
    """
    v = q * (1 - q)
    ahead = np.append(0.0, np.cumsum(lam ** (2.0 * np.arange(1, segments))))
    return v**2 * ahead[::-1] + v * (1 - 4 * v)


@entry(
    "best_segment_count",
    kind="theorem",
    cards=("51",),
    provenance="derived",
    section="customised weights (section 5)",
    formula="n* = log(a w_c/(w_r (1 - 2 q_r)))/a",
)
@checked
def best_segment_count(
    relevance: Annotated[float, POSITIVE],
    *,
    completeness: Annotated[float, NOT_NEGATIVE],
    rate: Annotated[float, POSITIVE],
    relevant: Annotated[float, SHARE],
) -> float:
    """Sub-sentences n >= 0 that maximise n w_r (2 q_r - 1) + w_c (1 - e^(-rate n)).

    relevance, completeness : weights w_r, w_c; relevant : chance q_r of a relevant sub-sentence

    Falls in w_r: a larger weight of relevance makes shorter texts. inf from q_r = 1/2 on, where
    another sub-sentence never costs; 0 where the first one costs more than it brings.

    Raises ValueError for numbers out of their ranges.
    """
    cost = relevance * (1 - 2 * relevant)
    if cost <= 0:
        return math.inf
    gain = rate * completeness
    return max(0.0, (math.log(gain) - math.log(cost)) / rate) if gain > 0 else 0.0


@entry(
    "segment_objective",
    kind="theorem",
    cards=("51",),
    provenance="derived",
    section="customised weights (section 5)",
    formula="J(n) = n w_r (2 q_r - 1) + w_c (1 - e^(-rate n))",
)
@checked
def segment_objective(
    n: Annotated[Any, FINITE],
    relevance: Annotated[float, NOT_NEGATIVE],
    *,
    completeness: Annotated[float, NOT_NEGATIVE],
    rate: Annotated[float, NOT_NEGATIVE],
    relevant: Annotated[float, SHARE],
) -> np.ndarray:
    """What n sub-sentences bring, in expectation; the shape of n.

    Raises ValueError for numbers out of their ranges.
    """
    count = np.asarray(n, dtype=float)
    return count * relevance * (2 * relevant - 1) - completeness * np.expm1(-rate * count)
