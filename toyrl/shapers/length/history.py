"""HAPO: a prompt remembers how short it was solved, and shorter right answers are paid for.

With h the history of the prompt (the shortest right answer of its earlier visits), and a score f of
length l that is positive below h, 0 at h and -1 far above,

    R = o + alpha max(clip, f)   right
    R = o + alpha min(0, f)      wrong: short wrong answers are not punished

and R = o as long as the prompt was never solved. The history of a visit is updated after all of its
rewards: the shaper answers with the visit's own shortest right answer, which the store merges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE, NOT_NEGATIVE, POSITIVE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import MemoryField, Shaped, Shaper, at, in_tokens
from toyrl.shapers.length.absolute import base_score

Array = Any
SHORTEST, SUM, COUNT = "shortest_right", "right_length_sum", "right_count"


def cosine_score(length: Array, history: Array) -> Array:
    """f = cos(pi/2 l/h) below 2 h, else -1: 1 at length 0, 0 at the history; they broadcast."""
    xp = stats.array_namespace(length, history)
    share = length / history
    two = xp.full_like(share, 2.0)
    return xp.cos(0.5 * math.pi * xp.minimum(share, two))


def linear_score(length: Array, history: Array, tolerance: Any, *, right: bool) -> Array:
    """f of the linear variant: 1 - l/h below h for right answers, then 0, then falling by l/h.

    0 from h (for wrong answers from 0) up to (1 + tolerance) h, then -(l - (1 + tolerance) h)/h,
    for wrong answers at least -1. Lengths and history broadcast.
    """
    xp = stats.array_namespace(length, history)
    share = length / history
    zero = xp.zeros_like(share)
    late = xp.minimum(1 + tolerance - share, zero)
    if right:
        return late + xp.maximum(1 - share, zero)
    return xp.maximum(late, zero - 1)


def right_rows(r: Rollouts) -> Array:
    """Weights (..., B, G) of rollouts that count as solved: right, and of at least one token."""
    xp = r.xp
    return xp.where((r.correct >= 1) & (r.length >= 1), r.w, xp.zeros_like(r.w))


@entry(
    "hapo",
    kind="shaper",
    formula="R = o + alpha max(clip, f(L/h)) (wrong: min(0, f)), h the shortest right so far",
    cards=("11",),
    section="reward and history; code HCY123902/HAPO, utils.py, grpo_trainer.py",
    provenance="code",
)
@dataclass(frozen=True)
class Hapo(Shaper):
    """Whole reward: the outcome, and a score of length against the prompt's history.

    alpha : weight of the length term (the paper's w, 1); below -1/clip every right answer is paid
        more than every wrong one
    clip : least score of a right answer, -0.7: from 1.4936 h on all right answers are paid alike
    tolerance : None for the cosine; a number (0.1 in the ablation) for the linear variant
    history : None: remembered per prompt; a length (up to 1 a share of `max_length`, above 1
        tokens) stands for the history of every prompt, and nothing is remembered
    right, wrong : base scores

    Right answers of less than one token are not remembered (the released code would store their 0
    and pay nothing for length ever after). Only whole right answers are; a graded one is paid in
    between. Parts `outcome` and `hapo` in [-alpha, alpha].
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    clip: Annotated[Any, Range("[-1, 0]")] = -0.7
    tolerance: Annotated[Any, NOT_NEGATIVE.or_none] = None
    history: Annotated[Any, POSITIVE.or_none] = None
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    memory: ClassVar[tuple[MemoryField, ...]] = (MemoryField(SHORTEST, "min", math.inf),)
    fixed: ClassVar[str] = "history"

    def all_memory(self) -> tuple[MemoryField, ...]:
        """None with a history given."""
        return () if self.history is not None else self.memory

    def remembered(self, memory: Mapping[str, Array]) -> Array:
        """(..., B, 1) history in tokens; inf where the prompt was never solved."""
        return memory[SHORTEST]

    def visit(self, r: Rollouts) -> dict[str, Array]:
        """What this visit adds to memory, (..., B, 1) by slot."""
        return {SHORTEST: stats.minimum(r.length, right_rows(r))}

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        xp, own = r.xp, self.history is None
        h = self.remembered(memory) if own else in_tokens(self.history, r)
        h = xp.zeros_like(r.length) + h
        known = xp.isfinite(h) & (h > 0)
        h = xp.where(known, h, xp.ones_like(h))
        if self.tolerance is None:
            right = wrong = cosine_score(r.length, h)
        else:
            t = at(self.tolerance, r.step)
            right, wrong = (linear_score(r.length, h, t, right=x) for x in (True, False))
        zero = xp.zeros_like(h)
        right = xp.maximum(right, zero + at(self.clip, r.step))
        wrong = xp.minimum(wrong, zero)
        score = at(self.alpha, r.step) * (wrong + (right - wrong) * r.correct)
        parts = {
            "outcome": base_score(self.right, self.wrong, r),
            "hapo": xp.where(known, score, zero),
        }
        return Shaped(parts, self.visit(r) if own else {})


@entry(
    "hapo_mean",
    kind="shaper",
    formula="R = o + alpha max(clip, f(L/h)) (wrong: min(0, f)), h the mean right length so far",
    cards=("11",),
    section="mean mode; code HCY123902/HAPO, grpo_trainer.py",
    provenance="code",
)
@dataclass(frozen=True)
class HapoMean(Hapo):
    """`hapo` with the mean of all right lengths so far as history.

    One lucky short answer moves it little. The released code folds a visit in once per rollout;
    with as many rollouts at every visit that is the same mean.
    """

    memory: ClassVar[tuple[MemoryField, ...]] = (
        MemoryField(SUM, "sum", 0.0),
        MemoryField(COUNT, "sum", 0.0),
    )

    def remembered(self, memory: Mapping[str, Array]) -> Array:
        count, total = memory[COUNT], memory[SUM]
        xp = stats.array_namespace(count)
        some = count > 0
        mean = total / xp.where(some, count, xp.ones_like(count))
        return xp.where(some, mean, xp.full_like(mean, math.inf))

    def visit(self, r: Rollouts) -> dict[str, Array]:
        w = right_rows(r)
        return {SUM: stats.total(r.length, w), COUNT: stats.mass(w)}
