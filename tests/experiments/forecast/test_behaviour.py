"""Behaviour worlds as a forecaster: what it says, what it is silent about, what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toyrl import parse, parse_estimator
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.forecast.evidence import Evidence, drawn
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw

SMALL = behaviour.Model(worlds=8)


def evidence(told: Told) -> Evidence:
    law = RewardLaw(bench.template(int(told.limit)), parse(told.rewards[0]))
    return drawn(told, law, parse_estimator(told.estimator))


def told(reward: str, **more) -> Told:
    base = Told("x", (reward,), 0.57, 10_000.0, 16_384.0, "grpo", evidence=evidence)
    return replace(base, **more)


def say(reward: str, model: behaviour.Model = SMALL, **more):
    found = behaviour.forecast(told(reward, **more), model)
    assert found is not None
    return found


def test_outcome_gains_and_equals_itself():
    found = say("outcome()")
    assert found.below_base < 0.4
    assert found.below_correctness == pytest.approx(0.5)
    assert found.accuracy > 0
    assert found.low < found.accuracy < found.high


def test_a_limit_far_below_is_feared_more_than_a_bonus_within_it():
    cut, bonus = say("truncation(target=4096)"), say("laser(target=4096, alpha=0.5)")
    assert cut.below_base > bonus.below_base
    assert cut.accuracy < bonus.accuracy
    assert cut.length < 0.6


def test_a_model_trained_for_brevity_has_no_slack():
    reward = "truncation(target=3000)"
    wordy, brief = (
        say(reward, behaviour.Model(worlds=8, kind=k)) for k in ("thinking", "efficient")
    )
    assert brief.below_base > wordy.below_base


def test_what_no_behaviour_serves_is_not_forecast():
    assert behaviour.forecast(told("mode_reward()"), SMALL) is None
    assert behaviour.forecast(replace(told("outcome()"), evidence=lambda _: None), SMALL) is None


def test_every_mechanism_can_be_left_out():
    names = set(behaviour.ABLATIONS)
    assert len(names) > 10
    for name in ("without budget law", "padding held"):
        model = replace(behaviour.ABLATIONS[name], worlds=4)
        found = say("outcome() - 0.5*gated(linear_length())", model)
        assert found.length < 1
