"""A reward without labels: a rollout is paid for giving the answer that most siblings give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


def votes(answer: Array, w: Array) -> Array:
    """(..., B, G) weight of the siblings that give the same answer, its own included.

    answer : identities (..., B, G); below 0 no answer, which has no vote and gets none
    """
    xp = stats.array_namespace(answer, w)
    same = (answer[..., :, None] == answer[..., None, :]) & (answer >= 0)[..., :, None]
    shared = xp.where(same, w[..., None, :] + 0 * answer[..., :, None], 0 * answer[..., :, None])
    return xp.sum(shared, axis=-1)


@entry(
    "majority",
    kind="shaper",
    formula="R = alpha [answer is a most frequent answer of the group]",
    cards=("47",),
    works=("ttrl",),
    section="majority voting as pseudo-label",
    provenance="derived",
)
@dataclass(frozen=True)
class Majority(Shaper):
    """Whole reward: `alpha` for an answer that no other answer of the group outnumbers, else 0.

    Reads the field `answer` (identities; below 0: none), never `correct`. Where several answers
    lead with equal numbers, all of them are paid; without any answer nobody is. Identities are
    compared alone, so the numbering doesn't matter. (..., B, G) in {0, alpha}.

    It agrees with the truth where right answers are the most frequent; agreement on one answer
    whatever the prompt is its far optimum (paper 47 and "TTRL" use it as a pseudo-label).
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("answer",)
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        answer = r.need("answer", by="majority")
        count = votes(answer, r.w)
        voter = xp.where(answer >= 0, r.w, xp.zeros_like(r.w))
        most = stats.maximum(count, voter)
        # Weights are chances in the population limit: sums of equal ones may miss by rounding.
        lead = (answer >= 0) & (count >= most * (1 - 64 * xp.finfo(count.dtype).eps))
        return {"majority": at(self.alpha, r.step) * xp.astype(lead, count.dtype)}
