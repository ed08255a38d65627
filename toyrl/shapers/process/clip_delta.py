"""Clip and Delta: step scores that can't be collected by repeating a step.

With the scores s_1..s_K of a rollout's steps and a threshold eta, step k is paid

    step_clip        min(s_k - eta, 0)       a bad step costs, no step pays
    step_delta       s_k - s_(k+1)           the last but one its own score, the last nothing
    step_clip_delta  step_delta of the clipped scores

Delta telescopes: what is still to come from step k < K on is s_k, from the last step on 0. So each
step is credited with its own score and no later one's. It is no potential: step k is paid by a
score that is known one step later only. Its total is s_1 for K >= 2 and 0 for K = 1, so a trainer
that sums a rollout's reward keeps nothing of it but the first step's score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl import stats
from toyrl.ranges import FINITE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import steps_behind
from toyrl.rollouts.tokens import after
from toyrl.shapers.base import at
from toyrl.shapers.process.summaries import StepShaper

Array = Any
THRESHOLD = Range("[0, 1]", none=True, hint="give a score, or None for the prompt's mean")


def clipped_scores(scores: Array, ends: Array, eta: Any) -> Array:
    """min(s - eta, 0) on the last token of each step, else 0.

    scores, ends, and the answer : (..., B, G, T); eta : a number or (..., B, 1, 1)
    """
    xp = array_namespace(scores, ends)
    zero = xp.zeros_like(scores)
    return xp.where(ends > 0, xp.minimum(scores - eta, zero), zero)


def score_differences(scores: Array, ends: Array) -> Array:
    """s_k - s_(k+1) on the last token of step k <= K - 2; s_(K-1) on that of step K - 1; else 0.

    scores, ends, and the answer : (..., B, G, T); 1 in `ends` on the last token of each step
    """
    xp = array_namespace(scores, ends)
    zero, behind = xp.zeros_like(scores), steps_behind(ends)
    following = xp.where(behind > 1, after(scores, ends), zero)
    return xp.where((ends > 0) & (behind > 0), scores - following, zero)


def mean_score(scores: Array, ends: Array, weight: Array) -> Array:
    """(..., B, 1, 1) mean score over all steps of all rollouts of a prompt; 0 where there is none.

    scores, ends : (..., B, G, T); weight : (..., B, G) of the rollouts
    """
    xp = array_namespace(scores, ends)
    flat = (*scores.shape[:-2], 1, scores.shape[-2] * scores.shape[-1])
    return stats.mean(xp.reshape(scores, flat), xp.reshape(ends * weight[..., None], flat))


@entry(
    "step_delta",
    kind="shaper",
    formula="d_k = alpha (s_k - s_(k+1)), d_(K-1) = alpha s_(K-1), d_K = 0",
    cards=("09",),
    section="section 4 (PR-Delta)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class StepDelta(StepShaper):
    """A term per step: `alpha` times the fall of the score to the next step.

    The last step gets nothing (the outcome covers it), the last but one its own score. In all
    alpha s_1, or 0 for a single step: at most alpha whatever the number of steps. Works only where
    credit is given per step (`step_returns`). The paper's weight is not known: alpha is ours.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    token_level: ClassVar[bool] = True

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        del r
        return score_differences(scores, ends)


@entry(
    "step_clip",
    kind="shaper",
    formula="d_k = alpha min(s_k - eta, 0)",
    cards=("09",),
    section="section 4 (PR-Clip)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class StepClip(StepShaper):
    """A term per step: `alpha` times what the score lacks to the threshold, never above 0.

    eta : threshold in [0, 1]; None: the mean score of all steps of all rollouts of the prompt (so
        remembered of the paper, which wants most steps at 0; not verified): a rollout's own steps
        move it, so under Clip-Delta steps below the mean can pay
    In all between -alpha eta K and 0: another step never pays, and costs unless it reaches eta.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    eta: Annotated[Any, THRESHOLD] = None
    token_level: ClassVar[bool] = True

    @property
    def scope(self) -> str:
        """ "group" where the threshold is the prompt's mean, else "rollout"."""
        return "group" if self.eta is None else "rollout"

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        return clipped_scores(scores, ends, self.threshold(scores, ends, r))

    def threshold(self, scores: Array, ends: Array, r: Rollouts) -> Any:
        """eta, a number or (..., B, 1, 1)."""
        if self.eta is None:
            return mean_score(scores, ends, r.w)
        return at(self.eta, r.step)


@entry(
    "step_clip_delta",
    kind="shaper",
    formula="d_k = step_delta of c_k = min(s_k - eta, 0)",
    cards=("09",),
    section="section 4 (PR-Clip-Delta)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class StepClipDelta(StepClip):
    """A term per step: `step_delta` of the scores that `step_clip` has cut.

    From each step on between -alpha eta and 0 is still to come, however many steps follow.
    """

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        return score_differences(super().paid(scores, ends, r), ends)
