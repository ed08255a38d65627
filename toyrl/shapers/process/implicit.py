"""Implicit process rewards: the log-ratio of an outcome reward model that is a language model.

A reward model trained on outcomes as r(y) = beta log pi_prm(y)/pi_ref(y) gives every token

    r_t = beta (log pi_prm(y_t | y_<t) - log pi_ref(y_t | y_<t)),

whose sums are the rewards of steps and, over the whole response, r(y) itself: a potential with
start 0 and end r(y), so an outcome reward laid out along the text, no policy-invariant shaping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl import stats
from toyrl.ranges import FINITE, FLAG
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.rollouts.tokens import after
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


def log_ratios(r: Rollouts, *, by: str) -> Array:
    """(..., B, G, T) log pi_prm - log pi_ref on the mask, 0 off it.

    A reference chance of 0 makes the rollout unscorable (NaN there): the ratio is infinite, as from
    probabilities cut by top-p or top-k. `by` names who asks, for the message.

    Raises KeyError for rollouts without `prm_logprobs`, `ref_logprobs` or a mask.
    """
    xp, live = r.xp, r.need("mask", by=by) > 0
    ours, reference = r.need("prm_logprobs", by=by), r.need("ref_logprobs", by=by)
    zero = xp.zeros_like(ours)
    ours, reference = xp.where(live, ours, zero), xp.where(live, reference, zero)
    gone = xp.isinf(reference) | xp.isinf(ours)
    return xp.where(gone, xp.full_like(ours, xp.nan), xp.where(gone, zero, ours - reference))


def per_step(values: Array, ends: Array) -> Array:
    """The sum of a step's tokens on its last token, 0 elsewhere; behind the last step nothing.

    values, ends, and the answer : (..., B, G, T), 1 in `ends` on the last token of each step
    """
    xp = array_namespace(values, ends)
    so_far = xp.cumulative_sum(values, axis=-1)
    before = xp.flip(after(xp.flip(so_far, axis=-1), xp.flip(ends, axis=-1)), axis=-1)
    return xp.where(ends > 0, so_far - before, xp.zeros_like(values))


class ImplicitShaper(Shaper):
    """Base of terms that read `prm_logprobs`, `ref_logprobs` (..., B, G, T) and `mask`."""

    beta: Annotated[Any, FINITE] = 0.05
    needs: ClassVar[tuple[str, ...]] = ("prm_logprobs", "ref_logprobs", "mask")


@entry(
    "implicit_process",
    kind="shaper",
    formula="r_t = beta (log pi_prm(y_t) - log pi_ref(y_t))",
    cards=("54", "53"),
    section="Proposition 3.1 (54); Eq. 3 (53)",
    provenance="code",
)
@dataclass(frozen=True)
class ImplicitProcess(ImplicitShaper):
    """A term per token: `beta` times the log-ratio of the implicit reward model; in all r(y).

    beta : 0.05 in training, 0.001 in the released evaluation; rankings don't depend on it
    Dense use needs credit per token; a trainer of one number a rollout is left with r(y).
    """

    beta: Annotated[Any, FINITE] = 0.05
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        return {"implicit": at(self.beta, r.step) * log_ratios(r, by="implicit_process")}


@entry(
    "implicit_min",
    kind="shaper",
    formula="R = min over steps of the sum of beta log pi_prm/pi_ref",
    cards=("54",),
    section="section 4 (best-of-N score); code eval/bon_eval.py",
    provenance="code",
)
@dataclass(frozen=True)
class ImplicitMin(ImplicitShaper):
    """A term: the lowest step reward, (..., B, G); the score by which best-of-N picks.

    accumulative : False, each step's own reward ("single"); True, the sum up to each step
    A step is the sum of its tokens, never their mean. 0 for a rollout without a step.
    """

    beta: Annotated[Any, FINITE] = 0.05
    accumulative: Annotated[bool, FLAG] = False
    wants: ClassVar[tuple[str, ...]] = ("step_ends",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, ends = r.xp, step_ends(r, by="implicit_min")
        ratio = log_ratios(r, by="implicit_min")
        # Both, since the flag may be traced.
        so_far = xp.asarray(1.0 * self.accumulative) > 0.5
        own = xp.where(so_far, xp.cumulative_sum(ratio, axis=-1), per_step(ratio, ends))
        lowest = stats.minimum(own, ends)[..., 0]
        lowest = xp.where(xp.any(ends > 0, axis=-1), lowest, xp.zeros_like(lowest))
        lost = xp.any(xp.isnan(ratio), axis=-1)
        lowest = xp.where(lost, xp.full_like(lowest, xp.nan), lowest)
        return {"implicit": at(self.beta, r.step) * lowest}
