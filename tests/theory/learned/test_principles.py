"""Laws of judges with and without the principle, against enumeration, draws and derivatives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.shapers.judge.listwise import pair_agreement
from toyrl.theory.learned import principles as law
from toyrl.theory.policies import tilt


def test_angles_by_draws():
    rng = np.random.default_rng(0)
    w, c = rng.normal(size=(2, 4, 5))
    x = rng.normal(size=(40_000, 5))
    found = ((x @ w.T > 0) == (x @ c.T > 0)).mean(0)
    assert found == pytest.approx(law.angle_accuracy(w, c), abs=4 * 0.5 / 200)
    assert law.angle_accuracy(w, w) == pytest.approx(1, abs=1e-7)  # arccos near 1: sqrt(eps)
    assert law.angle_accuracy(w, 0 * w).tolist() == [0.5] * 4
    assert law.angle_accuracy(1e200 * w, 1e-200 * c) == pytest.approx(law.angle_accuracy(w, c))


@pytest.mark.parametrize("D", [1, 2, 3, 5])
def test_equal_weights_are_the_best_blind_judge(D):
    rng = np.random.default_rng(D)
    w = np.concatenate([rng.normal(size=(3000, D)), np.ones((1, D)), np.eye(D)])
    found = law.angle_accuracy(w[:, None, :], np.eye(D)).mean(-1)
    assert found.max() <= law.blind_accuracy(D) + 1e-12
    assert found[3000] == pytest.approx(law.blind_accuracy(D))
    assert found[3001:] == pytest.approx(law.copied_accuracy(D))


def test_chance_is_the_mean_over_all_orders():
    orders = np.array(list(itertools.permutations(range(4))), dtype=float)
    for g in ([1.0, 2, 4, 5], [3.0, 3, 1, 5], [2.0, 2, 2, 2]):
        want = law.chance_agreement(g)
        assert pair_agreement(orders, np.array(g)).mean() == pytest.approx(want, abs=1e-14)
        assert pair_agreement(0 * orders, np.array(g)) == pytest.approx(want, abs=1e-14)
    # Six responses in fifths hold one true tie: 1/2 + 1/90.
    assert law.chance_agreement([1, 2, 3, 4, 5, 5]) == pytest.approx(46 / 90, abs=1e-15)
    with pytest.raises(ValueError, match="n of 2 and more"):
        law.chance_agreement([1.0])


def test_span_threshold_and_steering():
    turn = (np.arange(4000) + 0.5) / 4000
    for span in (0.5, np.pi / 2, np.pi):
        away = np.abs(turn - 0.5) * span
        assert law.span_accuracy(span) == pytest.approx(1 - away.mean() / np.pi, abs=1e-7)
    assert law.silence_threshold(0.2, 0.8) == pytest.approx(0.75)
    assert law.silence_threshold(0.2, 0.8, silent=0.2) == pytest.approx(0.8)
    p, x = np.array([0.8, 0.15, 0.05]), np.array([1.0, 2.0, 7.0])
    for sign in (-1, 1):
        gaps = [abs(tilt(p, sign * x, t) @ x - law.steered_mean(p, x, sign, beta=1 / t))
                for t in (0.01, 0.02)]  # fmt: skip
        assert gaps[1] / gaps[0] == pytest.approx(8, rel=0.2)  # what is left is of third order
