"""Functionals of a reward on a described base: each at a reward whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl import parse, parse_estimator
from toyrl.experiments.forecast import evidence as made
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.forecast.evidence import drawn
from toyrl.experiments.forecast.facts import facts
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw


def evidence(reward: str, *, accuracy=0.5, length=2200.0, limit=4096, estimator="grpo", size=8):
    told = Told("x", (reward,), accuracy, length, float(limit), estimator, size)
    law = RewardLaw(bench.template(limit), parse(reward))
    return drawn(told, law, parse_estimator(estimator))


# -- the described base ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("accuracy", "length", "limit"), [(0.3, 300.0, 1024), (0.57, 4000.0, 16384), (0.8, 900.0, 3072)]
)
def test_the_base_is_as_told(accuracy, length, limit):
    r = evidence("outcome()", accuracy=accuracy, length=length, limit=limit).now.rollouts
    assert float(np.mean(r.correct)) == pytest.approx(accuracy, abs=0.03)
    assert float(np.mean(r.length)) == pytest.approx(length, rel=0.12)
    right = np.asarray(r.correct) > 0.5
    solid = right.sum((0, 2)) > 100  # prompts that are often right
    spread = [np.log(r.length[:, b][right[:, b]]).std() for b in np.flatnonzero(solid)]
    # Lengths are whole actions of the chain, a fortieth of the limit each.
    assert np.mean(spread) == pytest.approx(made.kind_of(length).spread, abs=0.06)


def test_wrong_answers_are_longer_and_prompts_have_heavy_ends():
    e = evidence("outcome()")
    r = e.now.rollouts
    right = np.asarray(r.correct) > 0.5
    assert np.mean(r.length[~right]) > 1.3 * np.mean(r.length[right])
    p = made.success_rates(0.5)
    assert p.mean() == pytest.approx(0.5)
    assert np.mean((p < 0.1) | (p > 0.9)) > 0.4


@pytest.mark.parametrize("bad", [{"accuracy": 0.0}, {"accuracy": 1.0}, {"length": 0.0}])
def test_no_base_is_refused(bad):
    with pytest.raises(ValueError, match="a base has"):
        evidence("outcome()", **bad)


# -- functionals -----------------------------------------------------------------------------------
def test_correctness_alone_speaks_in_mixed_groups_and_pulls_no_length():
    f = facts(evidence("outcome()"))
    assert (f.signal_right, f.signal_mixed, f.signal_wrong) == pytest.approx((0.0, 1.0, 0.0))
    assert (f.pull_right, f.pull_wrong) == pytest.approx((0.0, 0.0))
    assert (f.floor, f.ceiling) == (1.0, 1.0)
    assert f.drift_alike == pytest.approx(0.0, abs=1e-12)
    assert f.drift_accuracy > 0
    assert f.easiest == pytest.approx(0.0)


def test_grpo_gives_a_tiny_term_full_size_where_all_are_right():
    """The share of all-right groups hardly depends on the weight with std, and does without."""
    big, small = (facts(evidence(f"outcome() - {w}*linear_length()")) for w in (0.5, 0.05))
    assert small.signal_right > 0.5 * big.signal_right > 0.02
    big, small = (
        facts(evidence(f"outcome() - {w}*linear_length()", estimator="dr_grpo"))
        for w in (0.5, 0.05)
    )
    assert small.signal_right < 0.05 * big.signal_right


def test_who_is_charged():
    both = facts(evidence("outcome() - 0.5*linear_length()"))
    right = facts(evidence("outcome() - 0.5*gated(linear_length())"))
    assert both.pull_wrong < 0
    assert both.signal_wrong > 0
    assert (right.pull_wrong, right.signal_wrong) == pytest.approx((0.0, 0.0))
    assert right.pull_right < 0


def test_where_the_pull_ends():
    """LASER's step at a target is a floor, a penalty on every token has none."""
    assert facts(evidence("outcome() - 0.5*linear_length()")).floor == 0.0
    stepped = facts(evidence("laser(target=1800, alpha=0.5)"))
    assert 0.2 < stepped.floor < 1.0
    lower = facts(evidence("laser(target=1000, alpha=0.5)"))
    assert 0.0 < lower.floor < stepped.floor


def test_a_bonus_without_a_ceiling():
    assert math.isinf(facts(evidence("outcome() + 0.5*linear_length()")).ceiling)


def test_a_limit_that_present_answers_miss():
    assert facts(evidence("truncation(target=400)")).paid < 0.2
    assert facts(evidence("truncation(target=4096)")).paid == 1.0


def test_paying_the_wrong_is_seen():
    assert facts(evidence("outcome(right=0, wrong=1)")).gap < 0
    assert facts(evidence("outcome() - 2*linear_length()")).easiest > 0.1


def test_siblings_are_read_in_their_groups():
    f = facts(evidence("efficient_reasoning(alpha=0.2)"))
    assert f.pull_right < 0
    assert f.signal_wrong == pytest.approx(0.0)
