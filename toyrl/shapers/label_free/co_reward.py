"""A reward without labels by agreement of two wordings: each is paid by the other's majority.

Every question comes twice, as it is and paraphrased (`view` 0 and 1 of one `pair_id`), each with
rollouts of its own. The majority answer of one view is the label of the other:

    r_i = [answer_i = mode of the answers to the other view]

A rollout is paid for what it says alone: what its siblings say never moves its reward, unlike under
a vote of its own group (`majority`), which pays noise. What can be said of both is
`toyrl.theory.label_free`.

Source: paper 47 (Co-Reward), Eqs. 7 and 8; code tmlr-group/Co-Reward, reward_manager/co_reward.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE, FLAG
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.label_free.vote import votes

Array = Any


def partners(pair: Array | None, there: Array) -> Array:
    """(..., B, B) 1 from each prompt to the first prompt of its question that is there, else 0.

    pair : (..., B) question of each prompt, None: every prompt is a question of its own
    there : (..., B) bool, prompts that may be a partner
    """
    xp = stats.array_namespace(there)
    if pair is None:
        place = xp.arange(there.shape[-1])
        same = (place[:, None] == place[None, :]) & there[..., None, :]
    else:
        same = (pair[..., :, None] == pair[..., None, :]) & there[..., None, :]
    return same & (xp.cumulative_sum(xp.astype(same, xp.int32), axis=-1) == 1)


def label_weight(answer: Array, w: Array, first: Array) -> Array:
    """(..., B, G) the chance that a rollout's answer is the label, spread over those that give it.

    answer : identities (..., B, G), below 0 none, which never is the label; first : () bool: of
        tied answers the one seen first is the label, else each with the same chance
    Sums to 1 over a group, to 0 where no rollout has an answer.
    """
    xp = stats.array_namespace(answer, w)
    zero = xp.zeros_like(w)
    count = votes(answer, w)
    voter = (answer >= 0) & (w > 0)
    most = stats.maximum(count, xp.where(voter, w, zero))
    # Weights are chances in the population limit: sums of equal ones may miss by rounding.
    lead = voter & (count >= most * (1 - 64 * xp.finfo(count.dtype).eps))
    share = xp.where(lead, w / xp.where(count > 0, count, xp.ones_like(count)), zero)
    tied = xp.sum(share, axis=-1, keepdims=True)
    even = share / xp.where(tied > 0, tied, xp.ones_like(tied))
    seen = xp.cumulative_sum(xp.astype(lead, w.dtype), axis=-1)
    return xp.where(first, xp.astype(lead & (seen == 1), w.dtype), even)


@entry(
    "co_reward",
    kind="shaper",
    formula="R = alpha [answer = mode of the answers to the question's other view]",
    cards=("47",),
    section="Eqs. 7 and 8; code reward_manager/co_reward.py",
    provenance="code",
)
@dataclass(frozen=True)
class CoReward(Shaper):
    """Whole reward: `alpha` for the majority answer to the other wording of the question, else 0.

    first : what a tie is worth. False: tied answers are labels with equal chances, and R is the
        expected reward; True: the one seen first, as released, which depends on the rollouts' order

    Reads `answer` (identities; below 0: none), `view` and, where there is one, `pair_id`, the same
    for all rollouts of a prompt; without it both views are rollouts of one prompt. Never `correct`.
    Both views must be in one batch: a rollout whose other view is missing, or answers nothing, is
    paid 0 (the released label ''), and so are its siblings. (..., B, G) in [0, alpha].
    """

    alpha: Annotated[Any, FINITE] = 1.0
    first: Annotated[bool, FLAG] = False
    needs: ClassVar[tuple[str, ...]] = ("answer", "view")
    wants: ClassVar[tuple[str, ...]] = ("pair_id",)
    scope: ClassVar[str] = "batch"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp = r.xp
        answer, view = (r.need(name, by="co_reward") for name in self.needs)
        pair = None
        if r.has("pair_id"):
            pair = stats.maximum(r.need("pair_id", by="co_reward"), r.w)[..., 0]
        second, first = view > 0.5, xp.asarray(1.0 * self.first) > 0.5
        zero = xp.zeros_like(answer)
        paid = zero
        for of, to in ((second, ~second), (~second, second)):
            w = xp.where(to, xp.astype(r.w, answer.dtype), zero)
            way = xp.astype(partners(pair, xp.any(w > 0, axis=-1)), answer.dtype)
            said, label = way @ answer, way @ label_weight(answer, w, first)
            hit = (answer[..., :, None] == said[..., None, :]) & (answer >= 0)[..., :, None]
            chance = xp.where(hit, label[..., None, :], zero[..., None])
            paid = paid + xp.where(of, xp.sum(chance, axis=-1), zero)
        return {"agreement": at(self.alpha, r.step) * paid}
