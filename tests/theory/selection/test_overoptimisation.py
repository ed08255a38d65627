"""Kinds of Goodhart against simulation and brute force, and fits against what they were made of."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.selection import overoptimisation as t
from toyrl.theory.selection.best_of_k import curves, kl_bound
from toyrl.theory.selection.overoptimisation import fit_scaling_law

SIZES = np.arange(1, 3001)


@given(st.floats(0.001, 0.3), st.floats(0.01, 0.9), st.floats(-0.9, 5))
def test_the_best_k_is_where_no_whole_k_is_better(eps, p, loss):
    star = t.hacked_best_k(eps, p, loss)
    gold = t.hacked_gold(SIZES, eps, p, loss)
    if star < SIZES[-1]:
        near = t.hacked_gold(np.array([math.floor(star), math.ceil(star)]), eps, p, loss)
        assert near.max() >= gold.max() - 1e-12
    assert t.hacked_gold(star, eps, p, loss) >= gold.max() - 1e-12


def test_the_best_k_by_calculus():
    """d/dk of A^k - B^k - loss (1 - A^k) is 0 at the formula's k."""
    k, A, B, loss = sympy.symbols("k A B loss", positive=True)
    gold = A**k - B**k - loss * (1 - A**k)
    star = sympy.log(sympy.log(B) / ((1 + loss) * sympy.log(A))) / sympy.log(A / B)
    at = {A: sympy.Rational(99, 100), B: sympy.Rational(693, 1000), loss: 1}
    assert abs(sympy.N(sympy.diff(gold, k).subs(k, star).subs(at), 30)) < 1e-25
    assert float(star.subs(at)) == pytest.approx(t.hacked_best_k(0.01, 0.3, 1.0), rel=1e-12)
    assert t.hacked_best_k(0.01, 0.3, 1.0) == pytest.approx(8.14, abs=5e-3)
    assert t.hacked_gold(8, 0.01, 0.3, 1.0) == pytest.approx(0.7923, abs=5e-5)


@pytest.mark.parametrize(("eps", "p", "loss"), [(1e-20, 0.3, 1.0), (0.2, 1e-12, 0.5), (0.0, 0, 1)])
def test_hacks_are_a_law_of_three_classes(eps, p, loss):
    law = np.array([[(1 - eps) * (1 - p), (1 - eps) * p, eps]])
    k = np.array([1, 10, 1e6, 1e15])
    want, *_ = curves(law, [[0, 1, 2]], [[0, 1, -loss]], k)
    np.testing.assert_allclose(t.hacked_gold(k, eps, p, loss), want, rtol=1e-9, atol=1e-15)


def test_kinds_by_simulation():
    rng, n, k = np.random.default_rng(0), 100_000, 6
    q, x = rng.standard_normal((2, n, k))
    rows = np.arange(n)

    def within(drawn, want):
        assert abs(drawn.mean() - want) < 4 * drawn.std() / n**0.5

    top = (q + 0.75 * x).argmax(1)
    within((0.75 * x)[rows, top], t.winners_curse(k, 0.75))
    within(q[rows, top], t.gaussian_gold(k, 1 / math.hypot(1, 0.75))[0])
    top = (q + 1.5 * x).argmax(1)
    within((q - 0.8 * x)[rows, top], t.causal_gold(k, 1.5, 0.8))
    top = q.argmax(1)
    within((q - 0.3 * (q**2 - 1) + x)[rows, top], t.bent_gold(k, 1, 0.3))


def test_manufactured_hacks_cost_their_kl():
    nats = np.array([0.0, 0.5, 2.0, 10.0])
    found = t.manufactured_gold(nats, 0.01, 0.3, 1.0)
    m = (0.3 - found) / 1.3
    some = m[1:3]
    assert some * np.log(some / 0.01) + (1 - some) * np.log((1 - some) / 0.99) == pytest.approx(
        nats[1:3], abs=1e-12
    )
    assert (found[0], found[-1]) == pytest.approx((0.3 * 0.99 - 0.01, -1))


def test_fits_find_what_the_data_were_made_of():
    d = np.linspace(0.5, 3, 20)
    for form, f in t.FORMS.items():
        fit = fit_scaling_law(d, d * (1.5 - 0.4 * f(d)), form)
        assert (fit.alpha, fit.beta, fit.r2) == pytest.approx((1.5, 0.4, 1))
        fine = np.linspace(0.5, 40, 400_001)
        assert fit.best == pytest.approx(fine[fit.at(fine).argmax()], abs=1e-4)
        assert fit.gain == pytest.approx(fit.at(fine).max())


@pytest.mark.parametrize("form", ["best_of_n", "rl"])
def test_intervals_cover_as_often_as_they_say(form):
    """2,000 fits to noisy gains: each interval holds its number in 95 %, to 4 standard errors."""
    rng, d = np.random.default_rng(1), np.linspace(0.6, 3, 12)
    error = np.linspace(0.02, 0.1, 12)
    clean = d * (1.5 - 0.4 * t.FORMS[form](d))
    best = {"best_of_n": 1.5 / 0.8, "rl": math.exp(1.5 / 0.4 - 1)}[form]
    inside = np.zeros(3)
    for _ in range(2000):
        fit = fit_scaling_law(d, clean + error * rng.standard_normal(12), form, error=error)
        pairs = ((fit.alpha_interval, 1.5), (fit.beta_interval, 0.4), (fit.best_interval, best))
        inside += [low <= x <= high for (low, high), x in pairs]
    assert inside / 2000 == pytest.approx([0.95] * 3, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


def test_a_gain_that_only_rises_has_no_best():
    d = np.linspace(0.5, 3, 9)
    fit = fit_scaling_law(d, d * (1 + 0.1 * d))
    assert fit.best == math.inf
    assert math.isnan(fit.best_interval[0])
    for call, said in (
        (lambda: fit_scaling_law(d, d, "log"), "form='log'"),
        (lambda: fit_scaling_law(d[:2], d[:2]), "N >= 3"),
        (lambda: t.gaussian_gold(2, 1.5), r"rho=1\.5"),
        (lambda: t.winners_curse(2, -1.0), r"noise=-1\.0"),
        (lambda: t.hacked_gold(2, -0.1, 0.5, 1.0), r"eps=-0\.1"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_bent_gold_has_the_form_that_gao_fit():
    k = 2.0 ** np.arange(1, 11)
    d = np.sqrt(kl_bound(k))
    fits = [fit_scaling_law(d, t.bent_gold(k, 1, b)) for b in (0.1, 0.2, 0.3)]
    # Numbers of paper 57's collection.
    assert [f.alpha for f in fits] == pytest.approx([1.36, 1.46, 1.55], abs=0.005)
    assert min(f.r2 for f in fits) > 0.999
