"""Long or short reasoning, chosen by the first token: is the prompt easy, and what is paid.

Half of a group is sampled in the short mode and half in the long one. With a_S, a_L the accuracies
of the halves,

    the prompt is easy iff a_S >= a_L - theta, or, with a threshold, iff a_S >= threshold

(a tie is easy), and a right rollout is paid by (mode, easy or hard). The values for easy prompts
are published; those for hard prompts, the wrong answer, the rule and theta are reconstructed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


def easy(r: Rollouts, theta: Any, threshold: Any = None) -> tuple[Array, Array]:
    """(easy, decided), bool (..., B, 1): a prompt without rollouts in both modes is undecided.

    theta : in units of accuracy; from 1 on all prompts are easy, below -1 none
    threshold : if given, the short accuracy from which a prompt is easy; theta is not read then
    """
    xp = r.xp
    mode = r.need("mode", by="the mode rule")
    zero = xp.zeros_like(r.w)
    short, long = xp.where(mode == 0, r.w, zero), xp.where(mode == 1, r.w, zero)
    right_short, right_long = stats.mean(r.correct, short), stats.mean(r.correct, long)
    # Accuracies are quotients of small whole numbers: a tie may miss by rounding.
    slack = 8 * xp.finfo(r.correct.dtype).eps
    edge = right_long - theta if threshold is None else xp.zeros_like(right_long) + threshold
    return right_short >= edge - slack, (stats.mass(short) > 0) & (stats.mass(long) > 0)


@entry(
    "mode_reward",
    kind="shaper",
    formula="R = table[mode, easy] for right rollouts; easy iff a_S >= a_L - theta",
    cards=("19",),
    section="group-wise reward; hard prompts, wrong answers and theta reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class ModeReward(Shaper):
    """Whole reward: a right answer pays by its mode and by whether the prompt turned out easy.

    easy_short, easy_long : 1.5 and 1.0 as published; hard_short, hard_long : 1.0 and 1.5
    wrong : -1 for a wrong answer, and for a mode other than 0 (short) or 1 (long), right or not
    theta, threshold : when a prompt is easy, see `easy`
    warmup : share w of the table; (1 - w) of the reward is +1 right, -1 wrong. A schedule will do

    A prompt with an empty half gets 0 for all rollouts. Graded correctness interpolates.
    Parts `outcome` (flat) and `mode` (the rest). Does not hold the length penalty: add `overlong`.
    """

    easy_short: Annotated[Any, FINITE] = 1.5
    easy_long: Annotated[Any, FINITE] = 1.0
    hard_short: Annotated[Any, FINITE] = 1.0
    hard_long: Annotated[Any, FINITE] = 1.5
    wrong: Annotated[Any, FINITE] = -1.0
    theta: Annotated[Any, FINITE] = 0.25
    threshold: Annotated[Any, FINITE.or_none] = None
    warmup: Annotated[Any, SHARE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "mode")
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, mode = r.xp, r.need("mode", by="mode_reward")
        simple, decided = easy(r, at(self.theta, r.step), at(self.threshold, r.step))
        known = (mode == 0) | (mode == 1)
        correct = xp.where(known, r.correct, xp.zeros_like(r.correct))
        zero = xp.zeros_like(correct)
        short = xp.where(
            simple, zero + at(self.easy_short, r.step), zero + at(self.hard_short, r.step)
        )
        long = xp.where(
            simple, zero + at(self.easy_long, r.step), zero + at(self.hard_long, r.step)
        )
        wrong = at(self.wrong, r.step)
        table = wrong + (xp.where(mode == 1, long, short) - wrong) * correct
        flat = 2 * correct - 1
        extra = at(self.warmup, r.step) * (table - flat)
        return {"outcome": xp.where(decided, flat, zero), "mode": xp.where(decided, extra, zero)}
