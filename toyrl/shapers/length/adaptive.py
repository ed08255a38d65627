"""LASER-D and LASER-DE: the target length depends on how often the prompt was solved, and adapts.

Prompts fall into three buckets by the share of right rollouts in their group (from 2/3 on easy,
from 1/3 on medium, else hard), each with a target. Every so many updates the targets are chosen
anew (`adaptive_targets`): the shortest at which a bucket may expect one whole answer among n,

    target = least l on the grid with P(length <= l) n >= 1

n = 6, 3, 1 of 8 for easy, medium, hard as the paper has it ("ceil"), 5, 2, 1 in what was run
("floor"). A shaper is a value, so new targets make a new one: `shaper.adapted(rollouts, ...)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE, SHARE, checked, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.length.difficulty import by_bucket, solve_rate, solve_rate_bucket
from toyrl.shapers.length.truncation import base_or_missing, within

Array = Any
S = TypeVar("S", bound="LaserD")


class Targets(NamedTuple):
    """A target length for each bucket, hardest first; tokens, or shares of the limit up to 1."""

    hard: float
    medium: float
    easy: float


def answers_for_one(group_size: int, rounding: str) -> Targets:
    """n of a hard, medium and easy bucket: how many answers are to cover a whole one.

    1, ceil(G/3), ceil(2G/3) as in the paper ("ceil"), rounded down in the released code ("floor").

    group_size : G >= 1. Raises ValueError for another rounding.
    Source: LASER paper, section 5.2; code `_choose_target_length`.
    """
    if rounding not in ("floor", "ceil"):
        msg = f"rounding={rounding!r} is not one of floor, ceil"
        raise ValueError(msg)
    up = 2 if rounding == "ceil" else 0
    return Targets(1, (group_size + up) // 3, (2 * group_size + up) // 3)


def target_grid(lowest: float, highest: float, every: float) -> np.ndarray:
    """Candidates in tokens: `lowest`, then the multiples of `every` past it (or past lowest alone).

    (N,) tokens. From a lowest of at least `every` on: lowest, lowest + every, ... up to `highest`;
    from a smaller one: lowest, every, 2 every, ...

    Source: code `_choose_target_length`.
    """
    start = lowest + every if lowest >= every else every
    return np.concatenate([[lowest], np.arange(start, highest + 0.5 * every, every)])


@checked
def adaptive_targets(
    r: Rollouts,
    *,
    lowest: Annotated[float, POSITIVE],
    highest: Annotated[float, POSITIVE] = 16384,
    every: Annotated[float, POSITIVE] = 1024,
    group_size: Annotated[int | None, COUNT.or_none] = None,
    rounding: Annotated[str, one_of("floor", "ceil")] = "floor",
    longest: Annotated[float | None, NOT_NEGATIVE.or_none] = None,
) -> Targets:
    """The shortest target of each bucket that covers one answer, from monitored rollouts.

    r : (B, K) rollouts on NumPy, all of one length in tokens; *all* of a bucket's answers count,
        right or wrong. A rate on an edge belongs to the harder bucket here, unlike in the reward
    lowest, highest, every : the grid in tokens (`target_grid`)
    group_size : K in n(K) (None: that of r)
    longest : tokens where no target covers an answer, as in an empty bucket (None: the longest
        answer in r)

    Raises ValueError for arguments out of their ranges.
    Source: LASER paper, section 5.2; code `_choose_target_length`.
    """
    length, w = np.asarray(r.length, dtype=float), np.asarray(r.w, dtype=float)
    size = r.shape[-1] if group_size is None else group_size
    needed = answers_for_one(size, rounding)
    last = float(np.where(w > 0, length, 0).max(initial=0.0)) if longest is None else longest
    bucket = np.asarray(solve_rate_bucket(solve_rate(r), ties="harder"))
    grid = target_grid(lowest, highest, every)
    found = []
    for which, n in enumerate(needed):
        own = np.where(bucket == which, w, 0.0)
        inside = np.array([(own * (length <= at_most)).sum() for at_most in grid])
        covers = (inside * n >= own.sum() * (1 - 1e-12)) & (inside * n > 0)
        found.append(float(grid[np.argmax(covers)]) if covers.any() else last)
    return Targets(*found)


@entry(
    "laser_d",
    kind="shaper",
    formula="R = base score + alpha o [L <= target(solve rate)]",
    cards=("05",),
    section="Table 2 and section 5.2; code hkust-nlp/Laser",
    provenance="code",
)
@dataclass(frozen=True)
class LaserD(Shaper):
    """Whole reward: LASER with a target for hard, medium and easy prompts.

    hard, medium, easy : targets of prompts solved by less than 1/3, less than 2/3 and more of
        their rollouts (before any bonus; an edge belongs to the easier side); at most 1 a share
        of `max_length`, above 1 tokens. Before the first monitoring all are the configured one
    within, beyond : as in `laser`, in units of alpha
    right, wrong, missing : base scores as in `laser`
    Parts `outcome` and `laser_d`, 0 for wrong rollouts. `adapted` chooses new targets.
    """

    hard: Annotated[Any, NOT_NEGATIVE] = 0.5
    medium: Annotated[Any, NOT_NEGATIVE] = 0.5
    easy: Annotated[Any, NOT_NEGATIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = -0.5
    missing: Annotated[float, FINITE] = -1.0
    within: Annotated[Any, FINITE] = 1.0
    beyond: Annotated[Any, FINITE] = 0.0
    wants: ClassVar[tuple[str, ...]] = ("answered",)
    scope: ClassVar[str] = "group"

    def inside(self, r: Rollouts) -> Array:
        """1 where a rollout is within its prompt's target, else 0; (..., B, G)."""
        targets = [at(t, r.step) for t in (self.hard, self.medium, self.easy)]
        return within(by_bucket(targets, solve_rate_bucket(solve_rate(r))), r)

    def adapted(self: S, r: Rollouts, **options: Any) -> S:
        """The same reward with the targets that these monitored rollouts ask for.

        options : of `adaptive_targets`, whose ValueErrors it raises
        """
        return replace(self, **adaptive_targets(r, **options)._asdict())

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        beyond = at(self.beyond, r.step)
        side = beyond + (at(self.within, r.step) - beyond) * self.inside(r)
        return {
            "outcome": base_or_missing(self.right, self.wrong, self.missing, r),
            "laser_d": at(self.alpha, r.step) * r.correct * side,
        }


@entry(
    "laser_de",
    kind="shaper",
    formula="R = base score + alpha o [L <= target] + alpha (1-o) [L > target]",
    cards=("05",),
    section="Table 2 and section 5.2; code hkust-nlp/Laser",
    provenance="code",
)
@dataclass(frozen=True)
class LaserDE(LaserD):
    """Whole reward: LASER-D, and `alpha` for a wrong answer beyond the target, as exploration.

    A wrong rollout without an answer (`answered`) gets none, nor one that repeats itself
    (`repeated`), where those fields are present.

    guard : 1 as published; 0 as released, where the guard against repetition never fired because
        it compared tensor elements by identity. A share between weakens the bonus
    Parts `outcome` and `laser_de`.
    """

    guard: Annotated[Any, SHARE] = 1.0
    wants: ClassVar[tuple[str, ...]] = ("answered", "repeated")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, own = r.xp, LaserD.parts(self, r, memory)
        paid = xp.ones_like(r.correct)
        if r.has("answered"):
            paid = paid * r.fields["answered"]
        if r.has("repeated"):
            paid = paid * (1 - at(self.guard, r.step) * r.fields["repeated"])
        longer = at(self.alpha, r.step) * (1 - r.correct) * (1 - self.inside(r)) * paid
        return {"outcome": own["outcome"], "laser_de": own["laser_d"] + longer}
