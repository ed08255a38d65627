"""Rewards on length that look at one rollout: linear, cosine, L1 and soft overlong penalties.

Rewards that are published as a whole contain the outcome (`cosine`, `l1_exact`, `l1_max`);
penalties that are published as an addition do not (`linear_length`, `overlong`): write
``outcome() - 0.3*linear_length()``. A target or cache of at most 1 is a share of `max_length`,
above 1 it is tokens.

In all length rewards `alpha` is the weight of the length term, and `right` and `wrong` are the base
scores where the published reward adds to one (a product with the outcome has none: `crf`,
`l1_max`; `cosine` keeps TRL's names).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.ranges import FINITE, NOT_NEGATIVE, POSITIVE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled, in_tokens

Array = Any


@entry("linear_length", kind="shaper", formula="R = alpha L/unit", cards=("01",), provenance="text")
@dataclass(frozen=True)
class LinearLength(Shaper):
    """A term: `alpha` times length over `unit`, paid by right and wrong rollouts alike.

    unit : tokens per unit of length (None: `max_length`, so the term is in [0, alpha]; 1: alpha
        is per token). Subtract the term to penalise length; wrap it in `gated(...)` to
        charge right rollouts only.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    unit: Annotated[Any, POSITIVE.or_none] = None

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        unit = r.max_length if self.unit is None else at(self.unit, r.step)
        return {"linear_length": at(self.alpha, r.step) * r.length / unit}


@entry(
    "cosine",
    kind="shaper",
    formula="R = min + (max - min)(1 + cos(pi L/max_len))/2, ends swapped for wrong rollouts",
    works=("cosine",),
    section="Appendix C.1; TRL get_cosine_scaled_reward",
    provenance="code",
)
@dataclass(frozen=True)
class CosineLength(Shaper):
    """Whole reward: half a cosine of length, falling for right rollouts, rising for wrong ones.

    Names as in TRL's `get_cosine_scaled_reward`: a right rollout gets `max_value_correct` at
    length 0 and `min_value_correct` at `max_len`; a wrong one `min_value_wrong` at length 0 and
    `max_value_wrong` at `max_len`. Past `max_len` (None: `max_length`) the value stays.
    """

    max_len: Annotated[float | None, POSITIVE.or_none] = None
    min_value_wrong: Annotated[float, FINITE] = -1.0
    max_value_wrong: Annotated[float, FINITE] = -0.5
    min_value_correct: Annotated[float, FINITE] = 0.5
    max_value_correct: Annotated[float, FINITE] = 1.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        limit = filled(r.max_length if self.max_len is None else self.max_len, r.length)
        progress = xp.minimum(r.length / limit, xp.ones_like(r.length))
        short = 0.5 * (1.0 + xp.cos(progress * math.pi))  # 1 at length 0, 0 at the limit
        right = self.min_value_correct + (self.max_value_correct - self.min_value_correct) * short
        wrong = self.max_value_wrong + (self.min_value_wrong - self.max_value_wrong) * short
        return {"cosine": wrong + (right - wrong) * r.correct}


@entry(
    "l1_exact",
    kind="shaper",
    formula="R = o - alpha |L - target|",
    cards=("05",),
    works=("l1",),
    section="LCPO-Exact; LASER paper, Table 2",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class L1Exact(Shaper):
    """Whole reward: outcome minus `alpha` per token of distance from the target length.

    Parts `outcome` in {wrong, right} and `l1_exact` <= 0. alpha 3e-4 per token: reconstructed.
    """

    target: Annotated[Any, NOT_NEGATIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 3e-4
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        distance = r.xp.abs(r.length - in_tokens(self.target, r))
        return {
            "outcome": base_score(self.right, self.wrong, r),
            "l1_exact": -at(self.alpha, r.step) * distance,
        }


@entry(
    "l1_max",
    kind="shaper",
    formula="R = o clip(alpha (target - L) + delta, 0, 1)",
    cards=("05",),
    works=("l1",),
    section="LCPO-Max; LASER paper, Table 2 (its sign of L - target is a slip)",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class L1Max(Shaper):
    """Whole reward: right rollouts get clip(alpha (target - length) + delta, 0, 1), wrong ones 0.

    alpha 3e-4 per token and delta 0.5: reconstructed.
    """

    target: Annotated[Any, NOT_NEGATIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 3e-4
    delta: Annotated[Any, FINITE] = 0.5

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        slack = in_tokens(self.target, r) - r.length
        value = at(self.alpha, r.step) * slack + at(self.delta, r.step)
        value = xp.minimum(xp.maximum(value, xp.zeros_like(value)), xp.ones_like(value))
        return {"l1_max": r.correct * value}


@entry(
    "overlong",
    kind="shaper",
    formula="R = alpha max(floor, -max(0, L - limit + cache)/cache)",
    cards=("00", "08"),
    works=("dapo",),
    section="Eq. 13; TRL get_soft_overlong_punishment; verl reward manager dapo",
    provenance="code",
)
@dataclass(frozen=True)
class Overlong(Shaper):
    """A term: 0 up to limit - cache, then a straight fall to -alpha at the limit.

    cache : at most 1 a share of `max_length`, above 1 tokens (DAPO: 4096 of 20480 = 0.2); 0 means
        a jump to the floor past the limit
    limit : tokens (None: `max_length`)
    alpha : weight, verl's `penalty_factor`
    floor : lowest value before `alpha` (-1 as in DAPO and TRL; None: no floor, as in verl)
    """

    cache: Annotated[Any, NOT_NEGATIVE] = 0.2
    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    floor: Annotated[float | None, Range("[-inf, 0]", none=True)] = -1.0
    limit: Annotated[float | None, POSITIVE.or_none] = None

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        cache = in_tokens(self.cache, r)
        limit = filled(r.max_length if self.limit is None else self.limit, r.length)
        soft = cache > 0
        zero = xp.zeros_like(r.length)
        slope = (limit - cache - r.length) / xp.where(soft, cache, xp.ones_like(cache))
        jump = xp.where(r.length > limit, zero - 1.0, zero)
        value = xp.where(soft, xp.minimum(slope, zero), jump)
        if self.floor is not None:
            value = xp.maximum(value, filled(self.floor, value))
        return {"overlong": at(self.alpha, r.step) * value}


def base_score(right: Any, wrong: Any, r: Rollouts) -> Array:
    """`right` for right rollouts and `wrong` for wrong ones; graded correctness interpolates.

    The answer is (..., B, G), in reward units.
    """
    low = at(wrong, r.step)
    return low + (at(right, r.step) - low) * r.correct
