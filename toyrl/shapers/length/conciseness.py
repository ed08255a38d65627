"""Conciseness scores paid through the outcome (CRF) or beside it (additive).

The score c in [0.1, 1] is the field `conciseness` (a model's or a grader's). Where it is absent,
c = 1 - length/max_length stands in: good enough to try the reward's shape, but it punishes long
work that is not redundant, which a conciseness model should not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import FINITE, NOT_NEGATIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled
from toyrl.shapers.length.absolute import base_score

Array = Any
LOWEST = 0.1  # the judge's scale starts here


def score(r: Rollouts) -> Array:
    """c clipped to [0.1, 1]; 0.1 for an empty completion.

    The answer is (..., B, G).
    """
    xp = r.xp
    raw = r.fields["conciseness"] if r.has("conciseness") else 1.0 - r.length / r.max_length
    lowest, one = filled(LOWEST, raw), xp.ones_like(raw)
    c = xp.minimum(xp.maximum(raw, lowest), one)
    return xp.where(r.length > 0, c, lowest)


@entry(
    "crf",
    kind="shaper",
    formula="R = o (1 + alpha c (s + e^p_hat))",
    cards=("01",),
    section="reward definition; alpha and the schedule of s reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Crf(Shaper):
    """Whole reward: outcome times (1 + alpha c (s + d)), d = exp(share of right siblings).

    alpha : weight >= 0 (0.5, reconstructed)
    s : annealed number in [0, 1], e.g. ``crf(s=linear(1, 0, 300))`` (reconstructed; constant 1
        unless told)
    Parts `outcome` in {0, 1} and `crf` in [0, alpha (s + e)], 0 for wrong rollouts.
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    s: Annotated[Any, SHARE] = 1.0
    wants: ClassVar[tuple[str, ...]] = ("conciseness",)
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        d = r.xp.exp(stats.mean(r.correct, r.w))
        kappa = at(self.alpha, r.step) * (at(self.s, r.step) + d)
        return {"outcome": r.correct, "crf": r.correct * score(r) * kappa}


@entry(
    "conciseness_additive",
    kind="shaper",
    formula="R = o + alpha c",
    cards=("01",),
    section="the additive form it is compared with",
    provenance="derived",
)
@dataclass(frozen=True)
class ConcisenessAdditive(Shaper):
    """Whole reward: outcome plus alpha c, paid to right and wrong rollouts alike.

    alpha : weight >= 0; that of `crf` in total, alpha (s + d), is kappa on the theory pages
    right, wrong : base scores
    Parts `outcome` and `conciseness` in [0.1 alpha, alpha].
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    right: Annotated[Any, FINITE] = 1.0
    wrong: Annotated[Any, FINITE] = 0.0
    wants: ClassVar[tuple[str, ...]] = ("conciseness",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        outcome = base_score(self.right, self.wrong, r)
        return {"outcome": outcome, "conciseness": at(self.alpha, r.step) * score(r)}
