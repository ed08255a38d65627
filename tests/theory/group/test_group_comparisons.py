"""Comparisons inside a group of normals against their definitions and drawn groups."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.theory.test_order_statistics import drawn, within
from toyrl.theory.group import comparisons as t
from toyrl.theory.order_statistics import order_means


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
    assert found > (order_means(size) @ sign / size) ** 2


def test_second_moment_of_the_halves_gap_of_large_groups():
    gaps = [2 / math.pi - t.halves_moment(n) for n in (256, 1024, 4096)]
    assert abs(gaps[2]) < 1e-3
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.02)  # the error falls as 1/G


@pytest.mark.parametrize("size", [0, 3])
def test_a_group_without_equal_halves_is_refused(size: int):
    with pytest.raises(ValueError, match=f"size={size} .* even"):
        t.halves_moment(size)
