"""A task's reward that tests make use of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward
from toyrl.ranges import NOT_NEGATIVE


@dataclass(frozen=True)
class WordMatch(TaskReward):
    """Pays the gold word and, by weight, a full stop; the bonus starts at update 5."""

    weight: Annotated[float, NOT_NEGATIVE] = 0.5
    parts: ClassVar[tuple[str, ...]] = ("match", "stop")
    reads: ClassVar[tuple[str, ...]] = ("ground_truth",)

    @property
    def by_step(self) -> bool:
        return True

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        if row.completion == "?":
            return Graded({"match": math.nan, "stop": 0.0}, problem="no word")
        stop = self.weight * row.completion.endswith(".") * (step >= 5)
        return Graded({"match": float(row.columns["ground_truth"] in row.completion), "stop": stop})
