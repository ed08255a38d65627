"""Bounded transforms: limits, draws, and derivations in SymPy."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from toyrl.estimators.group import GroupEstimator
from toyrl.rollouts import Rollouts
from toyrl.theory.judge import bounded as law
from toyrl.theory.policies import tilt

GAIN = st.floats(0.3, 5)


@given(GAIN, st.floats(0.2, 4), st.floats(-2, 4))
def test_a_sigmoid_is_the_limit_of_its_values(g: float, k: float, c: float):
    f = expit(k * (np.array([0.0, g, 1e4]) - c))
    assert law.sigmoid_susceptibility(g, k, c) == pytest.approx(law.susceptibility(*f), rel=1e-6)
    scaled = law.susceptibility(*(3 * f - 7))
    assert scaled == pytest.approx(law.susceptibility(*f), rel=1e-6)
    # tanh(x) = 2 sigmoid(2 x) - 1
    th = law.susceptibility(0.0, np.tanh(g), 1.0)
    assert th == pytest.approx(law.sigmoid_susceptibility(g, 2.0), rel=1e-6)
    assert law.raw_susceptibility(g, 40.0) == pytest.approx(law.susceptibility(0, g, 40.0))


@given(GAIN, st.floats(0.05, 20), st.integers(1, 9), st.integers(1, 9))
def test_chi_decides_who_is_pushed_up_in_a_group(g: float, more: float, n: int, h: int):
    f = np.array([0.0] * n + [g] + [g + more] * h)
    r = Rollouts(np.zeros((1, len(f))), np.ones((1, len(f))), 1.0)
    share = float(law.hacks_tolerated(law.susceptibility(0.0, g, g + more)))
    for scale in ("none", "group"):
        a = np.asarray(GroupEstimator(scale=scale).apply({"x": f[None]}, r)[0])[0, n]
        if abs(n * share - h) > 1e-9 * h:
            assert np.sign(a) == np.sign(n * share - h)


def test_odds_never_pass_their_bound_and_reach_it():
    start, beta = np.array([0.79, 0.2, 0.01]), 0.1
    bound = law.hack_odds_bound(0.05, expit(2.0), 1.0, beta)
    for R in (2.5, 6.0, 60.0):
        p = tilt(start, expit(np.array([0.0, 2.0, R])), 1 / beta)
        assert p[2] / p[1] <= bound * (1 + 1e-12)
    assert p[2] / p[1] == pytest.approx(bound, rel=1e-12)
    assert law.hack_odds_bound(0.0, 0.0, np.inf, 1.0) == 0


def test_the_excess_of_a_sampled_preference_in_symbols():
    p, a, b = sp.symbols("p a b", positive=True)
    psi = [sp.Matrix([1 - p, -(1 - p)]), sp.Matrix([-p, p])]
    mean = p * a * psi[0] + (1 - p) * b * psi[1]

    def cov(second):
        each = p * second(a) * psi[0] * psi[0].T + (1 - p) * second(b) * psi[1] * psi[1].T
        return each - mean * mean.T

    excess = sp.simplify(cov(lambda s: s) - cov(lambda s: s**2))  # Z^2 = Z
    at = {p: 0.3, a: 0.2, b: 0.9}
    want = np.array(excess.subs(at), dtype=float)
    found = law.sampled_preference_excess([0.3, 0.7], [0.2, 0.9])
    assert found == pytest.approx(want, abs=1e-14)
    assert np.linalg.eigvalsh(found).min() >= -1e-15
    assert not law.sampled_preference_excess([0.3, 0.7], [1.0, 0.0]).any()


def test_noise_of_references_and_the_bound_on_returns():
    rng = np.random.default_rng(0)
    y = expit(1.3 * (0.5 - rng.standard_normal((20_000, 4))))
    mean, var = law.reference_noise(0.5, np.array([1, 4]), 1.3)
    assert mean[0] == mean[1] == pytest.approx(y.mean(), abs=4 * y.std() / np.sqrt(y.size))
    assert var[0] == pytest.approx(4 * var[1], rel=1e-14)
    assert var[0] == pytest.approx(y.var(), rel=0.02)  # 4 standard errors of 80,000 squares
    coin = np.array([0.0, 1.0])
    assert law.bounded_return_variance(0, 1) == coin.var()
    assert law.bounded_return_variance(-1, 1, 0.9) == pytest.approx(1 / (1 - 0.9) ** 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: law.susceptibility(1.0, 1.0, 2.0), "more than the reference"),
        (lambda: law.sigmoid_susceptibility(0.0), "must be above 0"),
        (lambda: law.raw_susceptibility(-1.0, 2.0), "must be above 0"),
        (lambda: law.hacks_tolerated(-0.1), "at least 0"),
        (lambda: law.hack_odds_bound(1.0, 1.0, 0.5, 1.0), "doesn't hold"),
        (lambda: law.sampled_preference_excess([1.0], [1.5]), r"in \[0, 1\]"),
        (lambda: law.reference_noise(0.0, 0), "at least 1"),
        (lambda: law.bounded_return_variance(0.0, 1.0, 1.0), r"in \[0, 1\)"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(ValueError, match=said):
        call()
