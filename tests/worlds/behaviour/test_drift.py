"""What correctness doesn't hold is lost: the correlation that holds, and rewards without labels."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.expressions import parse, parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.training import Plan, held, labelled, train
from toyrl.worlds.behaviour.worlds import fitted

PLAN = Plan(steps=20, looks=1)


def test_what_holds_is_the_correlation_within_groups_that_have_both_kinds():
    rng = np.random.default_rng(0)
    right = np.array([[[1.0, 0, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0]]])
    advantage, formed = rng.normal(size=right.shape), np.ones_like(right)
    a, c = (np.concatenate([x[0, b] - x[0, b].mean() for b in (0, 2)]) for x in (advantage, right))
    want = max(np.corrcoef(a, c)[0, 1], 0.0)
    assert held(advantage, right, formed).item() == pytest.approx(want)
    assert held(right, right, formed).item() == pytest.approx(1.0)
    assert held(-right, right, formed).item() == 0.0
    assert held(advantage, np.ones_like(right), formed).item() == 1.0  # nothing to tell apart
    # A reward of form alone differs between readable and unreadable answers, and holds nothing.
    formed[0, 0, 0] = 0.0
    assert held(formed, right * formed, formed).item() == 0.0


def test_a_reward_is_labelled_if_turning_every_verdict_changes_it():
    r = Rollouts(np.array([[1.0, 0.0]]), np.array([[3.0, 4.0]]), 8.0,
                 fields={"answer": np.array([[0.0, 1.0]])})  # fmt: skip
    assert labelled(parse("outcome() - 0.1*linear_length()"), r, {})
    assert not labelled(parse("linear_length()"), r, {})
    assert not labelled(parse("majority()"), r, {})


def test_tiny_bases_lose_under_a_vote_what_large_ones_keep():
    lost = {}
    for kind, length, limit in (("tiny", 40.0, 96.0), ("short", 400.0, 2048.0)):
        w = fitted(prior.drawn(8, kind, length), accuracy=0.6, length=length, limit=limit)
        vote, outcome = (
            train(w, parse(x), parse_estimator("grpo"), PLAN) for x in ("majority()", "outcome()")
        )
        lost[kind] = vote.change.mean()
        assert np.all(vote.theta["lost"] > outcome.theta["lost"])
        assert np.all(outcome.theta["lost"] < 0.1)
    assert lost["tiny"] < -0.15 < lost["short"]
    still = train(w, parse("outcome(right=1, wrong=1)"), parse_estimator("grpo"), PLAN)
    assert np.all(still.theta["lost"] == 0.0)  # without an advantage nothing moves
