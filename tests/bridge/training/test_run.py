"""One run: measured points, resuming, what is refused; on a random model of a few parameters."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import fastjsonschema
import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra llm")
import torch

from toyrl import schemas
from toyrl.bridge.models import tiny
from toyrl.bridge.models.load import ModelError
from toyrl.bridge.tasks import load_task
from toyrl.bridge.training import evaluate, run
from toyrl.bridge.training.faults import TrainingFault
from toyrl.expressions import parse
from toyrl.shapers.base import Shaper

pytestmark = pytest.mark.bridge
SETTINGS = run.RunSettings(
    steps=4, completions=8, group_size=4, limit=12, every=2, keep=2, times=1, rate=1e-2
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    recipe = tiny.Recipe(hidden=16, layers=1, heads=2, feed_forward=32, steps=20, batch=8)
    return str(tiny.folder(recipe, cache=tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def task():
    return load_task("shorthand:easy=1,hard=2", prompts=16, held_out=8)


def reward() -> Shaper:
    return parse("outcome() - 0.5*linear_length()")


def test_a_run_writes_its_curve(tmp_path, model, task):
    told = []
    curve = run.train(tmp_path / "r", model, task, reward(), SETTINGS, tell=told.append)
    assert curve == json.loads((tmp_path / "r" / "curve.json").read_text())
    fastjsonschema.compile(schemas.document("run"))(curve)
    points = curve["points"]
    assert [p["step"] for p in points] == [0, 2, 4]
    assert points[0]["kl"] == 0.0
    assert points[-1]["kl"] > 0
    assert {tuple(p["accuracy_by"]) for p in points} == {("1", "2")}
    assert any("toyrl/reward" in entry for entry in curve["logs"])
    assert run.finished(tmp_path / "r", SETTINGS) == curve
    assert run.finished(tmp_path / "r", replace(SETTINGS, rate=1.0)) is None
    assert not list((tmp_path / "r").glob("checkpoint-*"))
    assert any("step 4" in line for line in told)


@pytest.mark.slow
def test_a_broken_run_goes_on_as_if_it_had_not_been(tmp_path, model, task):
    whole = run.train(tmp_path / "whole", model, task, reward(), SETTINGS)

    class Stop(Exception):
        pass

    def stop_at_three(rows):
        stop_at_three.calls += 1
        if stop_at_three.calls > 3:
            raise Stop
        return [0.0] * len(rows)

    stop_at_three.calls = 0
    graders = {"user_reward": stop_at_three}
    from toyrl.experiments.validate.reward_law.law import UserReward
    from toyrl.shapers.compose import Sum

    shaper = Sum((reward(), UserReward()))
    with pytest.raises(TrainingFault, match="Stop"):
        run.train(tmp_path / "r", model, task, shaper, SETTINGS, graders=graders)
    assert run.finished(tmp_path / "r", SETTINGS) is None
    assert list((tmp_path / "r").glob("checkpoint-*"))
    calm = {"user_reward": lambda rows: [0.0] * len(rows)}
    rest = run.train(tmp_path / "r", model, task, shaper, SETTINGS, graders=calm, resume=True)
    assert rest["points"] == whole["points"]


def test_evaluation_leaves_random_states_and_training_alone(model, task):
    network, tokenizer = run.load(model)
    network.train()
    before = torch.get_rng_state()
    one, other = (
        evaluate.sample(network, tokenizer, task.held_out, times=2, limit=10, seed=3, batch=b)
        for b in (16, 16)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert network.training
    assert [r.completion for r in one.rows] == [r.completion for r in other.rows]
    assert [r.prompt for r in one.rows[:2]] == [task.held_out[0]["prompt"]] * 2


def test_the_distance_is_the_mean_log_ratio_of_the_policys_own_samples(model, task):
    network, tokenizer = run.load(model)
    base, _ = run.load(model)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    network.eval()
    drawn = evaluate.sample(network, tokenizer, task.held_out, times=200, limit=10, seed=0)
    kl, entropy = evaluate.distance(network, base, drawn)
    with torch.no_grad():
        own, there = (
            evaluate._log_probs(m, drawn.ids, drawn.mask, drawn.width) for m in (network, base)
        )
    made = drawn.ids[:, -drawn.width :, None]
    keep = drawn.mask[:, -drawn.width :]
    taken_own, taken_there = (x.gather(-1, made)[..., 0] * keep for x in (own, there))
    ratio = (taken_own - taken_there).sum(-1).numpy()
    assert abs(ratio.mean() - kl) < 4 * ratio.std() / math.sqrt(len(ratio))
    assert kl > 0.01
    surprise = -taken_own.sum().item() / keep.sum().item()
    assert abs(surprise - entropy) < 0.05
    assert evaluate.distance(base, base, drawn)[0] == 0.0


def test_padding_does_not_change_what_a_model_says(model, task):
    network, tokenizer = run.load(model)
    network.eval()
    drawn = evaluate.sample(network, tokenizer, task.held_out, times=1, limit=10, seed=0)
    wide = torch.nn.functional.pad(drawn.ids, (3, 0)), torch.nn.functional.pad(drawn.mask, (3, 0))
    with torch.no_grad():
        near = evaluate._log_probs(network, drawn.ids, drawn.mask, drawn.width)
        far = evaluate._log_probs(network, *wide, drawn.width)
    keep = drawn.mask[:, -drawn.width :].bool()
    np.testing.assert_allclose(near[keep], far[keep], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps=0"),
        ({"group_size": 3}, "divide"),
        ({"aggregation": "x"}, "not one of"),
    ],
)
def test_impossible_settings_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        run.RunSettings(**{**asdict(SETTINGS), **change})


def test_unknown_models_are_refused(tmp_path, task):
    with pytest.raises(ModelError, match="can't be loaded"):
        run.train(tmp_path, str(tmp_path / "none"), task, reward(), SETTINGS)


def test_warm_up_learns_solutions_and_is_kept(tmp_path, model, task):
    from toyrl.bridge.training.warm_up import warm_up

    made = warm_up(model, task, tmp_path / "w", steps=6, limit=12, rate=1e-2, measured=2)
    found = json.loads((made / "warm-up.json").read_text())
    assert found["losses"][-1] < found["losses"][0]
    told = []
    again = warm_up(model, task, made, steps=6, limit=12, rate=1e-2, measured=2, tell=told.append)
    assert again == made
    assert not told
    weights = made / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    warm_up(model, task, made, steps=6, limit=12, rate=1e-2, measured=0, tell=told.append)
    assert "damaged" in told[0]
