"""The parts of a task's reward, graded on texts, as a shaper that sums them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper

PREFIX = "task/"


@dataclass(frozen=True)
class TaskParts(Shaper):
    """Parts `names` of a `toyrl.graders.parts.TaskReward`, each from the field task/NAME.

    reads : the data columns behind them; by_step : they change with the update's number
    of_text, asks : as of the reward

    Served alone (`toyrl.serving.ServedTask`): no world has such fields, so that it is not in the
    catalogue. Source: ours.
    """

    names: tuple[str, ...]
    reads: tuple[str, ...] = ()
    by_step: bool = False
    of_text: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The fields of the parts, and the length where tokens are counted."""
        length = ("length",) if "tokens" in self.asks else ()
        return (*(PREFIX + name for name in self.names), *length)

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        return {name: r.need(PREFIX + name, by="TaskParts") for name in self.names}
