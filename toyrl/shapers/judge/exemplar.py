"""Graded against an exemplar: a translation is paid for being better than a strong model's.

    r_trans = mean over exemplars m of 1 + #{k : q - q_m > s_k}     in {1 .. 5} for one exemplar
    R = 0                                          where the format is broken
      = r_trans + alpha analysis + beta quality    otherwise
    R = 1[format kept and target language]         in directions other than the pivot

q and q_m are a judge's scores (`judge`, `judge_references`), the thresholds s are -step - tie,
-tie, tie, step + tie. The grade is *over* the exemplar, never likeness to it: a copy gets the
middle grade 3. The format is a gate; a summand of little weight lets commentary win.

What the signal is worth in a group: `toyrl.theory.learned.exemplar`; a judge's written answers are
read by `toyrl.graders.judged.comparisons`.

Source: paper 45 (ExTrans). The gate and the linear form are those of the authors' preceding paper,
DeepTrans (2504.10187); levels and components from a published summary; alpha, beta and the
thresholds are reconstructed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl import stats
from toyrl.ranges import FINITE, NOT_NEGATIVE, POSITIVE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.judge.bounded import JudgeShaper

Array = Any
THRESHOLDS = (-1.5, -0.5, 0.5, 1.5)
"""Of the score's lead over the exemplar; ours."""
KEPT = 0.5
GAPS = {"judge": math.inf, "judge_references": math.inf, "quality_estimate": 0.0,
        "in_language": 0.0}  # fmt: skip
"""What stands for a NaN: an infinite score is none."""


def grade(lead: Array, thresholds: Sequence[Any] = THRESHOLDS) -> Array:
    """1 + the number of thresholds below the lead q - q_ex; any shape, NaN for NaN.

    thresholds : K numbers, 4 for grades 1 (clearly worse) to 5 (clearly better). A lead that equals
        a threshold is not above it.
    """
    xp = stats.array_namespace(lead)
    out = xp.ones_like(lead)
    for s in thresholds:
        out = out + xp.where(lead > s, xp.ones_like(lead), xp.zeros_like(lead))
    return xp.where(xp.isnan(lead), lead, out)


def translation_reward(
    form: Array,
    comparison: Array,
    analysis: Array,
    quality: Array,
    *,
    alpha: Any = 0.5,
    beta: Any = 1.0,
    has_exemplar: Array | None = None,
) -> Array:
    """r_all (...,): 0 where the format is broken, else comparison + alpha analysis + beta quality.

    form : 0 or 1, truncated rollouts 0; comparison : grades 1 to 5, NaN where the judge's answer
    could not be read, which stays NaN (unscorable, and not a tie); analysis : 0, 1 or 2
    quality : [0, 1], NaN counts as 0; has_exemplar : bool; where it is False the quality alone is
    paid. alpha, beta : >= 0, ours. All of one shape
    """
    xp = stats.array_namespace(form, comparison, analysis, quality)
    quality = xp.where(xp.isnan(quality), xp.zeros_like(quality), quality)
    paid = comparison + alpha * analysis + beta * quality
    if has_exemplar is not None:
        paid = xp.where(has_exemplar, paid, quality)
    return xp.where(form >= KEPT, paid, xp.zeros_like(form))


def multilingual_reward(full: Array, form: Array, in_language: Array, pivot: Array) -> Array:
    """The full reward in the pivot direction; elsewhere 1 for format and target language, else 0.

    full : `translation_reward`, not looked at outside of the pivot; form, pivot : 0 or 1
    in_language : 0 or 1; NaN, where an identifier is unsure, counts as 0. All (...,), same shape
    """
    xp = stats.array_namespace(form, in_language)
    light = xp.where(
        (form >= KEPT) & (in_language >= KEPT), xp.ones_like(form), xp.zeros_like(form)
    )
    return xp.where(pivot >= KEPT, full, light)


def fill_gaps(r: Rollouts) -> tuple[Rollouts, dict[str, int]]:
    """The rollouts with the paper's rule for each NaN, and how many present rollouts had one.

    No exemplar: the quality is paid alone; no quality estimate: 0; a language that is unsure: the
    wrong one; an answer of the judge that can't be read: unscorable where it would be paid. Without
    this a NaN makes its rollout unscorable, as with every reward.

    r : NumPy rollouts; fields that they don't have are left out of both answers
    """
    here, found, filled = np.asarray(r.w) > 0, {}, {}
    for name, value in GAPS.items():
        if r.has(name):
            x = np.asarray(r.fields[name])
            gap = np.isnan(x)
            filled[name] = np.where(gap, value, x)
            found[name] = int((here & (gap.all(-1) if gap.ndim > here.ndim else gap)).sum())
    return (r.with_(**filled) if filled else r), found


def _around(tie: Any, step: Any) -> tuple[Any, Any, Any, Any]:
    return -tie - step, -tie, tie, tie + step


@entry(
    "exemplar",
    kind="shaper",
    formula="R = 1[format] (mean_m (1 + #{k: q - q_m > s_k}) + alpha analysis + beta quality)",
    cards=("45",),
    section="r_all and the lightweight reward; alpha, beta and s reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Exemplar(Shaper):
    """Whole reward: grade over the exemplar, behind the format; (..., B, G), at most 5 + 2 a + b.

    alpha, beta : of the fields `analysis` (0, 1, 2) and `quality_estimate` ([0, 1]), which pay
        nothing where the rollouts lack them; ours
    tie : half the width of the middle grade, in units of the judge's score; step : of the next two
    Parts `comparison`, `analysis`, `quality`, and `language` where the field `pivot` is there: a
    prompt with pivot 0 is paid 1 for format and `in_language`, whatever its quality.

    Truncated rollouts have no format. Several exemplars: the mean grade. An infinite reference is
    none, and without any the quality alone is paid, as it is. An infinite score of the judge is
    none, and NaN where it would be paid: not behind a broken format, nor where pivot is 0. NaN in
    any field is unscorable; `fill_gaps` has the paper's rules for them.

    Raises KeyError for rollouts with `pivot` and without `in_language`.
    """

    alpha: Annotated[Any, NOT_NEGATIVE] = 0.5
    beta: Annotated[Any, NOT_NEGATIVE] = 1.0
    tie: Annotated[Any, POSITIVE] = 0.5
    step: Annotated[Any, NOT_NEGATIVE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("judge", "judge_references", "format")
    wants: ClassVar[tuple[str, ...]] = ("analysis", "quality_estimate", "pivot", "in_language")

    def comparison(self, r: Rollouts) -> tuple[Array, Array]:
        """((..., B, G) mean grade over the exemplars, (..., B, G) bool: there is one)."""
        xp, own = r.xp, r.need("judge", by="exemplar")
        them = r.need("judge_references", by="exemplar")
        known = xp.isfinite(them)
        lead = own[..., None] - xp.where(known, them, xp.zeros_like(them))
        cuts = _around(at(self.tie, r.step), at(self.step, r.step))
        mean = stats.mean(
            grade(lead, cuts), xp.where(known, xp.ones_like(them), xp.zeros_like(them))
        )[..., 0]
        return xp.where(xp.isfinite(own), mean, xp.full_like(mean, xp.nan)), xp.any(known, axis=-1)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, form = r.xp, r.need("format", by="exemplar")
        zero = xp.zeros_like(form)
        kept = form >= KEPT
        if r.truncated is not None:
            kept = kept & (xp.where(r.truncated, zero + 1, zero) < KEPT)
        graded, known = self.comparison(r)
        form = xp.where(kept, xp.ones_like(form), zero)
        level = r.fields["analysis"] if r.has("analysis") else zero
        quality = r.fields["quality_estimate"] if r.has("quality_estimate") else zero
        weight = at(self.alpha, r.step), at(self.beta, r.step)
        unit = {"comparison": (graded, zero, zero), "analysis": (zero, level, zero),
                "quality": (zero, zero, quality)}  # fmt: skip
        found = {
            name: translation_reward(form, *x, alpha=weight[0], beta=weight[1], has_exemplar=known)
            for name, x in unit.items()
        }
        if r.has("pivot"):
            pivot, said = r.fields["pivot"], r.need("in_language", by="exemplar where pivot is 0")
            light = multilingual_reward(zero, form, said, pivot)
            found = {n: xp.where(pivot >= KEPT, x, zero) for n, x in found.items()}
            found["language"] = light
        return found


@entry(
    "judge_grade",
    kind="shaper",
    formula="R = 1 + #{k: q - level > s_k}",
    cards=("45",),
    section="the direct score that the exemplar is compared with",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class JudgeGrade(JudgeShaper):
    """Whole reward: a judge's grade 1 to 5 on an absolute scale, the same for all prompts.

    level : middle of grade 3; tie, step : as in `exemplar`. (..., B, G)
    """

    level: Annotated[Any, FINITE] = 0.0
    tie: Annotated[Any, POSITIVE] = 0.5
    step: Annotated[Any, NOT_NEGATIVE] = 1.0

    def transform(self, score: Array, r: Rollouts) -> Array:
        cuts = _around(at(self.tie, r.step), at(self.step, r.step))
        return grade(score - at(self.level, r.step), cuts)
