"""A reward model's logit as the reward, and groups in which it hardly varies."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import ShapedReward
from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.reward_model import Cooper
from toyrl.testing import assert_invariants

RNG = np.random.default_rng(1)


def rollouts(judge, **kw) -> Rollouts:
    judge = np.asarray(judge, dtype=float)
    return Rollouts(0 * judge, 0 * judge + 1, 1.0, fields={"judge": judge}, **kw)


def test_sigma_of_the_logit_and_its_threshold():
    s = np.array([[-800.0, -1.0, 0.0, 1.0, 800.0]])
    soft = np.array([[0.0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1.0]])
    assert Cooper().reward(rollouts(s)) == pytest.approx(soft, abs=1e-15)
    assert Cooper(binary=True).reward(rollouts(s))[0].tolist() == [0, 0, 0, 1, 1]  # 0.5 isn't above
    assert Cooper(binary=True, threshold=0.8).reward(rollouts(s))[0].tolist() == [0, 0, 0, 0, 1]
    missing = Cooper().reward(rollouts([[0.0, np.nan]]))[0]
    assert missing[0] == 0.5
    assert np.isnan(missing[1])


def test_a_level_moves_the_reward_and_not_a_standardised_advantage_until_it_saturates():
    s = RNG.normal(size=(20, 8)) * 0.01  # sigma is a line over so small a spread
    paid = ShapedReward(Cooper(), GroupEstimator())
    one, high, gone = (paid.apply({"outcome": 0 * s}, rollouts(s + level))[0]
                       for level in (0.0, 4.0, 40.0))  # fmt: skip
    assert high == pytest.approx(one, abs=0.05)
    assert Cooper().reward(rollouts(s + 4)).min() > 0.98
    assert np.abs(gone).max() == 0  # 1 - sigma is below a number's rounding


def test_groups_that_hardly_vary_are_level():
    s = np.stack([RNG.normal(size=8) * 1e-4, RNG.normal(size=8), np.full(8, 0.3)])
    settled = parse("settled(cooper())")
    assert settled.all_needs() == ("judge",)
    assert settled.all_scope() == "group"
    paid = np.asarray(settled.reward(rollouts(s)))
    plain = np.asarray(Cooper().reward(rollouts(s)))
    assert paid[0] == pytest.approx(np.full(8, plain[0].mean()), abs=1e-15)
    assert (paid[1] == plain[1]).all()
    assert paid[2] == pytest.approx(plain[2], abs=1e-15)
    for conventions in ({}, {"baseline": "leave_one_out", "scale": "none"}, {"scale": "none"}):
        own = ShapedReward(settled, GroupEstimator(**conventions))
        advantage = np.asarray(own.apply({"outcome": 0 * s}, rollouts(s))[0])
        assert np.abs(advantage[[0, 2]]).max() == 0
        assert np.abs(advantage[1]).max() > 0.1
    edge = float(plain[1].std(ddof=1))
    for least, level in ((edge * (1 - 1e-9), False), (edge * (1 + 1e-9), True)):
        found = parse(f"settled(cooper(), least={least!r})").reward(rollouts(s))[1]
        assert (np.ptp(found) < 1e-12) == level
    assert (np.asarray(parse("settled(cooper(), least=0)").reward(rollouts(s))) == plain).all()
    assert parse("settled(step_sum())").all_token_level() is False


def test_laws_and_refusals():
    assert_invariants("cooper()", max_examples=10)
    assert_invariants("settled(cooper())", max_examples=10)
    with pytest.raises(KeyError, match="a judge model or a grader"):
        Cooper().reward(Rollouts(np.ones((1, 2)), np.ones((1, 2)), 1.0))
    with pytest.raises(ValueError, match=r"threshold=1.5 is not a number in \[0, 1\]"):
        Cooper(threshold=1.5)
    with pytest.raises(ValueError, match="least=-1"):
        parse("settled(cooper(), least=-1)")
