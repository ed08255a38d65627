"""A judge's score added to the outcome, trusted as far as it tells right from wrong.

    R_i = outcome_i + gamma alpha exp(-step/horizon) judge_i

gamma, one number per group, is 1 where the judge's mean over right rollouts is at least that over
wrong ones, and exp(mean over right - mean over wrong) otherwise. Paper and released code differ:

    paper     every rollout is paid; gamma = 1 where one of the classes is empty
    released  nothing in groups with all outcomes >= 0.9 or all <= 0.1; a rollout with an outcome
              below 0.2 counts as judged 0. With outcomes 0 and 1 this makes gamma 1 in all
              groups: the trust weight is inactive and only right rollouts are paid
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import NOT_NEGATIVE, POSITIVE_OR_INF
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any
RIGHT, SOLVED, FAILED, UNPAID = 0.5, 0.9, 0.1, 0.2
HORIZON = POSITIVE_OR_INF.so("give the number of updates, or inf for no decay")


def trust_weight(outcome: Array, judge: Array, w: Array, *, distrust: Any = 1.0) -> Array:
    """gamma (..., B, 1) in [exp(-distrust), 1] for scores in [0, 1] (paper, Eq. 3).

    outcome, judge, w : (..., B, G); a rollout is right from an outcome of 0.5 on
    distrust : factor of the gap in the exponent, >= 0; 1 in the paper
    """
    xp = stats.array_namespace(outcome, judge)
    zero = xp.zeros_like(w)
    right, wrong = xp.where(outcome >= RIGHT, w, zero), xp.where(outcome < RIGHT, w, zero)
    gap = stats.mean(judge, right) - stats.mean(judge, wrong)
    both = (stats.mass(right) > 0) & (stats.mass(wrong) > 0) & (gap < 0)
    return xp.exp(xp.where(both, distrust * gap, xp.zeros_like(gap)))


def released_score(outcome: Array, judge: Array, w: Array) -> Array:
    """The judge's score as the released code pays it, (..., B, G)."""
    xp = stats.array_namespace(outcome, judge)
    mixed = (stats.minimum(outcome, w) < SOLVED) & (stats.maximum(outcome, w) > FAILED)
    return xp.where(mixed & (outcome >= UNPAID), judge, xp.zeros_like(judge))


def decay(step: Any, horizon: Any, like: Array) -> Array:
    """exp(-step/horizon) as (..., B, 1); it goes on falling after the horizon."""
    xp = stats.array_namespace(like)
    return xp.exp(-(xp.zeros_like(like[..., :1]) + step) / horizon)


@entry(
    "trust",
    kind="shaper",
    formula="R = o + gamma alpha e^(-step/horizon) judge",
    cards=("13",),
    section="Eqs. 1-6 (Trust-GRPO)",
    provenance="text",
)
@dataclass(frozen=True)
class Trust(Shaper):
    """Whole reward: the outcome plus a judge's score, weighted by trust and fading with training.

    alpha : largest share of the judge (paper 0.3); horizon : total number of updates (inf: no
        decay)
    distrust : gamma = exp(distrust gap): 1 as printed, 0 trusts every judge (the ablation)
    Parts `outcome` and `trust` in [0, alpha] for scores in [0, 1].

    Raises ValueError for a horizon that is not positive.
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.3
    horizon: Annotated[float, HORIZON] = 1500.0
    distrust: Annotated[float, NOT_NEGATIVE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "judge")
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        judge = self.score(r)
        fade = at(self.alpha, r.step) * decay(r.step, self.horizon, r.correct)
        return {"outcome": r.correct, "trust": self.trust(r.correct, judge, r.w) * fade * judge}

    def score(self, r: Rollouts) -> Array:
        """The judge's scores that are paid, (..., B, G)."""
        return r.need("judge", by="trust")

    def trust(self, outcome: Array, judge: Array, w: Array) -> Array:
        """gamma, (..., B, 1)."""
        return trust_weight(outcome, judge, w, distrust=self.distrust)


@entry(
    "trust_released",
    kind="shaper",
    formula="R = o + gamma alpha e^(-step/horizon) judge [o >= 0.2, mixed group]",
    cards=("13",),
    section="code kxfan2002/SophiaVL-R1, verl/workers/reward/custom.py",
    provenance="code",
)
@dataclass(frozen=True)
class TrustReleased(Trust):
    """Whole reward: `trust` as the released code computes it.

    horizon : 500 by default in the code, 12000 in its configuration; not the number of updates
    Parts `outcome` and `trust` in [0, alpha]; `trust` is 0 for outcomes below 0.2.
    """

    horizon: Any = 500.0

    def score(self, r: Rollouts) -> Array:
        """The judge's scores that are paid, (..., B, G): none to a clear failure."""
        return released_score(r.correct, r.need("judge", by="trust_released"), r.w)
