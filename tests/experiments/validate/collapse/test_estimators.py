"""Rewards under any estimator: the general route against the compiled one, refusals, the table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from tests.experiments.validate.test_validate import Judged
from tests.places import ROOT
from toyrl import parse, registry
from toyrl.dynamics.chain.prior import PriorRanges, prior
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.collapse import estimators, train_worlds
from toyrl.experiments.validate.collapse import worlds as collapse_worlds
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.refused import instead, refusal
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import Settings
from toyrl.expressions import parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts

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
    assert "token" in refusal(ByToken())
    assert "entropy" in refusal(Reads())
    assert refusal(PRESETS["grpo"]) == ""


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("trust_grpo", "judge"),
        ("remax", "greedy_reward"),
        ("gae", "token"),
        ("negative_only(inner=trust_grpo())", "judge"),
        ("dler(inner=remax())", "greedy_reward"),
        ("averaged(inner=canon_entropy())", "entropy, mask"),
        ("positive_only(inner=step_returns())", "token"),
        ("canon(metric='entropy')", "entropy, mask"),
        ("canon(metric='judge')", "judge"),
    ],
)
def test_an_estimator_that_reads_more_is_refused_at_the_door(name, reads):
    with pytest.raises(UsageError, match=reads):
        Settings(estimator=name)


@pytest.mark.parametrize("name", ["canon(metric='answered')", "negative_only(inner=rloo())"])
def test_what_every_class_has_may_be_read(name):
    assert Settings(estimator=name).estimator == name


def test_the_page_says_what_is_refused_and_what_to_ask_instead():
    page = (ROOT / "docs" / "estimators.md").read_text(encoding="utf-8")
    said = page.split("## What `toyrl validate` can't judge")[1].split("\n## ")[0]
    bullets = [" ".join(x.split()) for x in said.split("\n- ")[1:]]
    known = {e.name: parse_estimator(e.name) for e in registry.entries("estimator")}
    want = [f"`{n}`: {refusal(e)}; {instead(e)}." for n, e in known.items() if refusal(e)]
    assert bullets == want


def rollouts() -> Rollouts:
    rng = np.random.default_rng(0)
    length = rng.integers(1, 5, (3, 6)).astype(float)
    fields = {"judge": rng.random((3, 6)), "greedy_reward": np.full((3, 6), 0.25)}
    mask = (np.arange(4) < length[..., None]) * 1.0
    correct = rng.integers(0, 2, (3, 6)).astype(float)
    return Rollouts(correct, length, 4.0, mask=mask, fields=fields)


@pytest.mark.parametrize(
    "name", ["trust_grpo", "trust_grpo_released", "trust_grpo(shaper=trust(alpha=0.5))"]
)
def test_correctness_under_the_shapers_reward_is_the_run_that_was_refused(name):
    r, refused = rollouts(), parse_estimator(name)
    reward, inner = re.findall(r'"(.*?)"', instead(refused))
    paid = parse(reward).apply(r).parts
    got = parse_estimator(inner).apply(paid, r)[0]
    np.testing.assert_allclose(got, refused.apply({"outcome": r.correct}, r)[0], atol=1e-12)
    assert np.abs(got).max() > 0.1
    assert Settings(estimator=inner).estimator == inner


def test_returns_to_go_of_an_outcome_are_reinforce_plus_plus():
    r, refused = rollouts(), parse_estimator("reinforce_plus_plus_tokens")
    assert "reinforce_plus_plus: name that" in instead(refused)
    named = parse_estimator("reinforce_plus_plus").apply({"outcome": r.correct}, r)[0]
    by_token = refused.apply({"outcome": r.correct}, r)[0]
    np.testing.assert_allclose(by_token, named[..., None] * r.mask, atol=1e-12)
    for other in ("(gamma=0.9)", "(whitened=False)"):
        changed = parse_estimator("reinforce_plus_plus_tokens" + other)
        assert "name that" not in instead(changed)


def test_remax_differs_from_reinforce_by_a_number_a_prompt():
    r, refused = rollouts(), parse_estimator("remax")
    assert "name reinforce" in instead(refused)
    one, other = (parse_estimator(n).apply({"x": r.correct}, r)[0] for n in ("reinforce", "remax"))
    np.testing.assert_allclose(one - other, r.fields["greedy_reward"], atol=1e-12)


def test_all_means_grpo_with_a_table():
    s = Settings(estimator="all")
    assert (s.estimator, s.every_estimator) == ("grpo", True)


@pytest.mark.slow
def test_the_table_has_every_registered_estimator(monkeypatch):
    # Which rows there are is the point here, and not their numbers: those are held above.
    monkeypatch.setattr(estimators, "HALVINGS", 1)
    short = partial(PriorRanges, updates=(10, 20, 40))
    monkeypatch.setattr(collapse_worlds, "PriorRanges", short)
    judged = Judged("outcome() - 2*linear_length()", worlds=2, estimator="all", only="collapse")
    names = [e.name for e in registry.entries("estimator")]
    assert all(judged.finding(f"collapse/under-{n}") for n in names)
    table = next(t for s in judged.report.sections for t in s.tables if t.name == "estimators")
    assert [row[0] for row in table.rows] == names
    assert isinstance(judged.pipeline.objective, PolicyGradient)
