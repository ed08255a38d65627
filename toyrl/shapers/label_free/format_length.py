"""Rewards that never see the right answer: the format, and a length around a share of the limit.

Surrogate Signals from Format and Length pays a closed think block, an answer that can be parsed,
and a bump in length whose turning point is a share of the completion limit. The correctness run
that it compares with is `outcome() + format_only(answer=0)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled, r_xp

Array = Any
INSIDE = Range("(0, 1)")


def bump(x: Array, turn: Any) -> Array:
    """f(x): 1 - (1 - x/p)^2 up to the turning point p, then 1 - 2((x - p)/(1 - p))^2.

    From 0 up to 1 at p and down to -1 at x = 1, concave; it goes on falling beyond. x : any shape,
    shares of the completion limit; turn : p in (0, 1).
    """
    xp, p = r_xp(x), filled(turn, x)
    return xp.where(x <= p, 1 - (1 - x / p) ** 2, 1 - 2 * ((x - p) / (1 - p)) ** 2)


@entry(
    "format_only",
    kind="shaper",
    formula="R = (thought + answered)/2",
    cards=("02",),
    section="code math_reward.py (format reward)",
    provenance="code",
)
@dataclass(frozen=True)
class FormatOnly(Shaper):
    """Whole reward without labels: for a closed think block, and for an answer that is there.

    think, answer : weights, half each

    Reads `thought` and `answered`, which any text says; the paper asks besides that the answer
    parses as an expression: a stricter grader of `answered` does that. Parts `thought`, `answered`.
    """

    think: Annotated[Any, FINITE] = 0.5
    answer: Annotated[Any, FINITE] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("thought", "answered")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        return {
            "thought": at(self.think, r.step) * r.need("thought", by="format_only"),
            "answered": at(self.answer, r.step) * r.need("answered", by="format_only"),
        }


@entry(
    "format_length",
    kind="shaper",
    formula="R = (thought + 1)/2 + alpha f(L/max_length) if answered, else min(0, alpha f)",
    cards=("02",),
    section="code math_reward.py (class used in training); turning point 0.5, 3072 tokens",
    provenance="code",
)
@dataclass(frozen=True)
class FormatLength(FormatOnly):
    """Whole reward without labels: `format_only` and, for an answer, a bump in length.

    turn : p in (0, 1), the share of `max_length` that is paid most (0.5 in the training class, 0.25
        as the function's default)
    alpha : weight of the length, 1 as published

    In [-1, 2] up to the limit at the published weights; not clipped beyond. Without an answer
    nothing is paid and too long a text is charged, whatever else is there. The same for right and
    wrong answers. Parts `thought`, `answered`, `bump`.
    """

    turn: Annotated[Any, INSIDE] = 0.5
    alpha: Annotated[Any, FINITE] = 1.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, there = r.xp, r.need("answered", by="format_length")
        f = at(self.alpha, r.step) * bump(r.length / r.max_length, at(self.turn, r.step))
        form = FormatOnly.parts(self, r, memory)
        charged = xp.where(f < 0, f, xp.zeros_like(f))
        return {
            "thought": there * form["thought"],
            "answered": form["answered"],
            "bump": charged + there * (f - charged),
        }
