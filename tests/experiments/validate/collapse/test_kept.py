"""Outcome-only runs that are kept, and counts without the training that they don't need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from toyrl.dynamics.chain.prior import prior
from toyrl.experiments.validate.collapse import kept
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw, UserReward
from toyrl.expressions import parse, parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient

CHAIN = bench.template(512)


@pytest.fixture(scope="module")
def worlds():
    return prior(CHAIN, 8, seed=3, typical_length=150)


def runner(spec: str = "outcome() - 3*linear_length()") -> Runner:
    law = bench.law_of(CHAIN, [(parse(spec), 1.0)], None, dialect="", thorough=False, seed=0)
    return Runner(law[0], parse_estimator("grpo"), PolicyGradient(aggregation="dapo"), 8)


class Work:
    def __init__(self, worlds):
        self.calls, shape = 0, worlds.batch.difficulties.shape
        self.answer = tuple(np.random.default_rng(i).random(shape) for i in (0, 1))

    def __call__(self):
        self.calls += 1
        return self.answer


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_runs_are_kept_to_the_last_bit_and_told_apart(worlds, tmp_path, monkeypatch):
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path))
    work = Work(worlds)
    assert same(kept.pair(worlds, {"beta": 0.0}, work), work.answer)
    assert same(kept.pair(worlds, {"beta": 0.0}, work), work.answer)
    assert work.calls == 1
    kept.pair(worlds, {"beta": 0.1}, work)
    kept.pair(worlds.take(np.arange(4)), {"beta": 0.0}, Work(worlds.take(np.arange(4))))
    assert work.calls == 2
    assert len(list((tmp_path / kept.FOLDER).iterdir())) == 3


def test_damaged_or_unwritable_places_cost_time_alone(worlds, tmp_path, monkeypatch):
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path))
    work = Work(worlds)
    kept.pair(worlds, {}, work)
    (file,) = (tmp_path / kept.FOLDER).iterdir()
    for damage in ("", "{", '{"short": [["0x1p-1"]], "long": [["nan"]]}'):
        file.write_text(damage)
        assert same(kept.pair(worlds, {}, work), work.answer)
    assert work.calls == 4
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("TOYRL_CACHE", str(blocked))
    assert same(kept.pair(worlds, {}, work), work.answer)


def test_the_folder_stays_small(worlds, tmp_path, monkeypatch):
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path))
    monkeypatch.setattr(kept, "MOST", 3)
    for i in range(5):
        kept.pair(worlds, {"beta": float(i)}, Work(worlds))
    assert len(list((tmp_path / kept.FOLDER).iterdir())) == 3


@pytest.mark.slow
def test_finite_runs_are_kept_apart_by_the_points_of_the_law(worlds, tmp_path, monkeypatch):
    monkeypatch.setenv("TOYRL_CACHE", str(tmp_path))
    few, plain = worlds.take(np.arange(2)), runner("outcome()")
    spread = np.full((8, CHAIN.n_classes), 0.04)
    mean = np.tile(CHAIN.class_correct(), (8, 1))
    sampled = replace(plain, law=RewardLaw(CHAIN, UserReward(), mean, spread))
    assert sampled.law.n_points > plain.law.n_points
    first = plain.outcome_only_finite(few)
    assert same(plain.outcome_only_finite(few), first)
    own = sampled.finite(few, 1.0, 0.0, outcome_only=True)
    assert same(sampled.outcome_only_finite(few), own)
    assert not same(own, first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec", ["outcome() - 3*linear_length()", "outcome() - 0.3*linear_length()"]
)
def test_counts_are_those_of_the_whole_training(worlds, spec):
    own = runner(spec)
    reference = own.outcome_only(worlds)
    reward = own.reward(worlds)
    whole = collapse.judge(reference, *own.population(worlds, reward)).count
    assert own.count(worlds, reward, reference) == whole
    assert own.count_at(worlds, np.ones(len(worlds)), own.law.gap(), reference) == whole
