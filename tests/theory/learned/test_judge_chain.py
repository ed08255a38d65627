"""The judge's chain: limits, refusals, simulation of what the experiment does not play."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.objectives.pairs import table_rates
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.win_rate import WinRateReward
from toyrl.theory.learned import judge_chain as theory


def test_types_never_cost_accuracy():
    for v in np.random.default_rng(0).random((50, 3, 4)):
        assert theory.best_accuracy(v) >= theory.best_accuracy(v, aware=False) - 1e-12
    v = [[0.9, 0.6], [0.55, 0.85]]
    assert theory.best_accuracy(v) == pytest.approx(0.875)
    assert theory.best_accuracy(v, aware=False) == pytest.approx(0.725)
    assert theory.best_accuracy(v, [1, 0], aware=False) == theory.best_accuracy(v, [1, 0]) == 0.9


def test_time_falls_with_gap_group_and_start():
    time = theory.training_time(-3.0, 2.0, [0.1, 0.2, 0.4], 7)
    assert time == pytest.approx(time[0] / np.array([1, 2, 4]))
    assert theory.training_time(-3, 2, 0.3, 14) < theory.training_time(-3, 2, 0.3, 7)
    assert np.all(np.diff(theory.training_time([-5.0, -3, 0], 2.0, 0.3, 7)) < 0)
    assert np.isinf(theory.training_time([-np.inf, -3], 2.0, [0.3, 0.0], 7)).all()
    assert theory.training_time(-3, 2, 0.3, 1) == np.inf
    # The time's slope in the end is 1/drift.
    h, p = 1e-5, 1 / (1 + np.exp(-0.7))
    slope = theory.training_time(0.7 - h, 0.7 + h, 0.3, 7) / (2 * h)
    assert slope == pytest.approx(1 / theory.drift(p, 0.9, 0.6, 7), rel=1e-6)


def test_win_rates_share_one_verdict_a_pair():
    G, n, a, u, rng = 4, 40_000, 0.8, 0.3, np.random.default_rng(0)
    up = np.triu(np.ones((G, G), bool), 1)
    win = np.where(rng.random((n, G, G)) < u, 0.5, rng.random((n, G, G)) < a)
    table = np.where(up, win, 0) + np.where(up, 1 - win, 0).swapaxes(-1, -2)
    r = np.asarray(table_rates(table, Rollouts(np.zeros((n, G)), np.ones((n, G)), 1.0)))
    cov, var = np.cov(r.T), theory.round_robin_variance(G, a, u)
    # of n draws a covariance errs by at most about 2 var/sqrt(n): 5 of these
    want = var * ((1 + 1 / (G - 1)) * np.eye(G) - 1 / (G - 1))
    assert cov == pytest.approx(want, abs=10 * var / np.sqrt(n))


def test_win_rates_as_a_reward():
    judge = np.array([[0.1, 0.9, 0.9, np.nan], [0.5, 0.5, 0.5, 0.5]])
    r = Rollouts(np.zeros((2, 4)), np.ones((2, 4)), 1.0, fields={"judge": judge})
    paid = np.asarray(WinRateReward(2.0).reward(r))
    assert paid[0] == pytest.approx([0, 1.5, 1.5, np.nan], nan_ok=True)
    assert paid[1].tolist() == [1, 1, 1, 1]
    one = Rollouts(np.zeros((1, 1)), np.ones((1, 1)), 1.0, fields={"judge": np.ones((1, 1))})
    assert np.asarray(WinRateReward().reward(one)).tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.best_accuracy([0.5]), "chances in"),
        (lambda: theory.best_accuracy([[0.5]], [0.0]), "share="),
        (lambda: theory.drift(1.2, 0.5, 0.5, 7), "chance=1.2 must lie"),
        (lambda: theory.drift(0.5, 0.5, 0.5, 1, normalised=True), "at least 2"),
        (lambda: theory.training_time(0, 1, 2.0, 7), "within -1..1"),
        (lambda: theory.round_robin_rate(0, 7, 0.7), "the best being 1"),
        (lambda: theory.round_robin_variance(1, 0.7), "judged against none"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
