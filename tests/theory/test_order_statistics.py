"""Normal order statistics against known values, a direct definition and drawn groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from toyrl.theory import order_statistics as t


def drawn(size: int, groups: int = 100_000) -> np.ndarray:
    """(groups, size) sorted standard normals."""
    return np.sort(np.random.default_rng(size).standard_normal((groups, size)), axis=-1)


def within(x: np.ndarray, want: float) -> bool:
    """The mean of x is within 4 standard errors of the number."""
    return abs(x.mean() - want) <= 4 * x.std() / math.sqrt(len(x))


def test_expected_order_statistics_of_two_and_three():
    # H. A. David, Order Statistics: 1/sqrt(pi) and 3/(2 sqrt(pi)).
    top = np.array([1 / math.sqrt(math.pi), 1.5 / math.sqrt(math.pi)])
    np.testing.assert_allclose(t.order_means(2), [-top[0], top[0]], atol=1e-13)
    np.testing.assert_allclose(t.order_means(3), [-top[1], 0, top[1]], atol=1e-13)


@pytest.mark.parametrize("size", [5, 8])
def test_expected_order_statistics_of_drawn_groups(size: int):
    z, m = drawn(size), t.order_means(size)
    assert all(within(z[:, k], m[k]) for k in range(size))


def test_the_mean_and_variance_of_the_largest():
    # David and Nagaraja 2003, section 3.2; sqrt(3)/(2 pi) is a second moment's excess.
    mean, variance = t.normal_maximum([1, 2, 3, 4, 5])
    known = [0, 1 / math.sqrt(math.pi), 1.5 / math.sqrt(math.pi), 1.0293753730, 1.1629644736]
    np.testing.assert_allclose(mean, known, atol=1e-10)
    excess = [0, 0, 3**0.5 / (2 * math.pi), 3**0.5 / math.pi]
    np.testing.assert_allclose((variance + mean**2)[:4], 1 + np.array(excess), atol=1e-12)
    z = drawn(16)[:, -1]
    assert within(z, t.normal_maximum(16)[0])
    assert within((z - t.normal_maximum(16)[0]) ** 2, t.normal_maximum(16)[1])


@pytest.mark.parametrize("size", [2, 16, 400])
def test_the_largest_is_the_last_order_statistic(size: int):
    assert t.normal_maximum(size)[0] == pytest.approx(t.order_means(size)[-1], abs=1e-11)


@pytest.mark.parametrize("k", [1e6, 1e12, 1e300])
def test_the_largest_of_very_many_is_a_gumbel(k: float):
    """z ~ b + (g - ...)/b: mean b + euler/b - ..., variance pi^2/(6 b^2), b the 1/k quantile."""
    mean, variance = t.normal_maximum(k)
    b = norm.isf(1 / k)
    # The next order is log-free here, 1/b^3 (Hall 1979): a few of them are granted.
    assert mean == pytest.approx(b + np.euler_gamma / b, abs=5 / b**3)
    assert variance == pytest.approx(math.pi**2 / 6 / b**2, abs=10 / b**4)


@pytest.mark.parametrize("k", [0.5, math.nan, math.inf])
def test_the_largest_of_less_than_one(k: float):
    with pytest.raises(ValueError, match=f"k={k}"):
        t.normal_maximum(k)
