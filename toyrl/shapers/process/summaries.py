"""Step scores in one number: their sum, mean, minimum or product.

A process reward model scores every step of a rollout. What the four pay for m more steps of
score c, in a rollout of scores s_1..s_K:

    sum      m c more: every step that is worth anything pays, however useless
    mean     towards c: more steps pay as long as c lies above the mean
    minimum  nothing for c >= min s, else less
    product  less, unless c = 1

A rollout without a step gets 0 from all four.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


def scored_steps(r: Rollouts, *, by: str) -> tuple[Array, Array]:
    """(scores, ends), each (..., B, G, T): 1 in `ends` on the last token of each step.

    Scores are read there and 0 elsewhere. `by` names who asks, for the message.

    Raises KeyError for rollouts without `step_scores` or without a mask.
    """
    scores, ends = r.need("step_scores", by=by), step_ends(r, by=by)
    return r.xp.where(ends > 0, scores, r.xp.zeros_like(scores)), ends


class StepShaper(Shaper):
    """Base of terms that read step scores: `alpha` times what `paid` gives.

    Reads `mask`, `step_scores` and, where present, `step_ends` (`toyrl.rollouts.steps`). A NaN
    score makes the rollout unscorable: it must not reach its neighbours through a difference.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("step_scores", "mask")
    wants: ClassVar[tuple[str, ...]] = ("step_ends",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        scores, ends = scored_steps(r, by=type(self).__name__)
        return {"process": at(self.alpha, r.step) * self.paid(scores, ends, r)}

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        """(..., B, G) or, token by token, (..., B, G, T), from scores and ends (..., B, G, T).

        Raises TypeError in a class that does not define it.
        """
        msg = f"{type(self).__name__} defines no paid(scores, ends, rollouts)"
        raise TypeError(msg)


@entry(
    "step_sum",
    kind="shaper",
    formula="d_k = alpha s_k",
    cards=("09",),
    section="section 4 (PR)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class StepSum(StepShaper):
    """A term per step: `alpha` times the step's score, on its last token; in all alpha sum s.

    In [0, alpha K] for scores in [0, 1]. It grows with every step that is repeated.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    token_level: ClassVar[bool] = True

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        del ends, r
        return scores


@entry(
    "step_mean",
    kind="shaper",
    formula="R = alpha (1/K) sum_k s_k",
    cards=("09", "18"),
    section="normalised by length (09, section 4); ablation (18)",
    provenance="derived",
)
@dataclass(frozen=True)
class StepMean(StepShaper):
    """A term: `alpha` times the mean of the step scores, in [0, alpha].

    One step of score above the mean raises it: copies of the best step still pay.
    """

    alpha: Annotated[Any, FINITE] = 1.0

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        del r
        return stats.mean(scores, ends)[..., 0]


@entry(
    "step_min",
    kind="shaper",
    formula="R = alpha min_k s_k",
    cards=("54",),
    section="section 4 (score of a response: its lowest step)",
    provenance="text",
)
@dataclass(frozen=True)
class StepMin(StepShaper):
    """A term: `alpha` times the lowest step score, in [0, alpha]; no step can raise it."""

    alpha: Annotated[Any, FINITE] = 1.0

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        lowest = stats.minimum(scores, ends)[..., 0]
        return r.xp.where(r.xp.any(ends > 0, axis=-1), lowest, r.xp.zeros_like(lowest))


@entry(
    "step_product",
    kind="shaper",
    formula="R = alpha prod_k s_k",
    provenance="derived",
)
@dataclass(frozen=True)
class StepProduct(StepShaper):
    """A term: `alpha` times the product of the step scores, in [0, alpha].

    The chance that no step is wrong, if scores are independent chances; every step below 1 costs.
    """

    alpha: Annotated[Any, FINITE] = 1.0

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        xp = r.xp
        product = xp.prod(xp.where(ends > 0, scores, xp.ones_like(scores)), axis=-1)
        return xp.where(xp.any(ends > 0, axis=-1), product, xp.zeros_like(product))
