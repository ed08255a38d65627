"""Behaviour worlds of a described base, trained with the work counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.shapers.base import Shaper
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.training import Path, Plan, train
from toyrl.worlds.behaviour.worlds import Worlds, fitted

STEP, ROLLOUT = 4 * UPDATE, 6.0
"""Units of the array calls of one step, and of one rollout in it: about 0.8 ms and 0.6 us."""
CLOSE = 0.02
"""Log length that counts as met."""


@dataclass(frozen=True)
class Base:
    """What is told of a base.

    kind : of `prior.KINDS`; accuracy in (0, 1); length : mean completion in tokens; limit : tokens
    """

    kind: str
    accuracy: float
    length: float
    limit: float


@dataclass(frozen=True)
class Size:
    """Worlds, prompts of each, and steps in which a run is taken; seed of all draws.

    reach : how far a run goes, over the worlds' own `distance`
    """

    worlds: int = 16
    prompts: int = 24
    steps: int = 60
    seed: int = 0
    reach: float = 1.0


def worlds_of(base: Base, size: Size) -> Worlds:
    """Worlds whose untrained policy is this base."""
    numbers = prior.drawn(size.worlds, base.kind, base.length, size.seed)
    numbers["distance"] = numbers["distance"] * size.reach
    spend(40 * UPDATE + 40 * 64 * size.worlds * size.prompts)
    return fitted(numbers, accuracy=base.accuracy, length=base.length, limit=base.limit,
                  prompts=size.prompts, seed=size.seed)  # fmt: skip


def run(w: Worlds, shaper: Shaper, estimator: Estimator, size: Size, *, looks: int = 1) -> Path:
    """One training of all worlds; runs of one size meet the same draws.

    looks : times that the policy is measured on the way
    """
    plan = Plan(steps=size.steps, looks=looks, seed=size.seed)
    spend(size.steps * (STEP + ROLLOUT * w.size[0] * w.size[1] * plan.group_size))
    return train(w, shaper, estimator, plan)


def factor(path: Path) -> float:
    """Geometric mean over worlds of the end's mean length over the base's."""
    return float(np.exp(np.log(path.factor).mean()))


@dataclass(frozen=True)
class Solved:
    """The number that was looked for, and what a run at the wanted length comes to.

    number : between the two runs that enclose the length; NaN where no two of them do
    change : (W,) of accuracy, between the same two runs
    length : factor of the nearest run
    """

    number: float
    change: np.ndarray
    length: float


def solve(at: Callable[[float], Path], wanted: float, grid: Sequence[float], passes: int
          ) -> Solved:  # fmt: skip
    """The number at which runs end at `wanted` times the base's length, by false position in logs.

    at : the run of a number; grid : numbers, the mildest first; neighbours are tried from the
        middle on, first to the side where the length should lie, until two enclose it
    passes : at most as many runs between those two, until one is within `CLOSE`
    """
    gaps: dict[float, float] = {}

    def gap(x: float) -> float:
        if x not in gaps:
            gaps[x] = float(np.log(factor(at(x)) / wanted))
        return gaps[x]

    middle = len(grid) // 2
    sides = [list(pairwise(grid[middle:])), list(pairwise(grid[middle::-1]))]
    ways = sides if gap(grid[middle]) > 0 else sides[::-1]
    ends = next(((a, b) for a, b in chain(*ways) if gap(a) * gap(b) <= 0), None)
    if ends is None:
        worlds = len(at(grid[0]).change)
        nearest = min(grid, key=lambda x: abs(gap(x)))
        return Solved(float("nan"), np.full(worlds, np.nan), factor(at(nearest)))
    (a, b), kept = ends, 1.0
    for _ in range(passes):
        if min(abs(gap(a)), abs(gap(b))) < CLOSE:
            break
        share = kept * gap(a) / (kept * gap(a) - gap(b))
        x = float(a * (b / a) ** share)
        if gap(x) * gap(b) <= 0:
            a, kept = b, 1.0
        else:  # the end that stays counts half each time, else it would stay for good (Illinois)
            kept /= 2
        b = x
    share = gap(a) / (gap(a) - gap(b))
    one, other = at(a), at(b)
    nearest = min((a, b), key=lambda x: abs(gap(x)))
    return Solved(float(a * (b / a) ** share), one.change + share * (other.change - one.change),
                  factor(at(nearest)))  # fmt: skip
