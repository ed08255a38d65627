"""Closed forms of theory/conciseness.py, redone from raw moments with SymPy and by search."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.length import conciseness as theory
from toyrl.theory.length.conciseness import LengthChain, ScoreLaw

p, k, m1, v1, m0, v0 = sp.symbols("p kappa m1 v1 m0 v0", positive=True)
LAW = ScoreLaw(p, m1, v1, m0, v0, k)
# raw moments, from the definition of conditional mean and variance
C1, C1_SQUARED = m1, v1 + m1**2  # E[c | right], E[c^2 | right]
C0, C0_SQUARED = m0, v0 + m0**2


def expect(right: sp.Expr, wrong: sp.Expr) -> sp.Expr:
    """E over the outcome of an expression already averaged over the score."""
    return p * right + (1 - p) * wrong


ADDITIVE_MEAN = expect(1 + k * C1, k * C0)
ADDITIVE_SECOND = expect(1 + 2 * k * C1 + k**2 * C1_SQUARED, k**2 * C0_SQUARED)
CRF_MEAN = expect(1 + k * C1, sp.Integer(0))
CRF_SECOND = expect(1 + 2 * k * C1 + k**2 * C1_SQUARED, sp.Integer(0))


def same(a: sp.Expr, b: sp.Expr) -> bool:
    return sp.simplify(a - b) == 0


def test_variances() -> None:
    additive, crf = theory.variances(LAW)
    assert same(additive, ADDITIVE_SECOND - ADDITIVE_MEAN**2)
    assert same(crf, CRF_SECOND - CRF_MEAN**2)


def test_t1_sign_and_t2_saving() -> None:
    """The raw difference factors into (1-p) kappa times the bracket of T1."""
    additive, crf = theory.variances(LAW)
    bracket = k * v0 - p * m0 * (2 + 2 * k * m1 - k * m0)
    assert same(additive - crf, (1 - p) * k * bracket)
    assert same(theory.second_moment_saving(LAW), ADDITIVE_SECOND - CRF_SECOND)


def test_t3_noise_within_outcomes() -> None:
    """Var(R_add) gap_crf^2 - Var(R_crf) gap_add^2 > 0 wherever a = gap_add > 0.

    With m1 = m0 + (a - 1)/kappa and p = 1/(1 + t) it is a polynomial in positive symbols, up to
    positive factors, without a negative coefficient.
    """
    a, t = sp.symbols("a t", positive=True)
    additive, crf = theory.variances(LAW)
    difference = additive * LAW.gap_crf**2 - crf * LAW.gap_add**2
    positive = sp.together(difference.subs(m1, m0 + (a - 1) / k).subs(p, 1 / (1 + t)))
    numerator, denominator = sp.fraction(sp.cancel(positive))
    for polynomial in (numerator, denominator):
        assert all(c > 0 for c in sp.Poly(polynomial, a, t, k, m0, v0, v1).coeffs())


def test_relative_gradient_variances() -> None:
    """g = 1 - p for right, -p for wrong."""
    additive, crf = theory.relative_gradient_variances(LAW)
    for value, wrong_mean, wrong_second in (
        (additive, k * C0, k**2 * C0_SQUARED),
        (crf, sp.Integer(0), sp.Integer(0)),
    ):
        mean = expect((1 - p) * (1 + k * C1), -p * wrong_mean)
        right = (1 - p) ** 2 * (1 + 2 * k * C1 + k**2 * C1_SQUARED)
        second = expect(right, p**2 * wrong_second)
        assert same(value, second / mean**2 - 1)


def test_flow_time_solves_the_flow() -> None:
    """d(time)/dp = 1/(p^2 (1-p)^2 gap), by differences of the closed form."""
    x = np.linspace(0.05, 0.95, 19)
    h = 1e-6
    slope = (theory.flow_time(0.02, x + h, 1.7) - theory.flow_time(0.02, x - h, 1.7)) / (2 * h)
    # central difference: h^2/6 times a third derivative below 1e7, relative to values above 9
    assert slope == pytest.approx(1 / (x**2 * (1 - x) ** 2 * 1.7), rel=1e-5)


def test_collapse_weight() -> None:
    """At the weight the additive gap is 0; where right answers score higher there is none."""
    weight = float(theory.collapse_weight(0.3, 0.8))
    gap = ScoreLaw(0.5, 0.3, 0.0, 0.8, 0.0, weight).gap_add
    assert gap == pytest.approx(0, abs=1e-15)
    assert theory.collapse_weight(0.8, 0.3) == np.inf


@given(st.floats(0.05, 0.95), st.floats(0.1, 1), st.floats(0, 2), st.floats(0, 1))
def test_group_mean_limit(chance: float, score: float, alpha: float, s: float) -> None:
    """G -> infinity gives p + alpha m1 p (s + e^p); the error falls like 1/G."""
    limit = chance + alpha * score * chance * (s + np.exp(chance))
    errors = [abs(theory.group_mean(chance, score, alpha, s, g) - limit) for g in (100, 1000)]
    # e^{1/G}(1 + p(e^{1/G} - 1))^{G-1} = e^p (1 + O(1/G)), the constant below 3
    assert errors[0] <= 3 * 2 * np.e / 100
    assert errors[1] <= errors[0] / 5 + 1e-12


@given(st.floats(0.05, 50), st.floats(2, 20), st.floats(0.2, 1))
def test_best_lengths_by_search(kappa: float, tau: float, ceiling: float) -> None:
    """The formulas maximise the expected rewards, on a grid of a thousandth of a token."""
    chain = LengthChain(ceiling=ceiling, tau=tau)
    n = np.linspace(1, chain.limit, 63_001)
    values = (
        chain.accuracy(n) + kappa * chain.score(n),
        chain.accuracy(n) * (1 + kappa * chain.score(n)),
    )
    found = (theory.best_length_additive(chain, kappa), theory.best_length_crf(chain, kappa))
    exact = (
        lambda x: chain.accuracy(x) + kappa * chain.score(x),
        lambda x: chain.accuracy(x) * (1 + kappa * chain.score(x)),
    )
    for grid, length, reward in zip(values, found, exact, strict=True):
        assert 1 <= length <= chain.limit
        assert reward(length) >= grid.max() - 1e-12 * (1 + kappa)


def test_crf_stays_interior_where_additive_collapses() -> None:
    chain = LengthChain()
    weight = theory.length_collapse_weight(chain)
    assert theory.best_length_additive(chain, 1.0001 * weight) == 1.0
    assert theory.best_length_additive(chain, 0.99 * weight) > 1.0
    assert theory.best_length_crf(chain, 1e9) > 15


def test_two_arm_boundaries() -> None:
    """On each boundary the two arms' expected rewards are equal."""
    kappa, p_long, c_short, c_long = 1.3, 0.8, 0.9, 0.2
    additive = p_long - kappa * (c_short - c_long)
    crf = p_long * (1 + kappa * c_long) / (1 + kappa * c_short)
    for rule, edge, value in (
        (theory.additive_prefers_short, additive, lambda q, c: q + kappa * c),
        (theory.crf_prefers_short, crf, lambda q, c: q * (1 + kappa * c)),
    ):
        assert value(edge, c_short) == pytest.approx(value(p_long, c_long), rel=1e-12)
        assert rule(edge + 1e-9, p_long, c_short, c_long, kappa)
        assert not rule(edge - 1e-9, p_long, c_short, c_long, kappa)
    assert crf > p_long * c_long / c_short
