"""Rewards under any estimator: the general route against the compiled one, refusals, the table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tests.experiments.validate.test_validate import Judged
from toyrl import parse, registry
from toyrl.dynamics.chain.prior import PriorRanges, prior
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.collapse import estimators, train_worlds
from toyrl.experiments.validate.collapse import worlds as collapse_worlds
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import Settings
from toyrl.objectives.policy_gradient import PolicyGradient

CHAIN = bench.template(512)


@dataclass(frozen=True)
class Wrapped(Estimator):
    """A group estimator that the compiled loop doesn't recognise."""

    inner: Estimator

    def apply(self, parts, rollouts, state=None):
        return self.inner.apply(parts, rollouts, state)


@dataclass(frozen=True)
class ByToken(Estimator):
    token_level = True


@dataclass(frozen=True)
class Reads(Estimator):
    needs = ("entropy",)


@pytest.mark.parametrize("name", ["grpo_exact", "grpo_batch", "dr_grpo", "reinforce_mean"])
@pytest.mark.parametrize("varies", [False, True])
def test_the_general_route_is_the_compiled_one(name, varies, monkeypatch):
    monkeypatch.setattr(train_worlds, "LIMIT_REFRESH", 1)
    worlds = prior(CHAIN, 4, typical_length=150)
    worlds = type(worlds)(worlds.batch, worlds.theta, np.full(4, 60), worlds.success, worlds.length)
    objective = estimators.objective_for(name)
    law = bench.law_of(
        CHAIN,
        [(parse("outcome()-0.5*linear_length()"), 1.0)],
        None,
        dialect="tag",
        thorough=False,
        seed=0,
    )[0]
    known = Runner(law, PRESETS[name], objective, 8)
    general = Runner(law, Wrapped(PRESETS[name]), objective, 8)
    reward = known.reward(worlds)
    variance = 0.04 * np.ones_like(reward) if varies else None
    one = known.population(worlds, reward, variance=variance, short_only=True)[0]
    two = general.population(worlds, reward, variance=variance, short_only=True)[0]
    assert two == pytest.approx(one, abs=1e-9)
    assert np.abs(one - known.start(worlds)).max() > 0.01  # it did learn


def test_refusals_say_why():
    assert "token" in estimators.refusal(ByToken())
    assert "entropy" in estimators.refusal(Reads())
    assert estimators.refusal(PRESETS["grpo"]) == ""


@pytest.mark.parametrize(
    ("name", "reads"), [("trust_grpo", "judge"), ("remax", "greedy_reward"), ("gae", "token")]
)
def test_an_estimator_that_reads_more_is_refused_at_the_door(name, reads):
    with pytest.raises(UsageError, match=reads):
        Settings(estimator=name)


def test_all_means_grpo_with_a_table():
    s = Settings(estimator="all")
    assert (s.estimator, s.every_estimator) == ("grpo", True)


@pytest.mark.slow
def test_the_table_has_every_registered_estimator(monkeypatch):
    # Which rows there are is the point here, and not their numbers: those are held above.
    monkeypatch.setattr(estimators, "HALVINGS", 1)
    short = partial(PriorRanges, updates=(10, 20, 40))
    monkeypatch.setattr(collapse_worlds, "PriorRanges", short)
    judged = Judged("outcome() - 2*linear_length()", worlds=2, estimator="all")
    names = [e.name for e in registry.entries("estimator")]
    assert all(judged.finding(f"collapse/under-{n}") for n in names)
    table = next(t for s in judged.report.sections for t in s.tables if t.name == "estimators")
    assert [row[0] for row in table.rows] == names
    assert isinstance(judged.pipeline.objective, PolicyGradient)
