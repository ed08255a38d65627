"""Process scores normalised with the outcome, as credit per step.

With step scores s_t and the outcome o in [0, 1], each step is paid

    design     step reward
    renorm     s_t + o - 1         <= 0 in a failed rollout, >= 0 in a solved one
    broadcast  s_t + o
    add        s_t, and o at the last step
    mean       (mean of s) + o at the last step
    process    s_t
    outcome    o at the last step

and its advantage is the sum of the rewards from that step on (discount 1, lambda 1), less the mean
of the siblings at the same step. For rollouts of one length renorm and broadcast have equal
advantages: the "- 1" acts through the number of steps alone, as a price per step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.estimators.base import Estimator
from toyrl.estimators.steps import less_siblings
from toyrl.ranges import one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.rollouts.tokens import returns_to_go
from toyrl.shapers.base import Parts, sum_parts

Array = Any
OPTIONS = {
    "design": ("renorm", "broadcast", "add", "mean", "process", "outcome"),
    "final": ("centred", "outcome"),
    "baseline": ("step", "none"),
}
NEUTRAL = 0.5  # what a missing score counts as


@entry(
    "renorm",
    kind="estimator",
    formula="A_t = G_t - mean over siblings, G_t = sum_(u >= t) (p_u + o - 1)",
    cards=("18",),
    section="ReNorm; equation reconstructed from two descriptions",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class ReNorm(Estimator):
    """Returns-to-go of process and outcome rewards per step, less the siblings' mean.

    design : how the two rewards are joined, see the module
    final : a last step without a score is paid "centred", o - 1/2, or the "outcome", o (renorm)
    baseline : "step" (mean over the siblings that have this step) or "none"

    Reads `mask` and `step_scores` (..., B, G, T); the summed reward parts are the outcome o. Each
    token is a step, unless the field `step_ends` marks the last token of each step with 1: then
    scores are read there, and every token of a step has the step's advantage. A NaN score is
    missing and counts as 1/2, never as 0, which would be a failed run's worst. Advantages
    (..., B, G, T), 0 outside the mask and for absent rollouts.

    Raises ValueError for a choice that does not exist.
    """

    design: Annotated[str, one_of(*OPTIONS["design"])] = "renorm"
    final: Annotated[str, one_of(*OPTIONS["final"])] = "centred"
    baseline: Annotated[str, one_of(*OPTIONS["baseline"])] = "step"
    needs: ClassVar[tuple[str, ...]] = ("step_scores", "mask")
    token_level: ClassVar[bool] = True

    @property
    def scope(self) -> str:
        """ "group" where siblings at the same step are the baseline, else "rollout"."""
        return "group" if self.baseline == "step" else "rollout"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp = rollouts, rollouts.xp
        outcome = sum_parts(parts, r)
        broken = xp.isnan(outcome)
        w = xp.where(broken, xp.zeros_like(r.w), r.w)
        reward = self.rewards(xp.where(broken, xp.zeros_like(outcome), outcome), r)
        out = returns_to_go(reward)
        if self.baseline == "step":
            out = less_siblings(out, step_ends(r, by="ReNorm"), w)
        live = (r.need("mask", by="ReNorm") > 0) & (w > 0)[..., None]
        return xp.where(live, out, xp.zeros_like(out)), dict(state or {})

    def rewards(self, outcome: Array, r: Rollouts) -> Array:
        """(..., B, G, T) rewards, on the last token of each step."""
        xp, ends = r.xp, step_ends(r, by="ReNorm")
        scores = r.need("step_scores", by="ReNorm")
        missing = xp.isnan(scores)
        score = xp.where(missing, xp.full_like(scores, NEUTRAL), scores)
        steps = xp.sum(ends, axis=-1, keepdims=True)
        last = ends * xp.astype(xp.cumulative_sum(ends, axis=-1) == steps, ends.dtype)
        o = outcome[..., None]
        if self.design == "renorm":
            reward = score + o - 1
            if self.final == "outcome":
                reward = xp.where(missing & (last > 0), o + 0 * reward, reward)
            return reward * ends
        if self.design == "mean":
            total = xp.sum(score * ends, axis=-1, keepdims=True)
            return last * (total / xp.where(steps > 0, steps, xp.ones_like(steps)) + o)
        process = 0.0 if self.design == "outcome" else score * ends
        if self.design == "process":
            return process + 0 * ends
        return process + o * (ends if self.design == "broadcast" else last)
