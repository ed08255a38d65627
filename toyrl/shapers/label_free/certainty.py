"""Rewards without labels by the policy's own certainty: low entropy, or far from uniform.

    rent            R = -(1/L) sum_t H(p_t)
    self_certainty  R = (1/L) sum_t KL(U || p_t) = -(1/(L V)) sum_t sum_j log(V p_tj)

Both pay for being sure, right or wrong, and most of all a policy that repeats one word. Their
numbers come of the forward pass that the policy makes anyhow; no gradient passes through them here.
Where all rollouts of a prompt are equally sure (answers of one token) a group-relative advantage is
0, and nothing is learned from them.

Source: papers RENT (arXiv 2505.22660) and Intuitor (arXiv 2505.19590), the baselines of paper 47;
both from memory, unverified.
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


@entry(
    "rent",
    kind="shaper",
    formula="R = -alpha (1/L) sum_t H(p_t)",
    cards=("47",),
    section="baseline: entropy minimisation (RENT, from memory)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Rent(Shaper):
    """Whole reward: minus `alpha` times the mean token entropy, (..., B, G), at most 0.

    Reads `entropy` and `mask`, never `correct`. A completion without a token has 0.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("entropy", "mask")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        mean = stats.mean(r.need("entropy", by="rent"), r.need("mask", by="rent"))[..., 0]
        return {"entropy": -at(self.alpha, r.step) * mean}


@entry(
    "self_certainty",
    kind="shaper",
    formula="R = alpha (1/L) sum_t KL(U || p_t)",
    cards=("47",),
    section="baseline: self-certainty (Intuitor, from memory)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class SelfCertainty(Shaper):
    """Whole reward: `alpha` times the mean of KL(U || p_t) over tokens, (..., B, G), 0 and more.

    Reads `self_certainty` and `mask`, never `correct`. A completion without a token has 0. Unlike
    the entropy it is without bound: a word of chance 0 makes it infinite.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("self_certainty", "mask")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        own, mask = (r.need(name, by="self_certainty") for name in self.needs)
        return {"certainty": at(self.alpha, r.step) * stats.mean(own, mask)[..., 0]}


def certainty_of(chances: Array) -> Array:
    """(...) KL(U || p) in nats of laws p (..., V): what the field `self_certainty` holds.

    Any backend; inf where a word has chance 0.
    """
    xp = stats.array_namespace(chances)
    none = chances <= 0
    log = xp.where(none, -xp.inf, xp.log(xp.where(none, xp.ones_like(chances), chances)))
    return -xp.mean(log, axis=-1) - xp.log(xp.asarray(1.0 * chances.shape[-1], dtype=chances.dtype))
