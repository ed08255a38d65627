"""Bounded transforms of a judge's score, against the hacking of a learned reward.

A reward model's score r is paid through the chance that it prefers the response to responses of the
reference policy to the same prompt, with scores r_1 .. r_M drawn once:

    PAR     R = mean over m of sigmoid(k (r - r_m))

Beside it stand the transforms that it is compared with. All read the fields `judge` and
`judge_references` and take, first of all, a ceiling and a charge for length:

    r <- min(r, ceiling),    r <- r - length_rate (L - length_from)  where L > length_from

The released code applies the ceiling a second time behind the charge, which only lowers r: the
second does nothing. The references are read as given. A score or a reference that is infinite is
none: the rollout is unscorable (NaN), as with NaN.

Shapers with statistics over all scores seen stand in `running`; what the transforms do to a policy
in `toyrl.theory.judge.bounded`.

Source: paper 23 (PAR), its code `trainers/reward_shaper.py` (PorUna-byte/PAR).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaped, Shaper, at

Array = Any
FIT = (2.02669e-4, 0.0, -1.013091e-2, 0.0, 0.22878851, 0.5)
"""Coefficients x^5 .. x^0 of the fit to the sigmoid on 100 points of [-5, 5]."""
Z85 = 1.0364334
"""The 85th percentile of the standard normal law."""
FROM = 300.0
"""Tokens beyond which the released runs charge 0.01 a token."""


def fitted_sigmoid(x: Array) -> Array:
    """The fitted polynomial of degree 5 within [-5, 5], 0 below and 1 above; any shape.

    It leaves [0, 1] by 0.011 just inside of -5 and 5 and jumps back there, so that a gap of 5 pays
    less than one of 4.9.
    """
    xp = stats.array_namespace(x)
    value = xp.zeros_like(x)
    inside = xp.minimum(xp.maximum(x, xp.full_like(x, -5.0)), xp.full_like(x, 5.0))
    for c in FIT:
        value = value * inside + c
    low = xp.where(x <= -5, xp.zeros_like(x), value)
    return xp.where(x >= 5, xp.ones_like(x), low)


def log_sigmoid(x: Array) -> Array:
    """log sigmoid(x) = -log(1 + e^-x) without overflow; any shape, at most 0."""
    xp = stats.array_namespace(x)
    return xp.minimum(x, xp.zeros_like(x)) - xp.log1p(xp.exp(-xp.abs(x)))


def charged(score: Array, length: Array, ceiling: Any, rate: Any, free: Any) -> Array:
    """min(score, ceiling) less `rate` for each token beyond `free`; None leaves a step out.

    score, length : (..., B, G) or any one shape, which the answer has
    """
    xp = stats.array_namespace(score, length)
    if ceiling is not None:
        score = xp.minimum(score, xp.zeros_like(score) + ceiling)
    if rate is not None:
        score = score - rate * xp.maximum(length - free, xp.zeros_like(length))
    return score


# -- the scores ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class JudgeShaper(Shaper):
    """Base of transforms of the judge's score; a subclass says `transform`.

    ceiling : scores above count as this much (3, 4 and 5 in the ablation); None: no ceiling
    length_rate : charge a token beyond `length_from`; None: none, and the length isn't read. In the
        released runs 0.01 beyond 300 tokens
    """

    ceiling: Annotated[Any, FINITE.or_none] = field(default=None, kw_only=True)
    length_rate: Annotated[Any, NOT_NEGATIVE.or_none] = field(default=None, kw_only=True)
    length_from: Annotated[Any, NOT_NEGATIVE] = field(default=FROM, kw_only=True)
    needs: ClassVar[tuple[str, ...]] = ("judge",)

    def all_needs(self) -> tuple[str, ...]:
        """The length too where it is charged."""
        return self.needs if self.length_rate is None else (*self.needs, "length")

    def score(self, r: Rollouts) -> Array:
        """(..., B, G) the judge's score after ceiling and charge; NaN where it is infinite."""
        given = r.need("judge", by=type(self).__name__)
        rate = None if self.length_rate is None else at(self.length_rate, r.step)
        top = None if self.ceiling is None else at(self.ceiling, r.step)
        own = charged(given, r.length, top, rate, at(self.length_from, r.step))
        return r.xp.where(r.xp.isfinite(given), own, r.xp.full_like(own, r.xp.nan))

    def transform(self, score: Array, r: Rollouts) -> Array:
        """(..., B, G) what is paid for the scores (..., B, G)."""
        raise NotImplementedError

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts | Shaped:
        del memory
        return {"judge": self.transform(self.score(r), r)}


@entry(
    "judge_raw",
    kind="shaper",
    formula="R = r",
    cards=("23",),
    section="vanilla; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeRaw(JudgeShaper):
    """Whole reward: the judge's score itself, unbounded, (..., B, G)."""

    def transform(self, score: Array, r: Rollouts) -> Array:
        del r
        return score


@entry(
    "judge_sigmoid",
    kind="shaper",
    formula="R = sigmoid(k r)",
    cards=("23",),
    section="un-centred sigmoid; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeSigmoid(JudgeShaper):
    """Whole reward: the sigmoid of the score, without a reference; (..., B, G) in [0, 1].

    Where it is steep depends on the zero of the reward model, which preferences leave open.
    """

    k: Annotated[Any, POSITIVE] = 1.0

    def transform(self, score: Array, r: Rollouts) -> Array:
        return stats.sigmoid(at(self.k, r.step) * score)


@entry(
    "judge_tanh",
    kind="shaper",
    formula="R = tanh(r)",
    cards=("23",),
    section="un-centred tanh; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeTanh(JudgeShaper):
    """Whole reward: tanh of the score, without a reference; (..., B, G) in [-1, 1]."""

    def transform(self, score: Array, r: Rollouts) -> Array:
        return r.xp.tanh(score)


# -- against references ----------------------------------------------------------------------------
def references_of(r: Rollouts, *, by: str) -> tuple[Array, Array]:
    """((..., B, G, M) scores of the references, (..., B, G) whether all of them are finite).

    Those that aren't are 0. Raises KeyError for rollouts without references.
    """
    xp, given = r.xp, r.need("judge_references", by=by)
    finite = xp.isfinite(given)
    return xp.where(finite, given, xp.zeros_like(given)), xp.all(finite, axis=-1)


@dataclass(frozen=True)
class ReferenceShaper(JudgeShaper):
    """Base of means over references of a function of the gap r - r_m; a subclass says `squash`.

    references : how many are read, the first; None: all. 10 in the released runs, ablated 1 to 8

    Their mean comes last: the function of the gap to the *mean* reference is another reward.
    """

    references: Annotated[Any, COUNT.or_none] = field(default=None, kw_only=True)
    needs: ClassVar[tuple[str, ...]] = ("judge", "judge_references")

    def squash(self, gap: Array, r: Rollouts) -> Array:
        """The function of the gap, of its shape."""
        raise NotImplementedError

    def transform(self, score: Array, r: Rollouts) -> Array:
        xp = r.xp
        reference, known = references_of(r, by=type(self).__name__)
        # What is not read stays in the sum with weight 0, so that a traced number can say how many.
        weight = xp.ones_like(reference)
        if self.references is not None:
            place = xp.arange(reference.shape[-1], dtype=reference.dtype)
            weight = xp.where(place < self.references, weight, xp.zeros_like(weight))
        found = self.squash(score[..., None] - reference, r)
        value = stats.mean(found, weight)[..., 0]
        return xp.where(known, value, xp.full_like(value, xp.nan))


@entry(
    "par",
    kind="shaper",
    formula="R = mean_m sigmoid(k (r - r_m))",
    cards=("23",),
    section="PAR; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class Par(ReferenceShaper):
    """Whole reward: the chance that the judge's own preference is for the response, in [0, 1].

    k : steepness; 1, ablated 2 and 3
    Rises strictly with the score, 1/2 at a single reference's own; shifts of all scores leave it
    alone. (..., B, G).

    A group that lies 15 above its references gets rewards that differ by less than 1e-6: an
    estimator with an epsilon beside the standard deviation (`grpo`, 1e-4) leaves next to nothing of
    them, one without divides by them, in float32 by rounding.
    """

    k: Annotated[Any, POSITIVE] = 1.0

    def squash(self, gap: Array, r: Rollouts) -> Array:
        return stats.sigmoid(at(self.k, r.step) * gap)


@entry(
    "judge_centred",
    kind="shaper",
    formula="R = mean_m (r - r_m)",
    cards=("23",),
    section="centered; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class JudgeCentred(ReferenceShaper):
    """Whole reward: the score above the references' mean, unbounded; (..., B, G).

    Within a prompt it is the score less a constant: group-centred advantages don't see it.
    """

    def squash(self, gap: Array, r: Rollouts) -> Array:
        del r
        return gap


@entry(
    "par_tanh",
    kind="shaper",
    formula="R = mean_m tanh(r - r_m)",
    cards=("23",),
    section="relative tanh; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class ParTanh(ReferenceShaper):
    """Whole reward: mean tanh of the gaps, 2 PAR - 1 with k = 2; (..., B, G) in [-1, 1]."""

    def squash(self, gap: Array, r: Rollouts) -> Array:
        return r.xp.tanh(gap)


@entry(
    "par_arctan",
    kind="shaper",
    formula="R = mean_m arctan(r - r_m)",
    cards=("23",),
    section="relative arctan; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class ParArctan(ReferenceShaper):
    """Whole reward: mean arctan of the gaps, (..., B, G) in [-pi/2, pi/2]; it converges as 1/r."""

    def squash(self, gap: Array, r: Rollouts) -> Array:
        return r.xp.atan(gap)


@entry(
    "par_polynomial",
    kind="shaper",
    formula="R = mean_m g(r - r_m), g of degree 5 fitted to the sigmoid on [-5, 5]",
    cards=("23",),
    section="relative fitted polynomial; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class ParPolynomial(ReferenceShaper):
    """Whole reward: mean of `fitted_sigmoid` of the gaps, (..., B, G) in [-0.011, 1.011]."""

    def squash(self, gap: Array, r: Rollouts) -> Array:
        del r
        return fitted_sigmoid(gap)


@entry(
    "sgfc",
    kind="shaper",
    formula="R = mean_m sigmoid(k (r - shift - r_m))",
    cards=("23",),
    section="slow growth, fast convergence; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class Sgfc(ReferenceShaper):
    """Whole reward: slow growth first, fast convergence later; (..., B, G) in [0, 1].

    The counterexample to "steep first": honest gains are paid little, a hack the most.
    k : 1 in the shaper, 3 in the released plotting file; shift : 3
    """

    k: Annotated[Any, POSITIVE] = 1.0
    shift: Annotated[Any, FINITE] = 3.0

    def squash(self, gap: Array, r: Rollouts) -> Array:
        return stats.sigmoid(at(self.k, r.step) * (gap - at(self.shift, r.step)))


@entry(
    "lsc",
    kind="shaper",
    formula="R = log sigmoid(r - q), q = mean_m r_m + z (sd_m r_m + 1e-5)",
    cards=("23",),
    section="log-sigmoid-centred; code trainers/reward_shaper.py",
    provenance="code",
)
@dataclass(frozen=True)
class Lsc(JudgeShaper):
    """Whole reward: log sigmoid of the score above a high percentile of the references' normal law.

    z : of the percentile, 1.0364334 for the 85th; the spread has Bessel's correction, and is 0
        with one reference. All references are read
    At most 0 (..., B, G); far below the percentile it is r - q, so bounded above alone.
    """

    z: Annotated[Any, FINITE] = Z85
    needs: ClassVar[tuple[str, ...]] = ("judge", "judge_references")

    def transform(self, score: Array, r: Rollouts) -> Array:
        xp = r.xp
        reference, known = references_of(r, by="lsc")
        one = xp.ones_like(reference)
        spread = stats.std(reference, one, ddof=1.0)[..., 0]
        q = stats.mean(reference, one)[..., 0] + at(self.z, r.step) * (spread + 1e-5)
        value = log_sigmoid(score - q)
        return xp.where(known, value, xp.full_like(value, xp.nan))
