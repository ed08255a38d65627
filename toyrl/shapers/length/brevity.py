"""Wrong and suspiciously short: a penalty against guessing, and a reward half rule, half proxy.

HARMO pays a rule where an answer can be checked and a similarity where it can't, and charges wrong
rollouts that are shorter than the right ones of their group, so that a proxy that likes short
answers doesn't end in guesses. The penalty's formula is reconstructed from reviews and abstract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE, NOT_NEGATIVE, POSITIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any
ULPS = 8  # of rounding in a mean


@entry(
    "brevity_penalty",
    kind="shaper",
    formula="R = -alpha max(0, 1 - L/(tau Lbar)) for wrong rollouts, Lbar of right siblings",
    cards=("52",),
    section="length penalty, reconstructed from the public reviews and the abstract",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class BrevityPenalty(Shaper):
    """A term: up to `alpha` off for a wrong rollout shorter than tau times its right siblings.

    alpha : the largest penalty, P_max (0.5, ours)
    tau : share of the mean length of right siblings from which on nothing is charged (1, ours)
    quantile : of right siblings' lengths in the place of their mean: 0 the shortest, 0.5 the median
    beyond : multiple of that length past which a rollout is charged too, alpha (L/(beyond Lbar) -
        1), at most alpha (None: never)
    everyone : share of the penalty that right rollouts are charged (0)

    The last three are ours, for what the reviews leave open. As it stands nothing is charged in a
    group without a right rollout, to right rollouts, and to long ones: it works against short
    guesses, not against length. Part `brevity_penalty` in [-alpha, 0].
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    tau: Annotated[Any, POSITIVE] = 1.0
    quantile: Annotated[Any, SHARE.or_none] = None
    beyond: Annotated[Any, POSITIVE.or_none] = None
    everyone: Annotated[Any, SHARE] = 0.0
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, right = r.xp, r.w * r.correct
        usual = self.usual(r)
        enough = at(self.tau, r.step) * usual
        known = (usual > 0) & (stats.mass(right) > 0)
        short = 1 - r.length / xp.where(known, enough, xp.ones_like(enough))
        # Equal lengths have a mean that is theirs up to rounding: nothing is charged for that.
        short = xp.where(known & (short > ULPS * xp.finfo(short.dtype).eps), short, 0 * enough)
        if self.beyond is not None:
            most = xp.where(known, at(self.beyond, r.step) * usual, xp.ones_like(usual))
            long = xp.minimum(r.length / most - 1, xp.ones_like(short))
            short = xp.maximum(short, xp.where(known, long, xp.zeros_like(long)))
        charged = 1 - r.correct * (1 - at(self.everyone, r.step))
        return {"brevity_penalty": -at(self.alpha, r.step) * short * charged}

    def usual(self, r: Rollouts) -> Array:
        """(..., B, 1) length of right siblings, 0 without one."""
        right = r.w * r.correct
        mean = stats.mean(r.length, right)
        if self.quantile is None:
            return mean
        found = stats.quantile(r.length, right, at(self.quantile, r.step))
        return r.xp.where(stats.mass(right) > 0, found, mean)


@entry(
    "hybrid_outcome",
    kind="shaper",
    formula="R = o where verifiable, else similarity",
    cards=("52",),
    section="Eq. 1 of the hybrid reward",
    provenance="second-hand",
)
@dataclass(frozen=True)
class HybridOutcome(Shaper):
    """Whole reward: the rule where the prompt can be verified, else the similarity to a reference.

    right, wrong : what the rule pays. The fields `verifiable` (of the prompt, never of the
    response) and `similarity` (cosine to the reference, in [-1, 1]) are read
    Part `outcome`, (..., B, G).
    """

    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "verifiable", "similarity")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        low = at(self.wrong, r.step)
        rule = low + (at(self.right, r.step) - low) * r.correct
        other = r.need("similarity", by="hybrid_outcome")
        ruled = r.need("verifiable", by="hybrid_outcome")
        return {"outcome": other + (rule - other) * ruled}
