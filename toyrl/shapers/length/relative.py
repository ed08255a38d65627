"""Length rewards relative to siblings: Efficient Reasoning, Kimi k1.5, GRPO-lambda.

"Right siblings" are weighted by weight times correctness, so multiplicities, class
probabilities and graded outcomes need no further rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import DDOF, FINITE, NOT_NEGATIVE, PART, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled
from toyrl.shapers.length.absolute import base_score

Array = Any


def right_size(r: Rollouts) -> Any:
    """Right rollouts behind the weights of a prompt, (..., B, 1); inf in the population limit."""
    w = r.w * r.correct
    if r.group_size is None:
        return stats.mass(w)
    share = stats.mean(r.correct, r.w)
    none = share <= 0
    count = r.group_size * r.xp.where(none, r.xp.ones_like(share), share)
    return r.xp.where(none, r.xp.zeros_like(share), count)


def length_score(r: Rollouts, *, ddof: float = 0.0, eps: Any = 0.0, lone: Any = 0.0) -> Array:
    """z = (length - mean)/(std + eps) over right siblings; 0 where those lengths are all equal.

    lone : z of the only right rollout of a group, per token of its length
    The answer is (..., B, G), in standard deviations.
    """
    xp, w = r.xp, r.w * r.correct
    spread = stats.std(r.length, w, ddof=ddof, size=right_size(r))
    moving = spread > 0
    divisor = xp.where(moving, spread + eps, xp.ones_like(spread))
    z = (r.length - stats.mean(r.length, w)) / divisor
    alone = xp.where(right_size(r) <= 1, lone * r.length, xp.zeros_like(z))
    return xp.where(moving, z, alone)


@entry(
    "efficient_reasoning",
    kind="shaper",
    formula="R = o (1 - alpha sigmoid(z)), z = (L - mean)/(sd + eps) of right siblings",
    cards=("05", "04"),
    works=("efficient",),
    section="length reward; LASER paper, Table 2 (group)",
    provenance="text",
)
@dataclass(frozen=True)
class EfficientReasoning(Shaper):
    """Whole reward: right (1 - alpha sigmoid(z)) for right rollouts, z their length among those.

    ddof, eps : 0 and 0 here (population std); the LASER code has 1 and 1e-6
    right, wrong : base scores 1 and 0; the LASER code has 1 and -0.5

    lone : z of a lone right rollout per token of its length: 0, so that it pays half of alpha; 1
        in the LASER code (mean 0 and standard deviation 1 there), so that it pays nearly all

    With equal lengths z = 0. The LASER code (compute_norm_length_penalty) further has the weight
    0.4, and an answer that was not found keeps -1. Parts `outcome` and `efficient_reasoning` in
    (-alpha right, 0], 0 for wrong rollouts.
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.2
    ddof: Annotated[float, DDOF] = 0.0
    eps: Annotated[float, NOT_NEGATIVE] = 0.0
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    lone: Annotated[float, NOT_NEGATIVE] = 0.0
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        z = length_score(r, ddof=self.ddof, eps=self.eps, lone=self.lone)
        penalty = at(self.alpha, r.step) * stats.sigmoid(z)
        return {
            "outcome": base_score(self.right, self.wrong, r),
            "efficient_reasoning": -penalty * at(self.right, r.step) * r.correct,
        }


@entry(
    "kimi",
    kind="shaper",
    formula="R = o + alpha t (wrong: min(0, t)), t = 1/2 - (L - L_min)/(L_max - L_min)",
    cards=("05",),
    works=("kimi",),
    section="length reward; LASER paper, Table 2",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Kimi(Shaper):
    """Whole reward: the outcome plus a term from the place of length between the group's extremes.

    t = 0.5 - (L - L_min)/(L_max - L_min) over all siblings, 0 where lengths are equal; right
    rollouts get alpha t, wrong ones alpha min(0, t). alpha is 1 as published, 0.4 in the LASER
    code, which adds eps = 1e-6 to the range; right, wrong : base scores. Parts `outcome` and
    `kimi` in [-alpha/2, alpha/2].
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    eps: Annotated[float, NOT_NEGATIVE] = 0.0
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        low, high = stats.minimum(r.length, r.w), stats.maximum(r.length, r.w)
        apart = high > low
        width = xp.where(apart, high - low + self.eps, xp.ones_like(high))
        start = xp.where(apart, low, xp.zeros_like(low))
        t = 0.5 - (r.length - start) / width
        t = xp.where(apart, t, xp.zeros_like(t))
        wrong = xp.minimum(t, xp.zeros_like(t))
        score = wrong + (t - wrong) * r.correct
        outcome = base_score(self.right, self.wrong, r)
        return {"outcome": outcome, "kimi": at(self.alpha, r.step) * score}


def share_up(share: Array, count: Array) -> Array:
    """ceil(share * count), at least 1; a product above a whole number by rounding counts as it.

    Both broadcast; `share` in [0, 1].
    """
    xp = stats.array_namespace(count)
    exact = share * count
    slack = exact * (1.0 - 8 * xp.finfo(count.dtype).eps)
    return xp.maximum(xp.ceil(slack), xp.ones_like(count))


@entry(
    "grpo_lambda",
    kind="shaper",
    formula="R = o (1 - alpha sigmoid(z)) in the share lam of prompts solved most, else o",
    cards=("04",),
    section="method section; alpha reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class GrpoLambda(Shaper):
    """Whole reward: a length penalty only for the share `lam` of prompts most often solved.

    Prompts are ranked by their share of right rollouts, ties in batch order; the first
    max(1, ceil(lam B)) get right (1 - alpha sigmoid(z)) for right rollouts (z as in
    `efficient_reasoning`, population std), the others the base score. B counts prompts with at
    least one rollout present.

    lam : in (0, 1]; 1 is the uniform penalty. 0 would still penalise one prompt and is refused:
        use `outcome()`
    alpha : 0.2, reconstructed
    min_rho : prompts below this share of right rollouts are never penalised
    right, wrong : base scores

    Raises ValueError for a `lam` outside (0, 1].
    """

    lam: Annotated[Any, PART.so("to penalise no prompt use outcome()")] = 0.2
    alpha: Annotated[Any, NOT_NEGATIVE] = 0.2
    min_rho: Annotated[Any, SHARE] = 0.0
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    scope: ClassVar[str] = "batch"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        paid = at(self.right, r.step) * r.correct
        penalty = at(self.alpha, r.step) * stats.sigmoid(length_score(r)) * paid
        marked = self.marked(r)
        return {
            "outcome": base_score(self.right, self.wrong, r),
            "grpo_lambda": r.xp.where(marked, -penalty, r.xp.zeros_like(penalty)),
        }

    def marked(self, r: Rollouts) -> Array:
        """(..., B, 1) bool: prompts whose right rollouts are penalised."""
        xp = r.xp
        rho = stats.mean(r.correct, r.w)
        present = stats.mass(r.w) > 0
        rho = xp.where(present, rho, rho - 2.0)  # absent prompts rank last
        column, row = rho, xp.matrix_transpose(rho)
        order = xp.cumulative_sum(xp.ones_like(rho), axis=-2)
        earlier = xp.matrix_transpose(order) < order
        ahead = (row > column) | ((row == column) & earlier)
        place = xp.sum(xp.astype(ahead, rho.dtype), axis=-1, keepdims=True)
        count = xp.sum(xp.astype(present, rho.dtype), axis=-2, keepdims=True)
        chosen = place < share_up(filled(at(self.lam, r.step), count), count)
        return chosen & present & (rho >= at(self.min_rho, r.step))
