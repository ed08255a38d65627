"""Returns per step: what is still to come from a step on, less what the siblings have there.

    G_k = sum of the rewards on and behind step k (discount 1),   A_k = G_k - baseline_k

A reward per rollout (the outcome) counts on its last step; token-level parts count where they
stand. Each token of a step has the step's advantage.

    baseline  what is subtracted at step k
    step      the mean over the siblings that have a step k
    padded    the same mean, a rollout with fewer steps counting as 0 there
    first     the mean over the siblings of G_1, at every step
    none      nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import usable
from toyrl.estimators.tokens import token_rewards
from toyrl.ranges import one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends, steps_before
from toyrl.rollouts.tokens import returns_to_go
from toyrl.shapers.base import Parts

Array = Any
BASELINES = ("step", "padded", "first", "none")


def less_siblings(to_go: Array, ends: Array, w: Array, *, baseline: str = "step") -> Array:
    """Returns-to-go less the siblings' at the same step, on every token of the step.

    to_go, ends : (..., B, G, T), 1 in `ends` on the last token of each step; w : (..., B, G)
    baseline : "step", "padded" or "first"

    Tokens behind the last step get 0, and so do steps at which all siblings have one return.
    """
    xp = array_namespace(to_go, ends)
    own = steps_before(ends)
    inside = own < xp.sum(ends, axis=-1, keepdims=True)
    column = xp.cumulative_sum(xp.ones_like(ends[..., :1, :]), axis=-1) - 1
    # Column k holds the k-th step: its place is the k-th smallest position of a mark.
    place = xp.argsort(xp.where(ends > 0, column, column + ends.shape[-1]), axis=-1)
    there = xp.take_along_axis(ends, place, axis=-1)
    x = xp.where(there > 0, xp.take_along_axis(to_go, place, axis=-1), xp.zeros_like(to_go))
    weight = w[..., None] * (xp.ones_like(ends) if baseline == "padded" else there)
    if baseline == "first":
        x, weight = x[..., :1], weight[..., :1]
    centre, flat = stats.mean(x, weight, axis=-2), stats.tied(x, weight, axis=-2)
    if baseline == "first":
        out = to_go - centre  # later returns differ from the first one's mean also in a tied group
        return xp.where(inside, out, xp.zeros_like(out))
    apart = xp.where(flat | ~(there > 0), xp.zeros_like(x), x - centre)
    index = xp.astype(xp.where(inside, own, xp.zeros_like(own)), place.dtype)
    out = xp.take_along_axis(apart, index, axis=-1)
    return xp.where(inside, out, xp.zeros_like(out))


@entry(
    "step_returns",
    kind="estimator",
    formula="A_k = G_k - mean over siblings of G_k, G_k = sum of rewards from step k on",
    cards=("09", "51"),
    section="return-to-go per step (09, section 4); siblings in the place of a critic: ours",
    provenance="derived",
)
@dataclass(frozen=True)
class StepReturns(Estimator):
    """Return-to-go of each step less the siblings' mean at the same step.

    baseline : "step", "padded", "first" or "none", see the module

    Reads `mask` and, where present, `step_ends` (else each token is a step). Advantages
    (..., B, G, T), 0 outside the mask, behind the last step and for absent rollouts.

    Raises ValueError for a baseline that does not exist.
    """

    baseline: Annotated[str, one_of(*BASELINES)] = "step"
    needs: ClassVar[tuple[str, ...]] = ("mask",)
    token_level: ClassVar[bool] = True

    @property
    def scope(self) -> str:
        """ "rollout" without a baseline, else "group"."""
        return "rollout" if self.baseline == "none" else "group"

    def to_come(self, reward: Array, ends: Array) -> Array:
        """(..., B, G, T) what is still to come of rewards (..., B, G, T) from each token on."""
        del ends
        return returns_to_go(reward)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp = rollouts, rollouts.xp
        w, ends = usable(parts, r)[1], step_ends(r, by="StepReturns")
        live = (w > 0)[..., None] & (r.need("mask", by="StepReturns") > 0)
        reward = token_rewards(parts, r, r.need("mask", by="StepReturns"))
        out = self.to_come(xp.where(live, reward, xp.zeros_like(reward)), ends)
        if self.baseline != "none":
            out = less_siblings(out, ends, w, baseline=self.baseline)
        inside = live & (steps_before(ends) < xp.sum(ends, axis=-1, keepdims=True))
        return xp.where(inside, out, xp.zeros_like(out)), dict(state or {})
