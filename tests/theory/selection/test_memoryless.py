"""Tilts symbol by symbol: strings listed, transforms by brute force, and numbers of paper 35."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.policies import kl, tilt
from toyrl.theory.selection import memoryless as t
from toyrl.theory.selection.best_of_k import best_of_k

P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
RHO = np.log(Q)


@st.composite
def laws(draw):
    K = draw(st.integers(2, 5))
    cells = st.lists(st.floats(0.05, 1), min_size=K, max_size=K)
    p, phi = np.array(draw(cells)), np.array(draw(cells))
    reward = draw(st.lists(st.integers(-3, 3), min_size=K, max_size=K))
    return p / p.sum(), phi / phi.sum(), np.array(reward, dtype=float)


@given(laws(), st.floats(0, 5))
def test_the_identity_is_kl_and_the_tilt_is_best(law, alpha):
    p, phi, r = law
    assert t.pythagorean_gap(phi, p, r, alpha) == pytest.approx(
        kl(phi, tilt(p, r, alpha)), abs=1e-11
    )
    # A bound on reward: its own tilt at that KL, up to the square root of KL's rounding.
    assert phi @ r <= t.reward_bound(p, r, float(kl(phi, p))) + 1e-6


def test_the_identity_by_algebra():
    """KL(phi || p e^(a r)/Z) - KL(phi || p) + a E_phi r = log Z for any phi that sums to 1."""
    a, x, p, r1, r2 = sympy.symbols("a x p r1 r2", positive=True)
    Z = p * sympy.exp(a * r1) + (1 - p) * sympy.exp(a * r2)
    laws = [(x, p, r1), (1 - x, 1 - p, r2)]
    far = sum(f * (sympy.log(f) - sympy.log(q) - a * r + sympy.log(Z)) for f, q, r in laws)
    near = sum(f * (sympy.log(f) - sympy.log(q)) for f, q, _ in laws)
    paid = sum(f * r for f, _, r in laws)
    assert sympy.simplify(sympy.expand(far - near + a * paid - sympy.log(Z))) == 0


@pytest.mark.parametrize("m", [1, 2, 5])
def test_a_symbol_of_the_optimum_is_the_same_for_every_length(m):
    one, alpha = t.symbol_tilt(P, RHO, 0.08)
    strings = list(itertools.product(range(3), repeat=m))
    law = np.array([P[list(s)].prod() for s in strings])
    paid = np.array([RHO[list(s)].sum() for s in strings])
    best = tilt(law, paid, alpha)
    np.testing.assert_allclose(best, [one[list(s)].prod() for s in strings], rtol=1e-12)
    assert kl(best, law) == pytest.approx(0.08 * m)
    assert t.reward_bound(law, paid, 0.08 * m) == pytest.approx(m * float(one @ RHO))
    cumulant = np.log(np.sum(best * np.exp(0.7 * paid))) / m
    assert t.scaled_cumulant(one, RHO, 0.7) == pytest.approx(cumulant, abs=1e-12)


def test_numbers_of_the_paper():
    one, alpha = t.symbol_tilt(P, RHO, 0.08)
    assert alpha == pytest.approx(1.06499, abs=5e-6)
    assert -0.7 * t.renyi_cross_entropy(one, Q, 1.7) == pytest.approx(-0.775073, abs=5e-7)
    assert t.scaled_cumulant(one, RHO, 0.7) == pytest.approx(-0.775073, abs=5e-7)
    x = tilt(P, RHO, alpha + 0.9) @ RHO
    assert t.reward_rate(one, RHO, x) == pytest.approx(0.0575119, abs=5e-8)
    found = t.best_of_n_per_symbol(0.3, 0.1, [10, 50, 100, 200, 500, 1000, 2000])
    assert (found.optimum, found.alpha) == pytest.approx((0.514629, 0.905831), abs=5e-7)
    want = [0.41256, 0.47763, 0.49289, 0.50203, 0.50863, 0.51126, 0.51276]
    assert found.reward == pytest.approx(want, abs=5e-6)
    assert found.kl_base[[2, 5, 6]] == pytest.approx([0.08948, 0.09894, 0.09947], abs=5e-6)
    assert found.kl_optimum[[2, 5, 6]] == pytest.approx([0.92, 1.99, 2.33], abs=5e-3)


def test_best_of_n_over_all_strings():
    m, delta = 7, 0.2
    strings = np.array(list(itertools.product((0, 1), repeat=m)))
    ones = strings.sum(1)
    law = 0.3**ones * 0.7 ** (m - ones)
    picked = best_of_k(law, ones.astype(float), math.exp(m * delta))
    found = t.best_of_n_per_symbol(0.3, delta, [m])
    assert found.reward[0] == pytest.approx(picked @ ones / m, abs=1e-12)
    assert found.kl_base[0] == pytest.approx(kl(picked, law) / m, abs=1e-12)
    best = tilt(law, ones.astype(float), found.alpha)
    assert found.kl_optimum[0] == pytest.approx(kl(picked, best), abs=1e-11)


def test_rate_at_the_edges_and_by_its_transform():
    one, _ = t.symbol_tilt(P, RHO, 0.08)
    ends = t.reward_rate(one, RHO, np.array([RHO.min(), RHO.max(), 0.0, one @ RHO]))
    assert ends == pytest.approx([-math.log(one[0]), -math.log(one[2]), math.inf, 0], abs=1e-12)
    grid = np.linspace(-40, 40, 80_001)
    for x in (-1.4, -1.0, -0.75):
        sup = (grid * x - t.scaled_cumulant(one, RHO, grid)).max()
        assert t.reward_rate(one, RHO, x) == pytest.approx(sup, abs=1e-6)


def test_cumulants_are_convex_and_continuous_at_order_one():
    one, _ = t.symbol_tilt(P, RHO, 0.08)
    grid = np.linspace(-3, 3, 61)
    lam = t.scaled_cumulant(one, RHO, grid)
    assert (np.diff(lam, 2) > 0).all()
    assert lam[30] == pytest.approx(0, abs=1e-15)
    near = t.renyi_cross_entropy(one, Q, 1 + np.array([-2e-6, -5e-7, 0, 5e-7, 2e-6]))
    assert np.abs(np.diff(near)).max() < 1e-6
    assert near[2] == pytest.approx(-one @ RHO)
    with pytest.raises(ValueError, match="Q="):
        t.renyi_cross_entropy(one, [0.5, 0.5, 0.0], 2.0)


def test_what_is_refused():
    for call, said in (
        (lambda: t.symbol_tilt(P, RHO, -1.0), r"delta=-1\.0"),
        (lambda: t.best_of_n_per_symbol(0.3, 5.0, [3]), r"delta=5\.0"),
        (lambda: t.reward_bound(P, RHO, -1.0), r"nats=-1\.0"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
