"""Conciseness paid through the outcome (CRF) against conciseness paid beside it (additive).

Setting: outcome o ~ Bernoulli(p), score c with mean m1, variance v1 given a right answer and m0,
v0 given a wrong one, fixed weight kappa > 0. The two rewards are

    R_add = o + kappa c,        R_crf = o (1 + kappa c).

Derivations use only Cov(o, c) = p(1-p)(m1-m0) and Cov(o, oc) = p(1-p) m1; the tests redo them
symbolically from the raw moments. All functions broadcast over arrays.

Formulas: docs/theory/length.md.

Source: paper 01, whose printed theorem was not available; T1 to T3 and the closed forms are
derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@dataclass(frozen=True)
class ScoreLaw:
    """First two moments of the score by outcome.

    p : probability of a right answer, in (0, 1)
    m1, v1 : mean and variance of the score of right answers; m0, v0 : of wrong ones
    kappa : weight of the score, > 0
    """

    p: Array
    m1: Array
    v1: Array
    m0: Array
    v0: Array
    kappa: Array

    @property
    def gap_crf(self) -> Array:
        """E[R_crf | right] - E[R_crf | wrong], at least 1."""
        return 1 + self.kappa * self.m1

    @property
    def gap_add(self) -> Array:
        """E[R_add | right] - E[R_add | wrong]; negative if wrong answers are concise enough."""
        return 1 + self.kappa * (self.m1 - self.m0)


@entry(
    "crf_variance",
    kind="theorem",
    cards=("01",),
    section="variance claim; the printed theorem was not available",
    provenance="derived",
    formula="Var = p(1-p) gap^2 + noise within outcomes",
)
def variances(law: ScoreLaw) -> tuple[Array, Array]:
    """Var(R_add) and Var(R_crf): signal p(1-p) gap^2 plus noise within outcomes."""
    signal = law.p * (1 - law.p)
    k2 = law.kappa**2
    additive = signal * law.gap_add**2 + k2 * (law.p * law.v1 + (1 - law.p) * law.v0)
    crf = signal * law.gap_crf**2 + k2 * law.p * law.v1
    return additive, crf


@entry(
    "crf_has_smaller_variance",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="kappa v0 > p m0 (2 + 2 kappa m1 - kappa m0)",
)
def crf_has_smaller_variance(law: ScoreLaw) -> Array:
    """T1: Var(R_crf) < Var(R_add) iff kappa v0 > p m0 (2 + 2 kappa m1 - kappa m0).

    Not universal: gating adds signal, so the raw variance of CRF is usually the larger one.
    """
    k = law.kappa
    return k * law.v0 > law.p * law.m0 * (2 + 2 * k * law.m1 - k * law.m0)


@entry(
    "second_moment_saving",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="(1-p) kappa^2 (v0 + m0^2)",
)
def second_moment_saving(law: ScoreLaw) -> Array:
    """T2: E[R_add^2] - E[R_crf^2] = (1-p) kappa^2 (v0 + m0^2) >= 0."""
    return (1 - law.p) * law.kappa**2 * (law.v0 + law.m0**2)


@entry(
    "outcome_correlations",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="corr(R, o)^2 = p(1-p) gap^2 / Var(R)",
)
def outcome_correlations(law: ScoreLaw) -> tuple[Array, Array]:
    """Squared correlation of R_add and R_crf with the outcome.

    T3: where gap_add > 0, CRF's is never smaller. Under std-normalised advantages only this
    matters, since every advantage then has variance 1. 0 where the reward does not vary.
    """
    signal = law.p * (1 - law.p)
    additive, crf = variances(law)
    return _share(signal * law.gap_add**2, additive), _share(signal * law.gap_crf**2, crf)


@entry(
    "relative_gradient_variances",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="nu = E[g^2 R^2]/(E[g R])^2 - 1, g = o - p",
)
def relative_gradient_variances(law: ScoreLaw) -> tuple[Array, Array]:
    """nu = E[g^2 R^2]/(E[g R])^2 - 1 for g = o - p, of R_add and R_crf, without baseline.

    The policy is o ~ Bernoulli(sigmoid(theta)); nu/eps^2 samples give a relative error eps. inf
    where the mean gradient is 0: at p = 0 and p = 1, and for a gap of 0.
    """
    p, q, k2 = law.p, 1 - law.p, law.kappa**2
    crf = p * q**2 * (law.gap_crf**2 + k2 * law.v1)
    # p q^2 E[(1 + k c)^2 | right] is common; a wrong answer's score adds the rest.
    additive = crf + q * p**2 * k2 * (law.m0**2 + law.v0)
    mean_add, mean_crf = (p * q * law.gap_add) ** 2, (p * q * law.gap_crf) ** 2
    return _share(additive, mean_add, np.inf) - 1, _share(crf, mean_crf, np.inf) - 1


@entry(
    "collapse_weight",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="kappa = 1/(m0 - m1), inf where m1 >= m0",
)
def collapse_weight(m1: Array, m0: Array) -> Array:
    """kappa above which the additive gap is negative, so that ascent lowers accuracy; inf if none.

    CRF has no such weight: its gap is at least 1.
    """
    difference = np.asarray(m0, dtype=float) - m1
    safe = np.where(difference > 0, difference, 1.0)
    return np.where(difference > 0, 1 / safe, np.inf)


@entry(
    "flow_time",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="time of dp/dt = p^2 (1-p)^2 gap",
)
def flow_time(p_from: Array, p_to: Array, gap: Array) -> Array:
    """Time of the gradient flow dp/dt = p^2 (1-p)^2 gap from one accuracy to another.

    0 from p to itself. Accuracies 0 and 1 are left and reached in no finite time, and a gap of 0
    moves nothing: inf, signed as the way and the gap have it (a negative time never comes).
    """
    from scipy.special import logit

    def primitive(p: np.ndarray) -> np.ndarray:
        return 2 * logit(p) + (2 * p - 1) / (p * (1 - p))

    a, b, gap = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (p_from, p_to, gap)))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (primitive(b) - primitive(a)) / gap
    return np.where(a == b, 0.0, found)[()]


@entry(
    "crf_group_mean",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="p + alpha m1 (s p + p e^(1/G) (1-p+p e^(1/G))^(G-1))",
)
def group_mean(p: float, m1: float, alpha: float, s: float, size: int) -> float:
    """E[R_crf] with d = exp(m/G) of a group of G: the siblings' outcomes enter through d.

    p + alpha m1 (s p + p e^{1/G} (1-p+p e^{1/G})^{G-1}), which tends to
    p + alpha m1 p (s + e^p) as G grows.
    """
    e = np.exp(1 / size)
    return float(p + alpha * m1 * (s * p + p * e * (1 - p + p * e) ** (size - 1)))


def _share(part: Array, whole: Array, empty: float = 0.0) -> Array:
    """part/whole, `empty` where the whole is 0."""
    whole = np.asarray(whole)  # symbols stay symbols
    some = whole != 0
    return np.where(some, part / np.where(some, whole, 1.0), empty)[()]


# -- length as the only action -------------------------------------------------------------------
@dataclass(frozen=True)
class LengthChain:
    """Choose a length n = 1..limit; accuracy p(n) = ceiling (1 - exp(-n/tau)), score falls by
    `slope` = 0.9/(limit-1) per token from 1 to 0.1.

    Raises ValueError for a limit below 2, which leaves nothing to choose.
    """

    limit: int = 64
    ceiling: float = 0.9
    tau: float = 8.0

    def __post_init__(self) -> None:
        if self.limit < 2:
            msg = f"limit={self.limit} must be at least 2: there is one length to choose from"
            raise ValueError(msg)

    @property
    def lengths(self) -> np.ndarray:
        """1..limit."""
        return np.arange(1, self.limit + 1, dtype=float)

    @property
    def slope(self) -> float:
        """Score lost per token."""
        return 0.9 / (self.limit - 1)

    def accuracy(self, n: Array) -> Array:
        """p(n)."""
        return self.ceiling * (1 - np.exp(-n / self.tau))

    def score(self, n: Array) -> Array:
        """c(n) in [0.1, 1]."""
        return 1 - self.slope * (n - 1)


@entry(
    "crf_length_optimum",
    kind="theorem",
    cards=("01",),
    section="length collapse; derived for a chain of lengths",
    provenance="derived",
    formula="tau ln(ceiling/(tau kappa slope))",
)
def best_length_additive(chain: LengthChain, kappa: float) -> float:
    """Maximiser of p(n) + kappa c(n) on [1, limit]: tau ln(ceiling/(tau kappa slope)), clipped.

    kappa >= 0; at 0 the limit, for accuracy rises with length.
    """
    if kappa == 0:
        return float(chain.limit)
    n = chain.tau * np.log(chain.ceiling / (chain.tau * kappa * chain.slope))
    return float(np.clip(n, 1.0, chain.limit))


@entry(
    "best_length_crf",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="root of p'/p = kappa slope/(1 + kappa c)",
)
def best_length_crf(chain: LengthChain, kappa: float) -> float:
    """Maximiser of p(n)(1 + kappa c(n)): the root of p'/p = kappa slope/(1 + kappa c).

    The left side falls and the right side rises with n, so the root is unique; kappa = inf gives
    the maximiser of p c, kappa = 0 the limit of the lengths.
    """
    if kappa == 0:
        return float(chain.limit)

    def excess(n: float) -> float:
        decay = np.exp(-n / chain.tau)
        gain = decay / (chain.tau * (1 - decay))
        cost = chain.slope / (1 / kappa + chain.score(n))
        return float(gain - cost)

    low, high = 1.0, float(chain.limit)
    if excess(high) >= 0:
        return high
    while high - low > 1e-10:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


@entry(
    "length_collapse_weight",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="kappa = ceiling e^(-1/tau)/(tau slope)",
)
def length_collapse_weight(chain: LengthChain) -> float:
    """kappa from which the additive reward is best at length 1."""
    return float(chain.ceiling * np.exp(-1 / chain.tau) / (chain.tau * chain.slope))


# -- two arms --------------------------------------------------------------------------------------
@entry(
    "additive_prefers_short",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="p_S > p_L - kappa (c_S - c_L)",
)
def additive_prefers_short(
    p_short: Array, p_long: Array, c_short: Array, c_long: Array, kappa: Array
) -> Array:
    """p_S > p_L - kappa (c_S - c_L): from kappa = p_L/(c_S - c_L) on, whatever p_S is."""
    return p_short > p_long - kappa * (c_short - c_long)


@entry(
    "crf_prefers_short",
    kind="theorem",
    cards=("01",),
    provenance="derived",
    formula="p_S/p_L > (1 + kappa c_L)/(1 + kappa c_S)",
)
def crf_prefers_short(
    p_short: Array, p_long: Array, c_short: Array, c_long: Array, kappa: Array
) -> Array:
    """p_S/p_L > (1 + kappa c_L)/(1 + kappa c_S): never below p_L c_L/c_S."""
    return p_short > p_long * (1 + kappa * c_long) / (1 + kappa * c_short)
