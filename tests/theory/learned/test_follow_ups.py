"""The likelihood of follow-ups against enumeration, quadrature and draws."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.theory.learned.follow_ups import (
    contrast_accuracy,
    follow_up_reward,
    follow_up_slope,
    mining_gap,
    positive_only_accuracy,
)

RNG = np.random.default_rng(7)


def test_increasing_where_praise_and_blame_tell_anything():
    s = np.linspace(0, 1, 101)
    for a, b, c, d in RNG.uniform(0.01, 0.99, (50, 4)):
        found = follow_up_reward(s, (max(a, b), min(a, b)), (min(c, d), max(c, d)))
        assert (np.diff(found) > 0).all()
        slope = follow_up_slope(s, (a, b), (c, d))
        h = 1e-6
        near = [follow_up_reward(s[1:-1] + x, (a, b), (c, d)) for x in (h, -h)]
        assert (near[0] - near[1]) / (2 * h) == pytest.approx(slope[1:-1], rel=1e-5, abs=1e-7)
    half = follow_up_reward(0.5, (0.4, 0.0), (0.0, 0.3))
    assert half == pytest.approx(math.log(0.4 / 0.3), abs=1e-12)
    assert follow_up_reward(0.0, (0.4, 0.0), (0.0, 0.3)) == -math.inf


def test_accuracies_by_draws():
    n, gap, tau, omega = 200_000, 0.7, 0.8, 1.5
    u = tau * RNG.normal(size=(n, 2))
    good = np.array([gap, 0.0]) + u + omega / np.sqrt(3) * RNG.normal(size=(n, 2))
    bad = u + omega / np.sqrt(2) * RNG.normal(size=(n, 2))
    error = 4 * 0.5 / np.sqrt(n)
    won = ((good - bad)[:, 0] > (good - bad)[:, 1]).mean()
    assert won == pytest.approx(float(contrast_accuracy(gap, omega, 3, 2)), abs=error)
    won = (good[:, 0] > good[:, 1]).mean()
    assert won == pytest.approx(float(positive_only_accuracy(gap, tau, omega, 3)), abs=error)
    assert positive_only_accuracy(1.0, 3.0) == pytest.approx(0.5932, abs=1e-4)  # Phi(1/(3 sqrt 2))
    assert contrast_accuracy([-1.0, 0.0, 1.0], 0.0, 1, 1).tolist() == [0, 0.5, 1]


def test_the_mining_gap_on_a_fine_grid():
    m = 400  # responses of m levels: the exact gap of a lattice, off by 1/m^2
    level = np.arange(m) / m
    for k in (1, 2, 8):
        most, least = (level + 1 / m) ** k, (1 - level) ** k
        best = (level * (most - level**k)).sum()
        worst = (level * (least - (1 - level - 1 / m) ** k)).sum()
        assert best - worst == pytest.approx(float(mining_gap(k)), abs=20 / m**2 + 1 / m)
    assert mining_gap(8) == pytest.approx(7 / 9, abs=1e-15)
