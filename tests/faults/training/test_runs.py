"""A training run that is killed, full, damaged or out of memory: said, kept, gone on from."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra llm")
import torch

from tests.faults.limits import largest_file
from tests.faults.training.small_run import SETTINGS, start
from tests.places import ROOT
from toyrl.bridge.tasks import load_task
from toyrl.bridge.training import checkpoints, evaluate, run
from toyrl.bridge.training.faults import NO_NUMBERS, OUT_OF_MEMORY, TrainingFault, advice
from toyrl.bridge.training.warm_up import warm_up
from toyrl.files import WriteError

pytestmark = pytest.mark.bridge


class Stop(BaseException):
    """Passes every handler, as the end of the process would."""


@pytest.fixture(scope="module")
def killed_at_4(tmp_path_factory) -> Path:
    """What kill -9 after the point of update 4 leaves: the folder as it was then."""
    return tmp_path_factory.mktemp("killed") / "r"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model, killed_at_4):
    """The curve of a run that nothing happened to."""
    place = tmp_path_factory.mktemp("whole") / "r"

    def copied(said: str) -> None:
        if said.startswith("step 4"):
            shutil.copytree(place, killed_at_4)

    return start(place, model, tell=copied)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory, model):
    place = tmp_path_factory.mktemp("stopped") / "r"

    def stop(said: str) -> None:
        if said.startswith("step 4"):
            raise Stop

    with pytest.raises(Stop):
        start(place, model, tell=stop)
    return place


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A run's folder with a checkpoint of update 2, and points to update 4."""
    return shutil.copytree(stopped_once, tmp_path / "r")


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_curve(stopped, model, whole):
    told = []
    rest = start(stopped, model, resume=True, tell=told.append)
    assert rest["points"] == whole["points"]  # to the bit
    assert told[0] == f"resuming from {stopped / 'checkpoint-2'}"
    assert rest == json.loads((stopped / run.CURVE).read_text())


def goes_on(place: Path, model: str, whole: dict[str, Any], left: list[int]) -> None:
    """From the whole checkpoints that a kill left."""
    found = [p for p in place.glob("checkpoint-*") if not checkpoints.damage(p)]
    assert [*map(checkpoints.step_of, found)] == left
    assert start(place, model, resume=True)["points"] == whole["points"]
    assert sorted(p.name for p in place.iterdir()) == ["README.md", run.CURVE]


def test_kill_9_after_a_point_and_the_same_curve(tmp_path, model, whole, killed_at_4):
    goes_on(shutil.copytree(killed_at_4, tmp_path / "r"), model, whole, [2])


@pytest.mark.slow
def test_kill_9_within_a_checkpoint_and_the_same_curve(tmp_path, model, whole):
    place, file = tmp_path / "r", ROOT / "tests" / "faults" / "training" / "small_run.py"
    line = [sys.executable, str(file), str(place), model]
    ended = subprocess.run(line, cwd=ROOT, check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()[-2000:]
    goes_on(place, model, whole, [])


# -- damaged files -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("trainer_state.json", lambda x: x[: len(x) // 2], "trainer_state.json: "),
        ("trainer_state.json", None, "it has no trainer_state.json"),
        ("toyrl_state.json", lambda x: x[:0], "toyrl_state.json: "),
        ("toyrl_state.json", None, "it has no toyrl_state.json"),
        ("optimizer.pt", lambda x: x[:-100], "optimizer.pt: File is not a zip file"),
        (
            "optimizer.pt",
            lambda x: x[:9000] + x[9000:11_000][::-1] + x[11_000:],
            "optimizer.pt: its checksum",
        ),
        ("rng_state.pth", None, "it has no rng_state.pth"),
        ("model.safetensors", lambda x: x[:-1], "bytes, its header says"),
        ("model.safetensors", lambda x: x[:100], "bytes, too few for its header"),
        ("model.safetensors", lambda x: x[:0], "model.safetensors: "),
        ("model.safetensors", None, "it has no weights"),
    ],
)
def test_damage_of_a_checkpoint_is_found_and_named(stopped, name, spoil, says):
    place = stopped / "checkpoint-2"
    assert not checkpoints.damage(place)
    file = place / name
    if spoil is None:
        file.unlink()
    else:
        file.write_bytes(spoil(file.read_bytes()))
    assert says in checkpoints.damage(place)
    told = []
    assert checkpoints.newest(stopped, told.append) is None
    assert told == [f"{place} is damaged ({told[0].partition('(')[2].rpartition(')')[0]}); "
                    "it is left out"]  # fmt: skip
    assert not place.exists()


@pytest.mark.parametrize("spoilt", ["checkpoint-2/optimizer.pt", "curve.json"])
def test_a_damaged_run_begins_anew_with_the_same_curve(stopped, model, whole, spoilt):
    file = stopped / spoilt
    file.write_bytes(file.read_bytes()[:200])
    told = []
    assert start(stopped, model, resume=True, tell=told.append)["points"] == whole["points"]
    assert "is damaged" in told[0] or "lacks points before" in told[0]


def test_an_older_whole_checkpoint_is_taken(stopped):
    shutil.copytree(stopped / "checkpoint-2", stopped / "checkpoint-10")
    (stopped / "checkpoint-10" / "scheduler.pt").write_bytes(b"PK")
    assert checkpoints.newest(stopped) == stopped / "checkpoint-2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"settings": replace(SETTINGS, rate=1.0)}, "holds a run with another settings"),
        ({"settings": replace(SETTINGS, steps=8)}, "begin anew"),
    ],
)
def test_another_runs_folder_is_not_gone_on_from(stopped, model, options, says):
    before = (stopped / run.CURVE).read_bytes()
    with pytest.raises(TrainingFault, match=says):
        start(stopped, model, resume=True, **options)
    assert (stopped / run.CURVE).read_bytes() == before
    assert (stopped / "checkpoint-2").is_dir()


# -- a full disk ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "says"),
    [
        pytest.param(3000, "no space left under the file size limit", id="weights"),
        pytest.param(15_000, "could not be written to its end; often no space left", id="torch"),
    ],
)
def test_a_full_disk_at_a_checkpoint(tmp_path, model, whole, size, says):
    with (
        largest_file(size),
        pytest.raises(TrainingFault, match=r"update 2 is done, but its checkpoint") as caught,
    ):
        start(tmp_path / "r", model)
    assert says in str(caught.value)
    assert "MB free there" in str(caught.value)
    assert not [*(tmp_path / "r").glob("checkpoint-*")]  # no half of one
    assert [p["step"] for p in run.read_curve(tmp_path / "r")["points"]] == [0, 2]
    assert start(tmp_path / "r", model, resume=True)["points"] == whole["points"]


def test_a_full_disk_keeps_the_checkpoint_before(stopped, model, whole):
    with largest_file(3000), pytest.raises(TrainingFault) as caught:
        start(stopped, model, resume=True)
    assert f"The last checkpoint is {stopped / 'checkpoint-2'}" in str(caught.value)
    assert start(stopped, model, resume=True)["points"] == whole["points"]


def test_a_full_disk_at_the_curve(tmp_path, model):
    with largest_file(200), pytest.raises(WriteError, match=r"can't write .*curve.json: no space"):
        start(tmp_path / "r", model)


def test_a_write_error_crosses_processes():
    error = WriteError("a/b.json", OSError(28, "No space left on device"))
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.errno, again.cause) == (str(error), 28, "no space left")
    assert again.path == error.path


# -- numbers and memory --------------------------------------------------------------------------
def test_an_update_too_large_is_told_and_what_was_before_kept(tmp_path, model):
    far = replace(SETTINGS, rate=1e30, every=1, keep=1)
    with pytest.raises(TrainingFault, match="probabilities are not finite") as caught:
        start(tmp_path / "r", model, far)
    assert "lower learning_rate" in str(caught.value)
    assert run.read_curve(tmp_path / "r")["points"][0]["step"] == 0


def test_weights_that_are_no_numbers_while_completions_are_made(tmp_path, model, monkeypatch):
    from toyrl.bridge.training.rescue import RescuedTrainer

    def spoilt(self, *_):
        torch.multinomial(torch.tensor([float("nan"), 1.0]), 1)

    monkeypatch.setattr(RescuedTrainer.__base__, "training_step", spoilt)
    with pytest.raises(TrainingFault, match=r"update 1 failed: the policy's prob.* No checkpoint"):
        start(tmp_path / "r", model)
    assert not [*(tmp_path / "r").glob("checkpoint-*")]


def test_advice_knows_what_torch_says():
    with pytest.raises(RuntimeError) as full:
        torch.empty(2**60, dtype=torch.uint8)
    assert advice(full.value) == OUT_OF_MEMORY
    assert advice(MemoryError()) == OUT_OF_MEMORY
    assert advice(torch.OutOfMemoryError("CUDA out of memory")) == OUT_OF_MEMORY
    with pytest.raises(RuntimeError) as bad:
        torch.multinomial(torch.tensor([-1.0, 1.0]), 1)
    assert advice(bad.value) == NO_NUMBERS
    assert advice(RuntimeError("anything else")) == advice(ValueError("out of memory")) == ""


def test_out_of_memory_at_an_evaluation(stopped, model, whole, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "_generate", full)
        with pytest.raises(TrainingFault, match="evaluation after 4 updates failed: out of memory"):
            start(stopped, model, resume=True)
    assert start(stopped, model, resume=True)["points"] == whole["points"]


# -- warm-up ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rate", "says"),
    [(1e30, r"step \d of the warm-up has the loss (nan|inf): nothing was kept")],
)
def test_a_warm_up_whose_loss_is_no_number_keeps_nothing(tmp_path, model, rate, says):
    task = load_task("shorthand:easy=1,hard=2", prompts=16, held_out=8)
    with pytest.raises(TrainingFault, match=says):
        warm_up(model, task, tmp_path / "w", steps=6, limit=12, rate=rate, measured=0)
    assert not [*tmp_path.iterdir()]


def test_a_warm_up_out_of_memory(tmp_path, model, monkeypatch):
    task = load_task("shorthand:easy=1,hard=2", prompts=16, held_out=8)

    def full(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(torch.Tensor, "backward", full)
    with pytest.raises(TrainingFault, match=r"the warm-up of .* failed: out of memory"):
        warm_up(model, task, tmp_path / "w", steps=6, limit=12, measured=0)
    assert not [*tmp_path.iterdir()]
