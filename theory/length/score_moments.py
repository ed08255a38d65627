"""Moments of a conciseness score by outcome, and of the two rewards that pay it.

Setting and names as in `toyrl.theory.length.conciseness`: outcome o ~ Bernoulli(p), score c. With
m1, v1 (m0, v0) the mean and variance of the score of right (wrong) answers,

    Cov(o, c) = p(1-p)(m1 - m0)        Var(c)  = p v1 + (1-p) v0 + p(1-p)(m1 - m0)^2
    Cov(o, oc) = p(1-p) m1             Var(oc) = p v1 + p(1-p) m1^2

from which the variances of o + kappa c and of o(1 + kappa c) follow.

Formulas: docs/theory/length.md.

Source: paper 01, whose printed theorem was not available; derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.length.conciseness import ScoreLaw

Array = Any


@entry(
    "score_law",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="m1, v1 = E, Var(c | right); m0, v0 = E, Var(c | wrong)",
)
def score_law(outcome: Array, score: Array, prob: Array, kappa: Array) -> ScoreLaw:
    """The moments of finitely many classes of (outcome, score), for `variances` and its siblings.

    outcome : (..., K) in {0, 1}; score : (..., K); prob : (..., K), summing to 1 along the last
    axis; kappa broadcasts with (..., 1), and so is each moment. An outcome that never happens has
    mean and variance 0.

    Raises ValueError for probabilities that do not sum to 1.
    """
    o, c, w = (np.asarray(x, dtype=float) for x in (outcome, score, prob))
    total = w.sum(-1, keepdims=True)
    if np.abs(total - 1).max() > 1e-9:
        msg = f"prob sums to {total.ravel()[np.abs(total - 1).argmax()]:.6g}; it must sum to 1"
        raise ValueError(msg)

    def given(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mass = weight.sum(-1, keepdims=True)
        law = weight / np.where(mass > 0, mass, 1.0)
        mean = (law * c).sum(-1, keepdims=True)
        return mean, (law * (c - mean) ** 2).sum(-1, keepdims=True)

    (m1, v1), (m0, v0) = given(w * o), given(w * (1 - o))
    return ScoreLaw((w * o).sum(-1, keepdims=True), m1, v1, m0, v0, kappa)


@dataclass(frozen=True)
class ScoreMoments:
    """Second moments of outcome o and score c.

    outcome_score, outcome_paid : any shape, that of the law's moments; Cov(o, c) and Cov(o, oc)
    score, paid : the same shape; Var(c) and Var(oc)
    """

    outcome_score: Array
    outcome_paid: Array
    score: Array
    paid: Array


@entry(
    "score_moments",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="Cov(o, c) = p(1-p)(m1 - m0), Cov(o, oc) = p(1-p) m1, Var(c), Var(oc)",
)
def score_moments(law: ScoreLaw) -> ScoreMoments:
    """Cov(o, c), Cov(o, oc), Var(c) and Var(oc), oc the score that a right answer alone is paid.

    Var(o + kappa c) = p(1-p) + 2 kappa Cov(o, c) + kappa^2 Var(c), and the same with oc.
    """
    signal = law.p * (1 - law.p)
    within = law.p * law.v1 + (1 - law.p) * law.v0
    return ScoreMoments(
        outcome_score=signal * (law.m1 - law.m0),
        outcome_paid=signal * law.m1,
        score=within + signal * (law.m1 - law.m0) ** 2,
        paid=law.p * law.v1 + signal * law.m1**2,
    )


@entry(
    "outcome_noise",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="E Var(R | o): kappa^2 (p v1 + (1-p) v0) additive, kappa^2 p v1 for CRF",
)
def outcome_noise(law: ScoreLaw) -> tuple[Array, Array]:
    """T3: E[Var(R | o)] of R_add and R_crf; they differ by kappa^2 (1-p) v0 >= 0.

    Each of the shape of the law's moments, (...) or (..., 1).
    """
    k2 = law.kappa**2
    crf = k2 * law.p * law.v1
    return crf + k2 * (1 - law.p) * law.v0, crf


@entry(
    "bernoulli_smoothness",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="L = gap/(6 sqrt 3)",
)
def bernoulli_smoothness(gap: Array) -> Array:
    """Largest |d^2/dtheta^2| of the expected reward gap sigmoid(theta): gap/(6 sqrt 3).

    The step of gradient ascent is safe up to 1/L. gap : `ScoreLaw.gap_crf` or `gap_add`, any shape.
    """
    return np.abs(gap) / (6 * np.sqrt(3.0))


# -- where the published claim holds ---------------------------------------------------------------
@entry(
    "crf_variance_accuracy",
    kind="theorem",
    cards=("01",),
    section="variance claim; the printed theorem was not available",
    provenance="derived",
    formula="p* = kappa v0/(m0 (2 + 2 kappa m1 - kappa m0)), at most 1",
)
def crf_variance_accuracy(law: ScoreLaw) -> Array:
    """Accuracy below which gating lowers the raw variance (T1 solved for p), in [0, 1].

    0: it never does, as where wrong answers all score alike (v0 = 0) up to kappa (m0 - 2 m1) = 2.
    1: it always does, past that weight. Of the shape of the law's moments; its p is not read.
    """
    k, m1, m0, v0 = (np.asarray(x, dtype=float) for x in (law.kappa, law.m1, law.m0, law.v0))
    need, have = m0 * (2 + 2 * k * m1 - k * m0), k * v0
    share = np.minimum(have / np.where(need > 0, need, 1.0), 1.0)
    return np.where(need > 0, share, np.where((need < 0) | (have > 0), 1.0, 0.0))[()]


@entry(
    "crf_follows_less",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="p v1 gap_add^2 > (p v1 + (1-p) v0) gap_crf^2",
)
def crf_follows_less(law: ScoreLaw) -> Array:
    """Bool: T3 fails, the gated reward's squared correlation with the outcome is the smaller one.

    It takes |gap_add| > gap_crf, hence a negative gap_add and kappa (m0 - 2 m1) > 2: the additive
    reward then follows the outcome closely, and backwards. Of the shape of the law's moments.
    """
    crf = law.p * law.v1
    return crf * law.gap_add**2 > (crf + (1 - law.p) * law.v0) * law.gap_crf**2


@entry(
    "gradient_noise_floors",
    kind="theorem",
    cards=("01",),
    section="convergence claim; the printed theorem was not available",
    provenance="derived",
    formula="L E[R^2], L = |gap|/(6 sqrt 3)",
)
def gradient_noise_floors(law: ScoreLaw) -> tuple[Array, Array]:
    """L E[R^2] of R_add and R_crf, in the shape of the law: SGD's floor of E||grad J||^2, per step
    size and B.

    J = gap sigmoid(theta), ||score||^2 <= B, so that mean E||grad J||^2 <= 2 (J* - J_0)/(eta T) +
    eta B L E[R^2]. Each reward has its own L: CRF's is the larger one, and its floor the smaller
    one only below an accuracy (`noise_floor_accuracy`). With one L for both it would always be.
    """
    from toyrl.theory.length.conciseness import second_moment_saving

    crf = law.p * (law.gap_crf**2 + law.kappa**2 * law.v1)
    additive = crf + second_moment_saving(law)
    return (
        bernoulli_smoothness(law.gap_add) * additive,
        bernoulli_smoothness(law.gap_crf) * crf,
    )


@entry(
    "noise_floor_accuracy",
    kind="theorem",
    cards=("01",),
    section="convergence claim; the printed theorem was not available",
    provenance="derived",
    formula="p = a/(m0 S1 + a), a = gap_add kappa (v0 + m0^2), S1 = gap_crf^2 + kappa^2 v1",
)
def noise_floor_accuracy(law: ScoreLaw) -> Array:
    """Accuracy below which CRF's noise floor of E||grad J||^2 is the smaller one; in [0, 1].

    For gap_add > 0 (0 elsewhere: the additive reward doesn't climb); 0 without a score. Of the
    shape of the law's moments; its p is not read.
    """
    k, m0 = np.asarray(law.kappa, dtype=float), np.asarray(law.m0, dtype=float)
    a = np.maximum(law.gap_add, 0.0) * k * (law.v0 + m0**2)
    whole = m0 * (law.gap_crf**2 + k**2 * law.v1) + a
    return np.where(whole > 0, a / np.where(whole > 0, whole, 1.0), 0.0)[()]


@entry(
    "accuracy_noise_floors",
    kind="theorem",
    cards=("01",),
    section="convergence claim; the printed theorem was not available",
    provenance="derived",
    formula="E[R^2]/gap^2/(6 sqrt 3)",
)
def accuracy_noise_floors(law: ScoreLaw) -> tuple[Array, Array]:
    """The floors of E||grad p||^2, p the accuracy, at steps that move p at one pace, per step and
    B; in the shape of the law.

    eta gap = h is the same for both: dividing by gap^2 leaves h B E[R^2]/(6 sqrt(3) gap^2). CRF's
    is never the larger one where gap_add > 0: more signal and a smaller second moment. inf for a
    gap of 0.
    """
    floors = gradient_noise_floors(law)
    out = []
    for floor, gap in zip(floors, (law.gap_add, law.gap_crf), strict=True):
        size = np.abs(np.asarray(gap, dtype=float)) ** 3
        out.append(np.where(size > 0, floor / np.where(size > 0, size, 1.0), np.inf)[()])
    return out[0], out[1]
