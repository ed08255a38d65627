"""Shapers by task and over the batch: one reward a rollout, named parts, no scale that decides."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl import Rollouts, parse
from toyrl.testing import assert_invariants

RNG = np.random.default_rng(7)
RIGHT = (RNG.random((4, 6)) < 0.5) * 1.0
LENGTH = RNG.integers(1, 9, (4, 6)) * 1.0
TASK = np.repeat([[0.0], [1.0], [1.0], [2.0]], 6, axis=1)


def rollouts(**fields) -> Rollouts:
    return Rollouts(RIGHT, LENGTH, 8.0, fields={"task": TASK} | fields)


def test_each_task_is_paid_by_its_own_reward_and_an_unknown_one_by_none():
    terms = ("outcome() + linear_length()", "2*outcome()")
    routed = parse(" + ".join(f"on_task({term}, {k})" for k, term in enumerate(terms)))
    found = routed.apply(rollouts()).parts
    assert list(found) == ["outcome", "linear_length", "outcome.2"]
    total = np.sum(list(found.values()), axis=0)
    for k, term in enumerate(terms):
        assert total[k == TASK] == pytest.approx(parse(term).reward(rollouts())[k == TASK])
    assert (total[TASK == 2] == 0).all()
    assert (found["outcome.2"][0] == 0).all()


def test_what_one_reward_cannot_score_does_not_reach_the_others():
    judge = np.where(TASK == 1, 0.5, np.inf)
    routed = parse("on_task(outcome()) + on_task(cooper(), 1) + on_task(outcome(), 2)")
    assert (routed.reward(rollouts(judge=judge))[TASK != 1] == RIGHT[TASK != 1]).all()
    with pytest.raises(KeyError, match="the kind of task"):
        routed.reward(Rollouts(RIGHT, LENGTH, 8.0, fields={"judge": RIGHT}))
    with pytest.raises(ValueError, match="task=-1"):
        parse("on_task(outcome(), -1)")


def test_standardised_parts_have_mean_0_and_deviation_1_over_the_batch():
    weight = (RNG.random((4, 6)) < 0.8) * 1.0
    r = Rollouts(RIGHT, LENGTH, 8.0, weight=weight)
    found = parse("standardised(outcome() + 100*linear_length() + 0*outcome())").apply(r).parts
    assert list(found) == ["outcome", "linear_length", "outcome.2"]
    here = weight > 0
    for name, raw in (("outcome", RIGHT), ("linear_length", LENGTH)):
        own = raw[here]
        want = (own - own.mean()) / own.std(ddof=1)
        assert np.abs(found[name][here]) == pytest.approx(np.abs(want), abs=1e-12)
        assert (found[name][~here] == 0).all()
    assert (found["outcome.2"] == 0).all()
    again = parse("standardised(outcome() + linear_length())").apply(r).parts["linear_length"]
    assert again == pytest.approx(found["linear_length"], abs=1e-12)


def test_laws():
    assert_invariants("standardised(outcome() + linear_length())", max_examples=10)
    assert parse("standardised(step_sum())").all_token_level() is False
    assert parse("standardised(outcome())").all_scope() == "batch"
