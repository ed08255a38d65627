"""Scores of the steps as a reward: their sum, their minimum, their product.

A process reward model scores each step in [0, 1]. What a rollout is paid for its scores decides
what can be hacked: a sum pays every further step, so steps are repeated; a minimum pays nothing
more for any step, and the first bad one cannot be made good; a product falls with every step that
isn't perfect, so it pays for few steps.
"""

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


def step_weights(r: Rollouts, *, by: str = "a reward of step scores") -> Array:
    """(..., B, G, T): 1 on tokens at which a step is scored, else 0.

    The last token of each step where the field `step_ends` says so, otherwise every token.
    """
    mask = r.need("mask", by=by)
    return mask * r.fields["step_ends"] if r.has("step_ends") else mask


class _Steps(Shaper):
    """A number from the scores of a rollout's steps, times alpha; 0 for a rollout without steps."""

    alpha: Any
    needs: ClassVar[tuple[str, ...]] = ("step_scores", "mask")
    wants: ClassVar[tuple[str, ...]] = ("step_ends",)
    name: ClassVar[str]

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        w = step_weights(r)
        value = self.of(r.need("step_scores", by=self.name), w)
        some = stats.mass(w) > 0
        paid = r.xp.where(some, value, r.xp.zeros_like(value))[..., 0]
        return {self.name: at(self.alpha, r.step) * paid}

    def of(self, scores: Array, w: Array) -> Array:
        """(..., B, G, 1) from scores and weights (..., B, G, T)."""
        raise NotImplementedError


@entry(
    "step_sum",
    kind="shaper",
    formula="R = alpha sum_k s_k",
    cards=("09",),
    section="process rewards before Clip and Delta",
    provenance="derived",
)
@dataclass(frozen=True)
class StepSum(_Steps):
    """A term: `alpha` times the sum of the step scores, in [0, alpha times the number of steps].

    Every further step is paid, so its maximum is at the completion limit (paper 09).
    """

    alpha: Annotated[Any, FINITE] = 1.0
    name: ClassVar[str] = "step_sum"

    def of(self, scores: Array, w: Array) -> Array:
        return stats.total(scores, w)


@entry(
    "step_minimum",
    kind="shaper",
    formula="R = alpha min_k s_k",
    cards=("09",),
    works=("pure",),
    section="min-form credit assignment",
    provenance="derived",
)
@dataclass(frozen=True)
class StepMinimum(_Steps):
    """A term: `alpha` times the lowest step score, in [0, alpha]; 0 without steps.

    No further step is paid; a solution is worth its worst step (source: min-form credit
    assignment, "Stop Summation").
    """

    alpha: Annotated[Any, FINITE] = 1.0
    name: ClassVar[str] = "step_minimum"

    def of(self, scores: Array, w: Array) -> Array:
        return stats.minimum(scores, w)


@entry(
    "step_product",
    kind="shaper",
    formula="R = alpha prod_k s_k",
    cards=("09",),
    works=("verify",),
    section="score of a solution, section 2",
    provenance="derived",
)
@dataclass(frozen=True)
class StepProduct(_Steps):
    """A term: `alpha` times the product of the step scores, in [0, alpha]; 0 without steps.

    The chance that every step is right, if scores are independent chances (source: "Let's Verify
    Step by Step"). Each step that isn't certain lowers it.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    name: ClassVar[str] = "step_product"

    def of(self, scores: Array, w: Array) -> Array:
        xp = stats.array_namespace(scores, w)
        return xp.prod(xp.where(w > 0, scores, xp.ones_like(scores)), axis=-1, keepdims=True)
