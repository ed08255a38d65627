"""The outcome reward: the answer is right, wrong or missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at


@entry(
    "outcome",
    kind="shaper",
    formula="R = right o + wrong (1 - o)",
    cards=("00", "31"),
    provenance="text",
)
@dataclass(frozen=True)
class Outcome(Shaper):
    """`right` for a right answer, `wrong` for a wrong one (defaults 1 and 0).

    (..., B, G) in [min(right, wrong), max(right, wrong)]; graded correctness interpolates.
    """

    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    needs: ClassVar[tuple[str, ...]] = ("correct",)

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        right, wrong = at(self.right, r.step), at(self.wrong, r.step)
        return {"outcome": wrong + (right - wrong) * r.correct}
