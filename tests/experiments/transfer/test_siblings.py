"""A file that reads its siblings, in the forecast of `transfer`: graded in whole groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from toyrl.experiments.transfer import evidence, forecasts
from toyrl.experiments.transfer.calibrate import BaseLog
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.graders.answers import is_correct, marked_answer
from toyrl.rollouts.texts import text_rollouts
from toyrl.worlds.behaviour import groups, texts

LIMIT, SIZE = 2048.0, 8


def vote(rows) -> list[float]:
    by_prompt: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        by_prompt.setdefault(row.prompt, []).append(i)
    out = [0.0] * len(rows)
    for at in by_prompt.values():
        said = Counter(a for i in at if (a := marked_answer(rows[i].completion)) is not None)
        best = max(said, key=said.__getitem__, default=None)
        for i in at:
            out[i] = float(best is not None and marked_answer(rows[i].completion) == best)
    return out


@pytest.fixture(scope="module")
def log() -> BaseLog:
    design = groups.design(texts.arithmetic("boxed"), 200.0, LIMIT, SIZE)[:40]
    rows = [c.row for g in design for c in g.cells]
    at = [i for i, g in enumerate(design) for _ in g.cells]
    truth = [is_correct(row) for row in rows]
    r, _ = text_rollouts(rows, at, correct=truth, max_length=LIMIT)
    return BaseLog(r, rows, np.full(len(design), np.nan))


def reward(name: str, grade) -> SuiteReward:
    from toyrl.experiments.validate.reward_law.law import UserReward

    return SuiteReward(name, "yours", UserReward(), 1.0, reads={"user_reward": grade})


@dataclass
class Luck:
    rng: np.random.Generator

    def __call__(self, rows) -> list[float]:
        return self.rng.random(len(rows)).tolist()


def test_what_reads_siblings_is_told_from_what_does_not(log):
    assert evidence.reads_siblings(reward("vote", vote), log)
    correct = reward("correct", lambda rows: [is_correct(x) for x in rows])
    assert not evidence.reads_siblings(correct, log)
    assert not evidence.reads_siblings(reward("luck", Luck(np.random.default_rng(0))), log)


@pytest.mark.slow
def test_it_is_graded_in_whole_groups_and_forecast(log, few_worlds):
    made = evidence.paid(reward("vote", vote), log)
    assert isinstance(made, groups.GroupReward)
    alone = evidence.paid(reward("correct", lambda rows: [is_correct(x) for x in rows]), log)
    assert isinstance(alone, texts.TextReward)
    run = {"limit": LIMIT, "estimator": "grpo", "group_size": SIZE, "beta": 0.0, "steps": 60,
           "rate": 1e-6, "completions": 1024}  # fmt: skip
    said = forecasts.said(run, log, reward("vote", vote))["forecast"]
    assert said["horizon"]["updates"] == 60
    assert "0.3 times as far" in said["horizon"]["source"]
    fast = forecasts.said({**run, "rate": 1e-4}, log, reward("vote", vote))["forecast"]
    assert fast["horizon"]["source"].startswith("the steps that this model can take")
