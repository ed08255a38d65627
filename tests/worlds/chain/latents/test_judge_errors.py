"""A judge's errors by class: their law, draws, what a graded reward comes to, and behaviours."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.expressions import parse_estimator
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.training import Plan, train
from toyrl.worlds.behaviour.worlds import fitted
from toyrl.worlds.chain.latents.base import Kinds
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

LIKES_LENGTH = JudgeErrors((100.0, 200.0), (0.3, 0.2, 0.1), (0.1, 0.3, 0.6), unread=0.05, cut=0.4)


def test_the_law_has_the_rate_of_each_class():
    length = np.array([50.0, 150.0, 300.0, 50.0, 150.0, 300.0, 300.0])
    right = np.array([1.0, 1, 1, 0, 0, 0, 0])
    kinds = Kinds(right, length, np.arange(7) == 6, 300.0, np.full(7, np.nan))
    weight, fields = LIKES_LENGTH.law(kinds)
    assert fields["verified"].tolist() == [0, 1]
    assert weight[:, 1].tolist() == pytest.approx([0.7, 0.8, 0.9, 0.1, 0.3, 0.6, 0.4])
    assert weight.sum(-1) == pytest.approx(np.ones(7))
    unread = LIKES_LENGTH.accepted(right[3:6], length[3:6], np.zeros(3, bool), np.zeros(3, bool))
    assert unread.tolist() == [0.05] * 3


def test_draws_have_the_rates():
    n = 40_000
    length = np.tile([50.0, 250.0], (n, 1))
    none = {"truncated": np.zeros((n, 2), bool), "group_size": None}
    r = class_rollouts(None, correct=0 * length, length=length, max_length=300.0, **none)
    verdict = LIKES_LENGTH.sample(r, np.random.default_rng(0)).fields["verified"]
    for column, rate in enumerate((0.1, 0.6)):
        error = 4 * np.sqrt(rate * (1 - rate) / n)
        assert abs(verdict[:, column].mean() - rate) <= error


def test_a_graded_rewards_moments_are_those_of_all_cases():
    mean, variance = np.array([[2.0, -1.0, 5.0]]), np.array([[0.5, 0.25, 0.0]])
    classes = {
        "correct": np.array([1.0, 0, 0]),
        "length": np.array([50.0, 50.0, 300.0]),
        "truncated": np.array([False, False, True]),
        "other": np.array([1, 0, 2]),
    }
    made, spread = LIKES_LENGTH.mixed(mean, variance, classes)
    for k, flipped in ((0, 0.3), (1, 0.1), (2, 0.0)):
        first = second = 0.0
        for turned, sign in itertools.product((False, True), (-1, 1)):
            p = 0.5 * (flipped if turned else 1 - flipped)
            c = classes["other"][k] if turned else k
            v = mean[0, c] + sign * np.sqrt(variance[0, c])
            first, second = first + p * v, second + p * v**2
        assert made[0, k] == pytest.approx(first)
        assert spread[0, k] == pytest.approx(second - first**2, abs=1e-12)


@pytest.mark.parametrize(
    ("changed", "says"),
    [({"edges": (200.0, 100.0, 300.0)}, "ranges of length"), ({"edges": (200.0, 100.0)}, "rise"),
     ({"unread": 1.5}, "unread=1.5"), ({"false_positive": (0.1,)}, "rates")],
)  # fmt: skip
def test_what_is_no_judge_is_refused(changed, says):
    own = {"edges": (1.0, 2.0), "false_negative": (0.1,) * 3, "false_positive": (0.1,) * 3}
    with pytest.raises(ValueError, match=says):
        JudgeErrors(**{**own, **changed})


def test_half_the_errors_and_more_than_all():
    half = LIKES_LENGTH.scaled(0.5)
    assert half.false_positive == (0.05, 0.15, 0.3)
    assert (half.unread, half.cut) == (0.025, 0.2)
    assert LIKES_LENGTH.scaled(9).false_positive == (0.9, 1.0, 1.0)


def test_behaviours_climb_the_judges_slope_and_a_turned_judge_loses():
    numbers = prior.drawn(4, None, 150.0, 0)
    base = fitted(numbers, accuracy=0.4, length=150.0, limit=512.0, prompts=12)

    def end(judge):
        plan = Plan(looks=1, steps=30, judge=judge)
        return train(base, Outcome(), parse_estimator("grpo"), plan)

    truth, sure = end(None), end(JudgeErrors((), (0.0,), (0.0,)))
    np.testing.assert_array_equal(truth.accuracy, sure.accuracy)  # errors of 0 are the truth
    long, turned = end(LIKES_LENGTH), end(JudgeErrors((), (1.0,), (1.0,), unread=1.0, cut=1.0))
    assert long.factor.mean() > 1.2 * truth.factor.mean()
    assert (turned.change < truth.change).all()
    assert turned.change.mean() < -0.05
    shared = end((None, JudgeErrors((), (1.0,), (1.0,), unread=1.0, cut=1.0)))
    np.testing.assert_array_equal(shared.accuracy[:, :2], truth.accuracy[:, :2])
    np.testing.assert_array_equal(shared.accuracy[:, 2:], turned.accuracy[:, 2:])
