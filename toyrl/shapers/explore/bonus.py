"""Bonuses for what is new: by how often an answer was seen, or by a model's own measure.

    count_bonus   weight/(n + 1)^power     n visits before this one
    rdd           weight E b_n             a predictor that chases draws around a mean: 1/n
    rnd           weight q^(2n) start      one that chases a fixed point: geometric
    novelty       weight b                 b by a model (`toyrl.models.novelty`): RDD, DRND,
                                           elliptical

What was seen before is a property of the run and not of the answer, so none of them is a difference
of potentials: while it is paid, another answer may be best. Their weight can be a schedule, and a
bonus that ends at 0 leaves the optimum alone: `toyrl validate` judges each by its end.

Formulas: docs/theory/exploration.md.

Source: paper 14 (RDD) and the bonuses it stands beside; the expected bonuses are derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE, FLAG, NOT_NEGATIVE, PART
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.explore.distilled import visit_bonus
from toyrl.shapers.schedules import SCHEDULES

Array = Any
LAST = 1e18
"""An update after which every schedule has arrived."""


class Intrinsic(Shaper):
    """Base of rewards that pay for exploring: no difference of potentials, judged at their end.

    warns : what a report says of them
    """

    warns: ClassVar[str] = (
        "an intrinsic bonus is no difference of potentials: while it is paid, another answer may "
        "be the best"
    )

    def intrinsic_weight(self, step: Any) -> Any:
        """The bonus's weight at an update: a number, or an array for updates in an array."""
        return at(self.weight, step)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Bonus(Intrinsic):
    """Base of the bonuses of a whole answer.

    weight : of the bonus, a number or a schedule; gate : only where an answer was found, else text
        without one is the newest of all
    """

    weight: Annotated[Any, FINITE] = 0.1
    gate: Annotated[bool, FLAG] = True
    wants: ClassVar[tuple[str, ...]] = ("answered",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        b = at(self.weight, r.step) * self.bonus(r)
        if r.has("answered"):
            answered = r.need("answered", by=type(self).__name__)
            paid = answered + (1 - self.gate) > 0  # gate may be traced
            b = r.xp.where(paid, b, r.xp.zeros_like(b))
        return {"bonus": b}

    def bonus(self, r: Rollouts) -> Array:
        """(..., B, G) before the weight; to be written by each."""
        msg = f"{type(self).__name__} defines no bonus(rollouts)"
        raise TypeError(msg)


@entry(
    "count_bonus",
    kind="shaper",
    formula="b = weight/(n + 1)^power",
    cards=("14",),
    section="the count that RDD's bonus stands for",
    provenance="derived",
)
@dataclass(frozen=True)
class CountBonus(Bonus):
    """Reads `visits`, n: how often this answer was given to this prompt before, (..., B, G).

    power : 1/2 as in optimism by counts, 1 as RDD's bonus; 0 a constant, which teaches nothing
    """

    power: Annotated[Any, NOT_NEGATIVE] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("visits",)

    def bonus(self, r: Rollouts) -> Array:
        return (1.0 + r.need("visits", by="count_bonus")) ** -at(self.power, r.step)


@entry(
    "rdd",
    kind="shaper",
    formula="b = weight sigma^2/n, weight start at n = 0",
    cards=("14",),
    section="(1), in expectation",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Rdd(Bonus):
    """The expected RDD bonus after n visits (`visits`) of a tabular predictor.

    sigma : of the targets' draws; step : of the predictor in (0, 1], None for 1/n; start : bonus of
        what was never seen, the paper's 1 for targets of modulus 1
    With a constant step (Adam's is one) it falls to the floor sigma^2 step/(2 - step) and no
    further: a count only while n is below (2 - step)/step.
    """

    sigma: Annotated[float, NOT_NEGATIVE] = 1.0
    step: Annotated[float | None, PART.or_none] = None
    start: Annotated[float, NOT_NEGATIVE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("visits",)

    def bonus(self, r: Rollouts) -> Array:
        n = r.need("visits", by="rdd")
        return visit_bonus(n, sigma=self.sigma, step=self.step, start=self.start)


@entry(
    "rnd",
    kind="shaper",
    formula="b = weight (1 - step)^(2n) start",
    cards=("14",),
    section="section 2, sigma = 0",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Rnd(Bonus):
    """RND's bonus after n visits (`visits`) of a tabular predictor: geometric, no count.

    step : of the predictor, in (0, 1]; start : its error on what was never seen. In RND that
        differs between states by the luck of the random target, and so does for ever when a state
        counts as seen.
    """

    step: Annotated[float, PART] = 0.1
    start: Annotated[float, NOT_NEGATIVE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("visits",)

    def bonus(self, r: Rollouts) -> Array:
        n = r.need("visits", by="rnd")
        return visit_bonus(n, sigma=0.0, step=self.step, start=self.start)


@entry(
    "novelty",
    kind="shaper",
    formula="b = weight novelty",
    cards=("14",),
    section="(1)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Novelty(Bonus):
    """A model's bonus (`novelty`, at least 0): RDD, DRND, RND or elliptical, on features of a text.

    Score all answers of a group before the model learns from one of them, so that they are treated
    alike. An infinite bonus is none: that rollout is unscorable, as one with NaN is.
    """

    needs: ClassVar[tuple[str, ...]] = ("novelty",)

    def bonus(self, r: Rollouts) -> Array:
        b = r.need("novelty", by="novelty")
        return r.xp.where(r.xp.isfinite(b), b, r.xp.nan + 0 * r.length)


def bonuses(shaper: Any) -> tuple[Intrinsic, ...]:
    """The intrinsic rewards in a shaper, itself included, outermost first."""
    own = (shaper,) if isinstance(shaper, Intrinsic) else ()
    return (*own, *(b for c in shaper.children() for b in bonuses(c)))


def ended(shaper: Any) -> Any:
    """The shaper with the schedules of its bonuses at their last value; the same if it has none.

    A schedule that multiplies a sum that holds a bonus is not of the bonus, and stays.
    """
    return _ended(shaper) if isinstance(shaper, Shaper) and bonuses(shaper) else shaper


def _ended(node: Any) -> Any:
    if isinstance(node, (tuple, list)):
        return type(node)(_ended(v) for v in node)
    if not isinstance(node, Shaper) or not is_dataclass(node):
        return node
    kinds, own = tuple(SCHEDULES.values()), {f.name: getattr(node, f.name) for f in fields(node)}
    bonus = isinstance(node, Intrinsic) or _scales_a_bonus(node)
    new = {k: v(LAST) if bonus and isinstance(v, kinds) else _ended(v) for k, v in own.items()}
    moved = {k: v for k, v in new.items() if v is not own[k] and v != own[k]}
    return replace(node, **moved) if moved else node


def _scales_a_bonus(node: Shaper) -> bool:
    """Whether a shaper holds one bonus and nothing else: its weight is then the bonus's."""
    inside = node.children()
    return len(inside) == 1 and (isinstance(inside[0], Intrinsic) or _scales_a_bonus(inside[0]))
