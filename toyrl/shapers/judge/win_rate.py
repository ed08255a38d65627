"""A judge of pairs as a reward: how many of its siblings a rollout beats.

Source: paper 31's judge put to use; the round robin is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.objectives.pairs import win_rates
from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


@entry(
    "win_rate_reward",
    kind="shaper",
    formula="R_i = alpha (share of siblings with a lower judge_j, ties 1/2)",
    cards=("31",),
    section="a judge of pairs used as a reward; derived",
    provenance="derived",
)
@dataclass(frozen=True)
class WinRateReward(Shaper):
    """A term: `alpha` times a rollout's win rate against its siblings by the field `judge`.

    alpha : weight. Only the order of the scores counts, ties are half a win to each
    Part `win_rate` in [0, alpha], (..., B, G), its mean over a group alpha/2; alone: alpha/2. A
    rollout whose judge can't be read (NaN) is NaN, and no sibling is compared with it.

    A judge whose verdicts follow no score is a table of wins: `toyrl.objectives.pairs.table_rates`.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("judge",)
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        return {"win_rate": at(self.alpha, r.step) * win_rates(
            r.need("judge", by="win_rate_reward"), r)}  # fmt: skip
