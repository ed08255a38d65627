"""Scores of predictions: rank agreement with ties, ceiling, Brier, paired bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau

from toyrl.experiments.transfer import score

values = arrays(float, st.integers(3, 9), elements=st.integers(-3, 3).map(float))


@given(st.data())
def test_tau_is_kendalls_tau_b_without_a_tolerance(data):
    x = data.draw(values)
    y = data.draw(arrays(float, len(x), elements=st.integers(-3, 3).map(float)))
    ours = score.tau_b(score.sign_matrix(x), score.sign_matrix(y))
    theirs = kendalltau(x, y).statistic if np.ptp(x) and np.ptp(y) else np.nan
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@given(values, st.integers(0, 100))
def test_tau_is_one_with_itself_and_ignores_the_order_of_rewards(x, seed):
    outcome = x[:, None] + np.zeros(3)
    if np.ptp(x) == 0:
        assert np.isnan(score.agreement(x, outcome))
        return
    assert score.agreement(x, outcome) == pytest.approx(1.0)
    assert score.agreement(-x, outcome) == pytest.approx(-1.0)
    order = np.random.default_rng(seed).permutation(len(x))
    other = np.sin(7 * x)
    assert score.agreement(other[order], outcome[order]) == pytest.approx(
        score.agreement(other, outcome), nan_ok=True
    )


def test_differences_inside_the_seed_spread_are_ties():
    outcome = np.array([0.0, 0.01, 1.0])[:, None] + np.array([-0.1, 0.1, -0.1, 0.1])
    signs = score.sign_matrix(outcome.mean(1), score.seed_spread(outcome))
    assert signs[0, 1] == 0
    assert signs[0, 2] == signs[1, 2] == -1
    assert not score.seed_spread(outcome[:, :1]).any()


def test_the_ceiling_falls_with_noise():
    rng = np.random.default_rng(1)
    truth = np.linspace(0, 1, 12)[:, None]
    noise = rng.standard_normal((12, 4))
    found = [score.ceiling(truth + s * noise) for s in (0.0, 0.2, 5.0)]
    assert found[0] == pytest.approx(1.0)
    assert found[0] > found[1] > found[2]
    assert np.isnan(score.ceiling(truth))


def test_brier_is_least_at_the_share_of_seeds():
    happened = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    best = score.brier(happened.mean(1), happened)
    assert best == pytest.approx(1 / 9)
    assert score.brier(np.array([0.5, 0.9]), happened) > best
    assert score.brier(np.array([0.0, 1.0]), happened) == pytest.approx(1 / 6)


def test_families_need_four_members():
    x = np.arange(7.0)
    found = score.within_families(x, x[:, None], ["a"] * 4 + ["b"] * 3)
    assert found == {"a": pytest.approx(1.0)}


def test_paired_intervals_hold_the_difference_and_shrink_to_nothing_for_equals():
    truth = np.arange(10.0)[:, None]
    good, bad = np.arange(10.0), np.random.default_rng(0).permutation(10).astype(float)

    def of(x):
        return lambda rows: score.agreement(x[rows], truth[rows])

    same = score.paired(of(good), of(good), 10, draws=200)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    gap = score.paired(of(good), of(bad), 10, draws=500)
    assert gap.low <= gap.value <= gap.high
    assert gap.low > 0
