"""The judge's closed forms: invariants, draws, and the derivations in SymPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toyrl.theory.judge import difficulty as hard
from toyrl.theory.judge import nearest as near
from toyrl.theory.judge import regression as reg
from toyrl.theory.judge import softmax as soft

PLACE, SPREAD = st.floats(-3, 3), st.floats(0.2, 3)
DRAWN = st.sampled_from([1, 2, 3, 7, 64, 10**4, 10**8])


@pytest.mark.slow
@given(DRAWN, PLACE, SPREAD, PLACE, PLACE, PLACE)
def test_shift_scale_and_reflection(k: int, m: float, s: float, y_r: float, y_t: float, c: float):
    error = near.nearest_error(k, m, s, y_r, y_t)
    assert near.nearest_error(k, m + c, s, y_r + c, y_t + c) == pytest.approx(error, rel=1e-8)
    size = 1 + abs(c)
    scaled = near.nearest_error(k, size * m, size * s, size * y_r, size * y_t)
    assert scaled == pytest.approx(size**2 * error, rel=1e-8)
    assert near.nearest_error(k, -m, s, -y_r, -y_t) == pytest.approx(error, rel=1e-9)
    first = near.nearest_error(1, m, s, y_r, y_t)
    assert first == pytest.approx((m - y_t) ** 2 + s**2, rel=1e-12)
    assert error >= 0
    if not near.has_finite_optimum(m, s, y_r, y_t):
        more = near.nearest_error(2.0 * k, m, s, y_r, y_t)
        assert more <= error * (1 + 1e-9)
        assert error >= (y_r - y_t) ** 2 * (1 - 1e-9)


@pytest.mark.slow
@settings(max_examples=30)  # a quadrature each
@given(st.sampled_from([2, 7, 50]), PLACE, SPREAD, PLACE, PLACE)
def test_by_quadrature_over_the_kept_draw(k: int, m: float, s: float, y_r: float, y_t: float):
    """The density of the kept draw at y: k phi(y) P(another is further away)^(k-1)."""
    from scipy.integrate import quad
    from scipy.stats import norm

    def density(y: float) -> float:
        r = abs(y - y_r)
        further = norm.cdf(y_r - r, m, s) + norm.sf(y_r + r, m, s)
        return k * norm.pdf(y, m, s) * further ** (k - 1) * (y - y_t) ** 2

    ends = (min(m, y_r) - 9 * s, max(m, y_r) + 9 * s)
    flat = quad(density, *ends, points=sorted((m, y_r)), limit=200, epsabs=1e-11)[0]
    assert near.nearest_error(k, m, s, y_r, y_t) == pytest.approx(flat, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("beta", [0.0, 1.0, 8.0, 40.0, 300.0])
@pytest.mark.parametrize("k", [1.0, 5.0, 1e6, 1e12])
def test_the_law_of_the_least_distance_has_mass_one(beta: float, k: float):
    r, log_left, log_density, w = near._nodes(np.array(k), np.array(beta))
    mass = (w * np.exp(np.log(k) + (k - 1) * log_left + log_density)).sum()
    assert mass == pytest.approx(1, abs=1e-9)
    assert (np.diff(r) > 0).all()


def test_inside_and_left_are_one():
    from scipy.stats import norm

    for beta in (0.0, 0.7, 5.0):
        rho = np.array([1e-12, 1e-6, 0.01, 0.2, 1.0, 4.0])
        b = np.full(6, beta)
        inside, left = np.exp(near._log_inside(rho, b)), np.exp(near._log_left(rho, b))
        assert inside + left == pytest.approx(np.ones(6), abs=1e-14)
        direct = norm.cdf(rho - beta) - norm.cdf(-rho - beta)
        assert inside[2:] == pytest.approx(direct[2:], rel=1e-12)
        assert inside[0] == pytest.approx(2e-12 * norm.pdf(beta), rel=1e-12)


@pytest.mark.slow
@settings(max_examples=30)  # a bisection of integrals each
@given(st.floats(0.1, 3), st.floats(0.1, 3))
def test_best_k_is_the_least_of_its_neighbours(a: float, b: float):
    assume(2 * a * b > 1.05)
    k = near.optimal_k(0.0, 1.0, b, b - a)
    assume(k < 1e6)
    around = [x for x in (k - 1, k, k + 1, 2 * k, max(k // 2, 1)) if x >= 1]
    errors = near.nearest_error(around, 0.0, 1.0, b, b - a)
    assert near.nearest_error(k, 0.0, 1.0, b, b - a) <= errors.min() * (1 + 1e-12)
    assert near.optimal_k(0.0, 1.0, b, b + a) == np.inf  # the bias has the other sign


def test_theorem_in_sympy():
    """h' = 2 r (1 - (ab/s^2)(tanh x/x + sech^2 x)), x = br/s^2; the bracket's sum is 2 at 0."""
    r, a, b, s = sp.symbols("r a b s", positive=True)
    x = b * r / s**2
    h = r**2 - 2 * a * r * sp.tanh(x)
    shape = sp.tanh(x) / x + 1 - sp.tanh(x) ** 2
    assert sp.simplify(sp.diff(h, r) - 2 * r * (1 - a * b / s**2 * shape)) == 0
    z = sp.symbols("z", positive=True)
    bend = sp.tanh(z) / z + 1 - sp.tanh(z) ** 2
    assert sp.limit(bend, z, 0) == 2
    fall = sp.lambdify(z, sp.diff(bend, z))
    assert all(fall(float(v)) < 0 for v in np.geomspace(1e-2, 50, 200))  # so 2 is its largest
    # The mean sign, from the two densities at distance r.
    up, down = (sp.exp(-((b + c * r) ** 2) / (2 * s**2)) for c in (1, -1))
    sign = ((up - down) / (up + down)).rewrite(sp.exp)
    assert sp.simplify(sign + sp.tanh(x).rewrite(sp.exp)) == 0
    # The rate: r exponential of rate 2 f k, h = r^2 (1 - 2ab/s^2) to leading order.
    f, k = sp.symbols("f k", positive=True)
    square = sp.integrate(r**2 * 2 * f * k * sp.exp(-2 * f * k * r), (r, 0, sp.oo))
    density = sp.exp(-(b**2) / (2 * s**2)) / (s * sp.sqrt(2 * sp.pi))
    assert sp.simplify(k**2 * square.subs(f, density) - sp.pi * s**2 * sp.exp(b**2 / s**2)) == 0
    assert sp.limit(sp.diff(h, r) / r, r, 0).equals(2 - 4 * a * b / s**2)


def test_tilted_law_and_best_temperature_in_sympy():
    y, m, y_r, y_t, u = sp.symbols("y m y_r y_t u", real=True)
    s, T = sp.symbols("s T", positive=True)
    kept = T / (T + 2 * s**2)
    power = -((y - m) ** 2) / (2 * s**2) - (y - y_r) ** 2 / T
    tilted = -((y - (kept * m + (1 - kept) * y_r)) ** 2) / (2 * s**2 * kept)
    assert sp.simplify(sp.diff(power - tilted, y)) == 0  # equal up to a constant
    a, b = sp.symbols("a b", real=True)
    error = (a - u * b) ** 2 + s**2 * u  # u (m - y_T) + (1 - u) a, m - y_T = a - b
    best = sp.solve(sp.diff(error, u), u)[0]
    assert sp.simplify(best - (2 * a * b - s**2) / (2 * b**2)) == 0
    c = sp.symbols("c", real=True)
    judged = kept * (m - y_t) + (1 - kept) * (-c * (m - y_t))
    assert sp.simplify(judged.subs(c, T / (2 * s**2))) == 0


def test_expansion_of_two_draws_in_sympy():
    """(w1 g1 + w2 g2)/(w1 + w2) = mean g + (g1 - g2)/2 tanh(e (v1 - v2)/2), to third order in e."""
    x, z, t, r, e = sp.symbols("x z t r e", real=True)  # draws m + x, m + z; dT = t, dR = r
    s = 1
    v = [-((r + q) ** 2) for q in (x, z)]
    g = [(t + q) ** 2 for q in (x, z)]
    d = (v[0] - v[1]) / 2
    series = (g[0] + g[1]) / 2 + (g[0] - g[1]) / 2 * (e * d - (e * d) ** 3 / 3)

    def mean(text: sp.Expr) -> sp.Expr:
        total = 0
        for (i, j), c in sp.Poly(sp.expand(text), x, z).terms():
            if i % 2 == 0 and j % 2 == 0:
                total += c * sp.factorial2(i - 1) * sp.factorial2(j - 1)
        return sp.expand(total)

    found = sp.Poly(mean(series), e)
    point = {t: sp.Rational(1, 5), r: -sp.Rational(17, 10)}
    want = [float(soft.expansion(2, 10.0, 0.3, s, 2.0, 0.1, order=n)) for n in range(4)]
    for n in range(4):
        total = sum(found.coeff_monomial(e**i) * sp.Rational(1, 10**i) for i in range(n + 1))
        assert float(total.subs(point)) == pytest.approx(want[n], abs=1e-12)
    official = float(soft.expansion(2, 10.0, 0.3, s, 2.0, 0.1, order=3, official=True))
    assert abs(official - want[3]) > 1e-3


@settings(max_examples=30)  # four integrals each
@given(st.sampled_from([1, 2, 9, 1000]), st.floats(0.5, 50), PLACE, PLACE, PLACE)
def test_softmax_between_its_limits(k: int, T: float, m: float, y_r: float, y_t: float):
    error = soft.softmax_error(k, T, m, 1.0, y_r, y_t)
    if k == 1:
        assert error == pytest.approx((m - y_t) ** 2 + 1, rel=1e-9)
    assert soft.softmax_error(k, 1e9, m, 1.0, y_r, y_t) == pytest.approx(
        (m - y_t) ** 2 + 1, rel=1e-6
    )
    assert soft.softmax_error(k, np.inf, m, 1.0, y_r, y_t) == (m - y_t) ** 2 + 1
    best = soft.optimal_temperature(m, 1.0, y_r, y_t)
    least = soft.infinite_error(best, m, 1.0, y_r, y_t)
    assert least <= soft.infinite_error(T, m, 1.0, y_r, y_t) + 1e-12
    assert (best > 0) == near.has_finite_optimum(m, 1.0, y_r, y_t)
    scaled = soft.softmax_error(k, 4 * T, 2 * m, 2.0, 2 * y_r, 2 * y_t)
    assert scaled == pytest.approx(4 * error, rel=1e-9)


def test_quoted_examples():
    assert near.nearest_error(2, 0.0, 1.0, 1.2, 0.2) == pytest.approx(0.68373, abs=5e-6)
    assert near.optimal_k(0.0, 1.0, 1.2, 0.2) == 2
    assert soft.optimal_temperature(0.3, 1.0, 2.0, 0.1) == pytest.approx(34.125)
    levels = [near.nearest_error(k, 0.0, 1.0, 0.0, 0.0) * k**2 / np.pi for k in (64, 16384)]
    assert levels == pytest.approx([0.956, 0.9998], abs=5e-4)
    full, bias = (
        reg.squared_offset(200, 400, noise=0.5, prior=1.0, teacher=1.69, official=x)
        for x in (False, True)
    )
    assert (full, bias) == (pytest.approx(0.208, abs=5e-4), pytest.approx(0.052, abs=5e-4))


def test_cold_softmax_is_near_the_best_of_k_and_colder_is_refused():
    # At T = 0.1 the weights blur distances of sqrt(T): an error of order T.
    cold = soft.softmax_error([2, 8], 0.1, 0.0, 1.0, 0.5, 0.2)
    assert cold == pytest.approx(near.nearest_error([2, 8], 0.0, 1.0, 0.5, 0.2), abs=0.1)
    assert soft.softmax_error([2, 8], 0.0, 0.0, 1.0, 0.5, 0.2) == pytest.approx(
        near.nearest_error([2, 8], 0.0, 1.0, 0.5, 0.2)
    )
    with pytest.raises(ValueError, match=r"temperature=1e-06 is too cold"):
        soft.softmax_error(2, 1e-6, 0.0, 1.0, 0.5, 0.2)


def test_difficulty_against_its_limit_and_draws():
    for v in (0.0, 0.2, 0.4):
        k = 10.0**9
        level = hard.averaged_error(k, v) * (k + 1) * (k + 2)
        assert level == pytest.approx(hard.averaged_coefficient(v), rel=1e-3)
    b, p = sp.symbols("b p", positive=True)  # E e^(b^2) for b ~ N(0, v), 1/v - 2 = p
    law = sp.exp(-(b**2) * p / 2) * sp.sqrt(p + 2) / sp.sqrt(2 * sp.pi)
    want = 1 / sp.sqrt(1 - 2 / (p + 2))
    assert sp.simplify(2 * sp.integrate(law, (b, 0, sp.oo)) - want) == 0
    assert hard.averaged_error(1, 3.0, 2.0) == pytest.approx(4 * (1 + 3.0), rel=1e-9)
    assert hard.averaged_coefficient(0.5) == np.inf
    assert hard.difficulty_exponent([0.1, 0.5, 4.0]).tolist() == [2, 2, 0.25]


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.01, 3), st.floats(0.1, 3),
       st.floats(0.1, 3))  # fmt: skip
def test_ridge_solves_its_equation(d: int, n: int, noise: float, prior: float, scale: float):
    R = float(reg.ridge(d, n, scale=scale, noise=noise, prior=prior))
    bare = d * noise**2 / (n * prior**2)
    assert R - bare - R * d / n * scale**2 / (scale**2 + R) == pytest.approx(0, abs=1e-9 * R)
    general = reg.general_ridge(np.full(d, scale**2), n, noise=noise, prior=prior)
    assert general == pytest.approx(R, rel=1e-9)
    assert reg.ridge(d, n, scale=scale, noise=2 * noise, prior=prior) > R
    assert reg.ridge(d, 2 * n, scale=scale, noise=noise, prior=prior) < R


def test_ridge_in_sympy_and_at_its_ends():
    S, alpha, h = sp.symbols("S alpha h", positive=True)
    e = alpha + h / S**2 - 1
    root = S**2 / 2 * (e + sp.sqrt(e**2 + 4 * h / S**2))
    assert sp.simplify(sp.expand((root - h) * (S**2 + root) - root * alpha * S**2)) == 0
    assert reg.ridge(10, 0, noise=1.0, prior=1.0) == np.inf
    assert reg.predictive(10, 0, noise=1.0, prior=2.0) == (0, 5)
    assert reg.squared_offset(10, 0, noise=1.0, prior=2.0, teacher=3.0) == 3
    small = reg.ridge(1, 10**9, noise=1.0, prior=1.0)
    assert small == pytest.approx(1e-9, rel=1e-6)
    tiny = reg.squared_offset(10, 10**4, noise=1e-4, prior=1e-3, teacher=4.0)
    bias = reg.squared_offset(10, 10**4, noise=1e-4, prior=1e-3, teacher=4.0, official=True)
    assert tiny / bias == pytest.approx(1.025, abs=2e-3)  # the official settings


def test_predictive_is_the_mean_of_regressions():
    rng = np.random.default_rng(0)
    d, n, noise, prior = 60, 90, 0.4, 0.8
    found = []
    for _ in range(200):
        phi = rng.standard_normal((n, d)) / math.sqrt(d)
        spread = np.linalg.inv(np.eye(d) / prior**2 + phi.T @ phi / noise**2)
        found.append(noise**2 + np.trace(spread) / d)
    want = reg.predictive(d, n, noise=noise, prior=prior)[1]
    assert np.mean(found) == pytest.approx(want, rel=2 / d)  # of order 1/d


def test_refusals():
    for call, said in (
        (lambda: near.nearest_error(0, 0, 1, 0, 0), r"k=0\.0 must be at least 1"),
        (lambda: near.nearest_error(1, 0, -1, 0, 0), r"spread=-1\.0"),
        (lambda: near.rate_coefficient(0, 0, 1, 1), "spread"),
        (lambda: soft.infinite_error(-1.0, 0, 1, 0, 0), r"temperature=-1\.0"),
        (lambda: soft.expansion(2, 0.0, 0, 1, 0, 0), r"temperature=0\.0"),
        (lambda: soft.best_misspecification(1.0, 0.0), r"spread=0\.0"),
        (lambda: hard.averaged_error(1, -0.1), r"difficulty=-0\.1"),
        (lambda: reg.ridge(1, 1, noise=1.0, prior=0.0), r"prior=0\.0 must be above 0"),
        (lambda: reg.squared_offset(1, 1, noise=1.0, prior=1.0, teacher=-1.0), "teacher"),
        (lambda: reg.general_ridge([-1.0], 3, noise=1.0, prior=1.0), "eigenvalues"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
