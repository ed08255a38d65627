"""A judge's score by statistics over all scores that were seen so far, of whatever prompt.

    meanstd   R = (r - mu)/sd
    clip      R = clip(r, mu - sd, mu + sd)
    minmax    R = (r - min)/(max - min)

The statistics take in a batch before it is transformed, so that no score lies outside of its own
minimum and maximum. They are the population's, shared by all prompts, and kept as sums, which merge
in any order: after any batches they are those of all scores together. Nothing is forgotten: one
hacked score compresses all later honest ones under minmax. Scores that are not finite are never
taken in; the released code keeps a NaN for ever, and divides by 0 where all scores are equal.

Two of them in one sum share their statistics, and count each score once: give both the same ceiling
and charge for length.

Source: paper 23, its code `trainers/reward_shaper.py` (PorUna-byte/PAR).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl import stats
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import MemoryField, Shaped
from toyrl.shapers.judge.bounded import JudgeShaper

Array = Any
SEEN, SUM, SQUARES = "judge_seen", "judge_sum", "judge_squares"
LOWEST, HIGHEST = "judge_lowest", "judge_highest"
OVER = {"sum": stats.total, "min": stats.minimum, "max": stats.maximum}


def mean_and_std(seen: Array, total: Array, squares: Array) -> tuple[Array, Array]:
    """(mean, population standard deviation) of the scores behind three sums.

    seen, total, squares : (..., B, 1) or any one shape, which both answers have
    A variance within the rounding of its two terms is 0: equal scores. So is that of no score.
    """
    xp = stats.array_namespace(seen, total)
    n = xp.where(seen > 0, seen, xp.ones_like(seen))
    mean, square = total / n, squares / n
    variance = square - mean**2
    some = variance > 64 * xp.finfo(square.dtype).eps * square
    root = xp.sqrt(xp.where(some, variance, xp.ones_like(variance)))
    return mean, xp.where(some, root, xp.zeros_like(root))


@dataclass(frozen=True)
class RunningShaper(JudgeShaper):
    """Base of shapers with statistics over all scores; a subclass says `scaled`."""

    scope: ClassVar[str] = "batch"

    def visit(self, score: Array, w: Array) -> dict[str, Array]:
        """(..., B, 1) what the prompts of this batch add, by slot; w (..., B, G) weights."""
        raise NotImplementedError

    def scaled(self, score: Array, seen: Mapping[str, Array]) -> Array:
        """(..., B, G) the reward of scores by the statistics so far, this batch's included."""
        raise NotImplementedError

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        xp, score = r.xp, self.score(r)
        known = xp.isfinite(score)
        w = xp.where(known, r.w, xp.zeros_like(r.w))
        clean = xp.where(known, score, xp.zeros_like(score))
        own, seen = self.visit(clean, w), {}
        for slot in self.memory:
            new = own[slot.name]
            batch = OVER[slot.op](new, xp.ones_like(new), axis=-2)
            old = memory[slot.name]
            both = {
                "sum": old + batch,
                "min": xp.minimum(old, batch),
                "max": xp.maximum(old, batch),
            }
            seen[slot.name] = both[slot.op]
        value = self.scaled(clean, seen)
        return Shaped({"judge": xp.where(known, value, xp.full_like(value, xp.nan))}, own)


@dataclass(frozen=True)
class MomentShaper(RunningShaper):
    """Base of shapers by the running mean and standard deviation."""

    memory: ClassVar[tuple[MemoryField, ...]] = tuple(
        MemoryField(name, "sum", 0.0, shared=True) for name in (SEEN, SUM, SQUARES)
    )

    def visit(self, score: Array, w: Array) -> dict[str, Array]:
        return {
            SEEN: stats.mass(w),
            SUM: stats.total(score, w),
            SQUARES: stats.total(score**2, w),
        }


@entry(
    "judge_meanstd",
    kind="shaper",
    formula="R = (r - mu)/sd, running",
    cards=("23",),
    section="meanstd; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeMeanStd(MomentShaper):
    """Whole reward: the score in running standard deviations from the running mean; (..., B, G).

    Divided by 1 while all scores are equal. Affine within a batch: unbounded, and group-normalised
    advantages don't see it.
    """

    def scaled(self, score: Array, seen: Mapping[str, Array]) -> Array:
        xp = stats.array_namespace(score)
        mean, std = mean_and_std(seen[SEEN], seen[SUM], seen[SQUARES])
        return (score - mean) / xp.where(std > 0, std, xp.ones_like(std))


@entry(
    "judge_clip",
    kind="shaper",
    formula="R = min(max(r, mu - sd), mu + sd), running",
    cards=("23",),
    section="clip; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeClip(MomentShaper):
    """Whole reward: the score within one running standard deviation of the running mean.

    (..., B, G); the order of a group is kept weakly alone.
    """

    def scaled(self, score: Array, seen: Mapping[str, Array]) -> Array:
        xp = stats.array_namespace(score)
        mean, std = mean_and_std(seen[SEEN], seen[SUM], seen[SQUARES])
        return xp.minimum(xp.maximum(score, mean - std), mean + std)


@entry(
    "judge_minmax",
    kind="shaper",
    formula="R = (r - min)/(max - min), running",
    cards=("23",),
    section="minmax; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeMinMax(RunningShaper):
    """Whole reward: where the score lies between the least and the largest ever seen, in [0, 1].

    0 while all scores are equal; (..., B, G). The released minimum and maximum start at 10000 and
    -10000 instead of inf and -inf, which is the same for scores between.
    """

    memory: ClassVar[tuple[MemoryField, ...]] = (
        MemoryField(LOWEST, "min", math.inf, shared=True),
        MemoryField(HIGHEST, "max", -math.inf, shared=True),
    )

    def visit(self, score: Array, w: Array) -> dict[str, Array]:
        return {LOWEST: stats.minimum(score, w), HIGHEST: stats.maximum(score, w)}

    def scaled(self, score: Array, seen: Mapping[str, Array]) -> Array:
        xp = stats.array_namespace(score)
        low, high = seen[LOWEST], seen[HIGHEST]
        some = xp.isfinite(low) & xp.isfinite(high) & (high > low)
        width = xp.where(some, high - low, xp.ones_like(low))
        gap = score - xp.where(xp.isfinite(low), low, xp.zeros_like(low))
        return xp.where(some, gap / width, xp.zeros_like(score))
