"""What is estimated from n samples: every subset listed, and the law that they were drawn from."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.selection.best_of_k import best_of_k
from toyrl.theory.selection.pass_at_k import (
    all_right,
    pass_at_k,
    pass_at_k_variance,
    simultaneous_band,
)
from toyrl.theory.selection.pools import best_of_pool, pool_weights


def subsets(n, k):
    return [list(s) for s in itertools.combinations(range(n), k)]


def product_form(n, c, k):
    """The usual snippet for one problem and k."""
    return 1.0 if n - c < k else 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


@pytest.mark.parametrize("n", [7, 256])
def test_the_whole_table_is_the_product_form(n):
    rng = np.random.default_rng(n)
    c = np.concatenate([[0, n, n - 1, 1], rng.integers(0, n + 1, 300)])
    sizes = np.where(np.arange(c.size) % 3 == 0, n, np.minimum(n, c + 2))
    for given_n in (n, sizes):
        found = pass_at_k(given_n, c, n)
        for i in range(0, c.size, 29):
            m = int(np.broadcast_to(given_n, c.shape)[i])
            want = [product_form(m, int(c[i]), k) for k in range(1, m + 1)]
            np.testing.assert_allclose(found[i, :m], want, atol=1e-12)
            assert np.isnan(found[i, m:]).all()


@given(st.integers(1, 12), st.data())
def test_pass_at_k_rises_and_ends_where_it_must(n, data):
    c = data.draw(st.integers(0, n))
    table = pass_at_k(n, np.array([c, min(c + 1, n)]), n)
    assert table[0, 0] == pytest.approx(c / n)
    assert table[0, -1] == float(c > 0)
    assert (np.diff(table, axis=1) >= -1e-15).all()
    assert (np.diff(table, axis=0) >= -1e-15).all()
    assert all_right(n, c, n)[-1] == pytest.approx(float(c == n))


def test_a_rare_success_among_very_many():
    assert pass_at_k(10**9, np.array(1), 3) == pytest.approx([1e-9, 2e-9, 3e-9], rel=1e-12)


@pytest.mark.parametrize(("n", "c"), [(4, 1.5), (2.5, 1), (4, math.nan), (4, -1)])
def test_counts_are_whole_numbers(n, c):
    with pytest.raises(ValueError, match=r"n and c must be whole|0\.\.n"):
        pass_at_k(n, np.array(c), 2)


@pytest.mark.parametrize("p", [0.0, 1e-12, 0.1, 0.6, 1.0])
@pytest.mark.parametrize("n", [1, 6])
def test_mean_and_variance_over_all_counts(p, n):
    """sum over c of the binomial law: no bias, and the variance of the U-statistic."""
    c = np.arange(n + 1)
    chance = np.array([math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in c])
    table, k = pass_at_k(n, c, n), np.arange(1, n + 1)
    mean = chance @ table
    np.testing.assert_allclose(mean, 1 - (1 - p) ** k, atol=1e-12)
    np.testing.assert_allclose(chance @ all_right(n, c, n), p**k, atol=1e-12)
    want = chance @ (table - mean) ** 2
    np.testing.assert_allclose(pass_at_k_variance(p, n, k), want, rtol=1e-9, atol=1e-15)


def test_the_plug_in_is_biased_down():
    n, p, k = 8, 0.2, 4
    c = np.arange(n + 1)
    chance = np.array([math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in c])
    assert chance @ (1 - (1 - c / n) ** k) < 1 - (1 - p) ** k - 0.01


@given(st.data())
def test_best_of_pool_is_the_mean_over_subsets(data):
    n = data.draw(st.integers(1, 6))
    u = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n)), dtype=float)
    g = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), dtype=float)
    found, paid = best_of_pool(u, g), best_of_pool(u)
    for k in range(1, n + 1):
        picked = []
        for s in subsets(n, k):
            top = u[s] == u[s].max()
            picked.append((g[s][top].mean(), u[s].max()))
        assert (found[k - 1], paid[k - 1]) == pytest.approx(tuple(np.mean(picked, 0)), abs=1e-12)


def test_best_of_pool_is_pass_at_k_for_right_and_wrong():
    right = np.random.default_rng(0).integers(0, 2, (30, 17)).astype(float)
    np.testing.assert_allclose(
        best_of_pool(right, right), pass_at_k(17, right.sum(-1), 17), atol=1e-12
    )


def test_best_of_pool_is_unbiased_for_the_law():
    """Over all pools of 4 draws from a law of 3 answers, two of them tied."""
    p, u, g = np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 1.0]), np.array([0.2, 1.0, -1.0])
    mean = np.zeros(4)
    for pool in itertools.product(range(3), repeat=4):
        mean += p[list(pool)].prod() * best_of_pool(u[list(pool)], g[list(pool)])
    np.testing.assert_allclose(mean, best_of_k(p, u, np.arange(1, 5)) @ g, atol=1e-12)


def test_large_pools_and_extreme_scores():
    w = pool_weights(3000, 3000)
    assert w.sum(0) == pytest.approx(1, abs=1e-12)
    # Of half the pool, the best is rank i with C(i-1, k-1)/C(n, k), k = 1500.
    want = math.comb(2989, 1499) / math.comb(3000, 1500)
    assert w[2989, 1499] == pytest.approx(want, rel=1e-9)
    found = best_of_pool([1e308, -1e308, 1e308], [1e308, -1e308, -1e308])
    assert found == pytest.approx([-1e308 / 3, -1e308 / 3 + 1e308 / 3, 0], abs=1e294)
    for call in (lambda: best_of_pool([0, math.nan]), lambda: pool_weights(3, 4)):
        with pytest.raises(ValueError, match=r"NaN|k_max=4"):
            call()


def test_the_band_covers_the_whole_curve():
    """300 data sets of 60 prompts: all of the curve inside in 95 %, to 4 standard errors."""
    rng, k, n = np.random.default_rng(0), 16, 16
    truth = np.mean([1 - (1 - np.linspace(0.02, 0.9, 2001)) ** j for j in range(1, k + 1)], axis=1)
    inside = alone = 0
    for i in range(300):
        c = rng.binomial(n, rng.uniform(0.02, 0.9, 60))
        band = simultaneous_band(pass_at_k(n, c, k), multipliers=400, seed=i)
        inside += bool(((band.low <= truth) & (truth <= band.high)).all())
        alone += bool((np.abs(band.mean - truth) <= 1.96 * band.error).all())
    # The bootstrap's own error is O(1/sqrt(60)) in the tail; 0.02 of it is granted.
    assert inside / 300 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 300) + 0.02)
    assert alone < inside


def test_the_band_of_huge_numbers_is_that_of_small_ones():
    table = np.random.default_rng(0).uniform(-1, 1, (9, 4))
    small, huge = simultaneous_band(table), simultaneous_band(1.7e308 * table)
    np.testing.assert_allclose(huge.high / 1.7e308, small.high)
    assert huge.width == pytest.approx(small.width)


def test_the_band_of_next_to_nothing():
    one = simultaneous_band(np.ones((1, 3)))
    assert np.isnan(one.width)
    flat = simultaneous_band(np.ones((4, 3)))
    assert flat.width == 0
    assert flat.high.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"table must be \(B, K\)"):
        simultaneous_band(np.ones(3))
    with pytest.raises(ValueError, match=r"level=1\.0"):
        simultaneous_band(np.ones((2, 2)), level=1.0)
