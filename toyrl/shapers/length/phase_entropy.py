"""PEAR: a right answer pays less the more uncertain its thinking was than its answer.

The model's own token entropies are the signal for brevity: H_think, the mean before the closing
tag, and H_answer, the mean behind it, in nats under the policy that sampled (no gradient passes
through them). Long thoughts pay only where they are more uncertain: twice the same thought costs
nothing, so that it is no penalty on length.

From public descriptions that agree; the official code could not be had, so that there is one form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.phases import phase_entropies
from toyrl.shapers.base import Parts, Shaper, at, filled
from toyrl.shapers.length.absolute import base_score

Array = Any


@entry(
    "pear",
    kind="shaper",
    formula="R = min(1, right - max(0, H_think - alpha H_answer)) if right, else wrong",
    cards=("15",),
    section="section 3, Eqs. 5-8, as restated publicly; values of right and wrong unverified",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Pear(Shaper):
    """Whole reward: right answers less the entropy by which thinking exceeds the answer.

    alpha : entropy that thinking may have for each nat of the answer's (1); from the largest
        H_think/H_answer of a group on nothing is charged, at 0 and below the answer counts nothing
        or against the rollout
    right : base score s in (0, 1], above 1 the reward is cut there (1.0; unverified)
    wrong : for wrong answers, whatever their entropies (0.0; unverified)
    floor : the least that a right answer is paid. None, as published: a right answer with H_think
        above alpha H_answer + right - wrong is paid less than a wrong one, and below 0 without
        bound; the paper's own statement that rewards lie in [0, 1] needs a floor at 0

    Reads `entropy` and `think_end` (`toyrl.rollouts.phases`): without a closing tag the whole
    completion is thinking and H_answer is 0. A phase without a token has entropy 0.
    Parts `outcome` and `entropy` (minus what is charged).
    """

    alpha: Annotated[Any, FINITE] = 1.0
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    floor: Annotated[Any, FINITE.or_none] = None
    needs: ClassVar[tuple[str, ...]] = ("correct", "entropy", "think_end", "mask")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        think, answer = phase_entropies(r, by="pear")
        over = think - at(self.alpha, r.step) * answer
        over = xp.where(over > 0, over, xp.zeros_like(over))
        base = filled(at(self.right, r.step), over)
        paid = xp.minimum(base - over, xp.ones_like(over))
        if self.floor is not None:
            paid = xp.maximum(paid, filled(at(self.floor, r.step), over))
        return {
            "outcome": base_score(self.right, self.wrong, r),
            "entropy": r.correct * (paid - base),
        }
