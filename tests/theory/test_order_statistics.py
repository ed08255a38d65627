"""Normal order statistics against known values, a direct definition and drawn groups."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.theory.group import order_statistics as t


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


@pytest.mark.parametrize(("size", "skew"), [(4, 0.6), (8, 0.6), (8, 0.3), (5, math.inf)])
def test_gain_over_a_drawn_reference_by_its_definition(size: int, skew: float):
    z = drawn(size, 40_000)
    kept, gain = t.reference_gain(size, skew)
    total, share = np.zeros(len(z)), 0.0
    for k in range(size):  # the reference is each member in turn
        if abs(size - 1 - 2 * k) <= skew * size:
            share += 1 / size
            total += (np.sign(z - z[:, k : k + 1]) * z).mean(-1) / size
    assert kept == pytest.approx(share)
    assert within(total, gain)


def test_second_moment_of_the_halves_gap_of_two():
    # S = |z1 - z2|/2, and Var(z1 - z2) = 2.
    assert t.halves_moment(2) == pytest.approx(0.5, abs=1e-10)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_second_moment_of_the_halves_gap_of_drawn_groups(size: int):
    sign = np.where(np.arange(size) < size // 2, -1, 1)
    found = t.halves_moment(size)
    assert within((drawn(size) @ sign / size) ** 2, found)
    # E[S^2] = E[S]^2 + Var, and E[S] is twice the sum of the high half's means over G.
    assert found > (t.order_means(size) @ sign / size) ** 2


def test_second_moment_of_the_halves_gap_of_large_groups():
    gaps = [2 / math.pi - t.halves_moment(n) for n in (256, 1024, 4096)]
    assert abs(gaps[2]) < 1e-3
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.02)  # the error falls as 1/G


@pytest.mark.parametrize("size", [0, 3])
def test_a_group_without_equal_halves_is_refused(size: int):
    with pytest.raises(ValueError, match=f"size={size} .* even"):
        t.halves_moment(size)
