"""How far a run goes: the usual one, the law of rate, updates and batch, what is no measure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from toyrl.experiments.forecast.answer import answer
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.forecast.evidence import drawn
from toyrl.experiments.forecast.horizon import LEAST, MOST, Horizon, horizon
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.validate.api import law_alone
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.trainers.config import read_trl, read_verl
from toyrl.expressions import parse_estimator


def test_nothing_told_is_a_default_run():
    assert horizon() == Horizon() == Horizon(200, 1.0, "a default run")
    assert horizon(200, 1e-6, 1024).reach == 1.0


def test_the_law_is_linear_in_updates_and_rate_and_a_root_in_completions():
    assert horizon(updates=400).reach == pytest.approx(2)
    assert horizon(learning_rate=5e-7).reach == pytest.approx(0.5)
    assert horizon(completions=256).reach == pytest.approx(0.5)
    assert horizon(100, 2e-6, 4096).reach == pytest.approx(2)
    assert horizon(updates=50).updates == 50


def test_what_is_beyond_belief_is_bounded_and_an_adapters_rate_is_no_measure():
    assert horizon(updates=1).reach == LEAST
    assert horizon(updates=10**6).reach == MOST
    assert "by the law 5e+03 times" in horizon(updates=10**6).source
    lora = horizon(learning_rate=2e-4)
    assert (lora.reach, lora.updates) == (1.0, 200)
    assert "learning rate 0.0002 is no measure" in lora.source
    assert horizon(400, 2e-4).reach == pytest.approx(2)


def write(path, text):
    path.write_text(text)
    return path


def test_trainers_files_say_it(tmp_path):
    trl = read_trl(
        write(
            tmp_path / "trl.yaml",
            "max_steps: 100\nlearning_rate: 5e-7\nper_device_train_batch_size: 16\n"
            "gradient_accumulation_steps: 8\n",
        )
    )
    said = {k: trl.values[k] for k in ("updates", "learning_rate", "completions")}
    assert said == {"updates": 100, "learning_rate": 5e-7, "completions": 128}
    assert any("128 completions an update are those of one device" in n for n in trl.notes)
    lora = read_trl(write(tmp_path / "lora.yaml", "learning_rate: 2e-4\nuse_peft: true\n"))
    assert not {"updates", "learning_rate", "completions"} & set(lora.values)
    verl = read_verl(
        write(
            tmp_path / "verl.yaml",
            "data: {train_batch_size: 256}\ntrainer: {total_training_steps: 300}\n"
            "actor_rollout_ref:\n  rollout: {n: 8}\n"
            "  actor: {ppo_mini_batch_size: 64, optim: {lr: 1e-6}}\n",
        )
    )
    said = {k: verl.values[k] for k in ("updates", "learning_rate", "completions")}
    assert said == {"updates": 1200, "learning_rate": 1e-6, "completions": 512}
    s = settings_of(None, {"trl_config": tmp_path / "trl.yaml", "updates": 7})
    assert (s.updates, s.completions) == (7, 128)  # an option wins


def test_a_longer_run_goes_farther_the_same_way():
    told = Told("price", ("outcome() - 0.5*linear_length()",), 0.5, 400.0, 2048.0)
    settings = settings_of(None, {"max_completion_length": 2048})
    law = law_alone(told.rewards[0], settings)[1]
    told = replace(told, evidence=lambda t: drawn(t, law, parse_estimator("grpo")))
    model = behaviour.Model(worlds=8)
    ends = []
    for factor in (0.5, 1.0, 2.0):
        case = replace(told, horizon=Horizon(200, factor, "said"))
        runs = behaviour.trained(case, model)
        assert runs is not None
        ends.append(runs.reward.factor)
        assert answer(case, runs)["horizon"]["source"].startswith("said; ")
    short, usual, long = (np.median(x) for x in ends)
    assert long < usual < short < 1
