"""The format alone: what a grader says of a completion's tags and layout, as a term."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at


@entry(
    "formatted",
    kind="shaper",
    formula="R = alpha format",
    cards=("17",),
    section="section 3.3; half a point for each pair of tags is reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Formatted(Shaper):
    """A term: `alpha` times the field `format`, right or wrong.

    alpha : weight, >= 0. A format of several marks is the grader's business: half a point for well
        formed thinking tags and half for answer tags is a field in {0, 1/2, 1}
    Part `format` in [0, alpha], (..., B, G).
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("format",)

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        return {"format": at(self.alpha, r.step) * r.need("format", by="formatted")}
