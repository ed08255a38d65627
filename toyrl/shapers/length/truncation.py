"""Rewards that only ask whether a rollout stayed within a target length.

A target of at most 1 is a share of `max_length` (0.5: half of the completion limit, 1: the limit
itself); above 1 it is tokens. A length equal to the target counts as within.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE, NOT_NEGATIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled, in_tokens
from toyrl.shapers.length.absolute import base_score
from toyrl.shapers.length.difficulty import by_bucket, solve_rate, solve_rate_bucket

Array = Any


def within(target: Any, r: Rollouts) -> Array:
    """1 where the rollout is not longer than the target, else 0; (..., B, G)."""
    return r.xp.astype(r.length <= in_tokens(target, r), r.length.dtype)


@entry(
    "truncation",
    kind="shaper",
    formula="R = o if L <= target, else wrong",
    cards=("05", "08"),
    section="Table 2, vanilla truncation and ThinkPrune",
    provenance="text",
)
@dataclass(frozen=True)
class Truncation(Shaper):
    """Whole reward: the outcome of rollouts within the target, `wrong` for all longer ones."""

    target: Annotated[Any, NOT_NEGATIVE] = 0.5
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        low = at(self.wrong, r.step)
        gain = (base_score(self.right, self.wrong, r) - low) * within(self.target, r)
        return {"truncation": low + gain}


@entry(
    "stop_properly",
    kind="shaper",
    formula="R = o (stop + (1 - stop) kept)",
    cards=("08",),
    section="code NVlabs/DLER verl-dler, reward manager dapo, stop_properly_penalty",
    provenance="code",
)
@dataclass(frozen=True)
class StopProperly(Shaper):
    """Whole reward: the outcome, of which a rollout that was cut off keeps a share.

    Truncation at the completion limit as DLER's code has it: one that ends by itself at the limit
    has stopped. A text that is cut off before its answer is wrong anyway.

    kept : 0.1 as released; 0 is truncation, 1 switches it off
    right, wrong : base scores; what is above `wrong` is shrunk
    """

    kept: Annotated[Any, SHARE] = 0.1
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, low = r.xp, at(self.wrong, r.step)
        gain = base_score(self.right, self.wrong, r) - low
        kept = xp.zeros_like(gain) + at(self.kept, r.step)
        return {"stop_properly": low + gain * xp.where(r.cut, kept, xp.ones_like(gain))}


@entry(
    "truncation_by_difficulty",
    kind="shaper",
    formula="R = o if L <= limit(solve rate), else wrong",
    cards=("08",),
    section="section 4, DA-DLER; the side of a tie is reconstructed",
    provenance="text",
)
@dataclass(frozen=True)
class TruncationByDifficulty(Shaper):
    """Whole reward: truncation at `easy` for prompts often solved, at `hard` for the others.

    easy, hard : limits, up to 1 a share of `max_length` (the published 2000 and 4000 of 4000),
        above 1 tokens
    threshold : prompts whose share of right rollouts reaches it are easy; counted before
        truncation
    right, wrong : base scores
    """

    easy: Annotated[Any, NOT_NEGATIVE] = 0.5
    hard: Annotated[Any, NOT_NEGATIVE] = 1.0
    threshold: Annotated[Any, SHARE] = 0.5
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        low = at(self.wrong, r.step)
        bucket = solve_rate_bucket(solve_rate(r), (at(self.threshold, r.step),))
        limit = by_bucket([at(x, r.step) for x in (self.hard, self.easy)], bucket)
        gain = (base_score(self.right, self.wrong, r) - low) * within(limit, r)
        return {"truncation_by_difficulty": low + gain}


def base_or_missing(right: Any, wrong: Any, missing: Any, r: Rollouts) -> Array:
    """`right`, `wrong`, or `missing` where the field `answered` says that no answer was found.

    The answer is (..., B, G), in reward units; without the field nothing counts as missing.
    """
    low = filled(at(wrong, r.step), r.correct)
    if r.has("answered"):
        low = missing + (low - missing) * r.fields["answered"]
    return low + (at(right, r.step) - low) * r.correct


@entry(
    "laser",
    kind="shaper",
    formula="R = base score + alpha o (within [L <= target] + beyond [L > target])",
    cards=("05",),
    section="Eq. 2, Table 2; code hkust-nlp/Laser",
    provenance="code",
)
@dataclass(frozen=True)
class Laser(Shaper):
    """Whole reward: the outcome, and `alpha` more for a right rollout within the target.

    target : at most 1 a share of `max_length`, above 1 tokens
    within, beyond : what a right rollout on either side of the target is paid, in units of alpha;
        1 and 0 as published. The code also has a penalty (0 and -1) and a hybrid (1 and -1)
    right, wrong, missing : base scores 1, -0.5 and -1 (as released); `missing` is for rollouts in
        which no answer was found and takes effect where the field `answered` is present
    Parts `outcome` and `laser`, 0 for wrong rollouts.
    """

    target: Annotated[Any, NOT_NEGATIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = -0.5
    missing: Annotated[float, FINITE] = -1.0
    within: Annotated[Any, FINITE] = 1.0
    beyond: Annotated[Any, FINITE] = 0.0
    wants: ClassVar[tuple[str, ...]] = ("answered",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        inside = within(self.target, r)
        beyond = at(self.beyond, r.step)
        side = beyond + (at(self.within, r.step) - beyond) * inside
        return {
            "outcome": base_or_missing(self.right, self.wrong, self.missing, r),
            "laser": at(self.alpha, r.step) * r.correct * side,
        }
