"""`transfer` where a process is killed, a file is damaged or a place is full."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

pytest.importorskip("trl", reason="needs the extra llm")

from tests.experiments.commands.command import call
from tests.faults.limits import largest_file
from tests.faults.training import runs_that_fail as failing
from tests.places import ROOT
from toyrl.dynamics.chain import observed
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer import calibrate, predict, run, score, suite, training
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.expressions import parse

pytestmark = pytest.mark.bridge
REWARD = SuiteReward("outcome", "outcome", parse("outcome()"), 1.0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("work", "kind", "says"),
    [
        (failing.ends_itself, UsageError, "a process that trained was ended from outside"),
        (failing.full, OSError, "can't write a: no space left under the file size limit"),
    ],
)
def test_a_process_that_dies_is_told(work, kind, says):
    jobs = [(Path("a"), failing.REWARD, failing.SETTINGS)]
    with pytest.raises(kind) as caught:
        training.every(work, jobs, 2, lambda _: None)
    assert says in str(caught.value)


@pytest.mark.slow
def test_nothing_trains_on_when_the_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent("""
        import pathlib
        from tests.faults.training import runs_that_fail as runs

        if __name__ == "__main__":
            from toyrl.experiments.transfer import training

            here = pathlib.Path(__file__).parent
            jobs = [(here / name, runs.REWARD, runs.SETTINGS) for name in "ab"]
            training.every(runs.long, jobs, 2, print)
        """)
    )
    # What the children write goes nowhere: a pipe would be open as long as one of them lives.
    parent = subprocess.Popen([sys.executable, str(script)], cwd=ROOT, stderr=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL,
                              env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    files = [tmp_path / name for name in "ab"]
    while not all(f.is_file() and f.read_text() for f in files):
        assert parent.poll() is None
        time.sleep(0.1)
    children = [int(f.read_text()) for f in files]
    parent.kill()
    parent.wait()
    left = [psutil.Process(pid) for pid in children if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive


def plan(**changes):
    given = {"limit": 16, "group_size": 4, "estimator": "grpo", "aggregation": "grpo", **changes}
    return suite.Plan("tiny", "shorthand", "", 1, 1.0, given, ("outcome()",))


@pytest.mark.parametrize("spoil", [lambda t: t[:-20], lambda t: t.replace('"correct"', '"c"')])
def test_damaged_rollouts_of_the_base_are_told_with_their_line(tmp_path, spoil):
    row = {"prompt": "1+1=", "completion": "2", "columns": {}, "tokens": 1, "truncated": False}
    file = tmp_path / "base.jsonl"
    file.write_text("\n".join([json.dumps({**row, "correct": 1.0})] * 2))
    assert calibrate.read_base(file, 2, 16).success == 1.0
    file.write_text(spoil(file.read_text()))
    with pytest.raises(UsageError, match=r"base.jsonl: line \d can't be read .*--resume samples"):
        calibrate.read_base(file, 2, 16)


def test_a_full_disk_before_the_seal_is_told_and_made_good(tmp_path, monkeypatch):
    transfer = suite.Transfer(tmp_path / "t", plan(), "nowhere", (REWARD,))
    transfer.open(resume=False)
    said = {"schema": "toyrl.transfer/1", "rewards": {"o": "x" * 3000}}
    monkeypatch.setattr(suite.Transfer, "_predict", lambda _: said)
    with largest_file(2000), pytest.raises(OSError, match=r"predictions\.json: no space left"):
        transfer.predictions()
    assert sorted(p.name for p in transfer.folder.iterdir()) == ["plan.json"]
    assert (
        predict.sealed(transfer.predictions())[1]
        == (transfer.folder / "predictions.sha256").read_text().strip()
    )


def test_a_killed_transfer_without_a_seal_predicts_again(tmp_path, monkeypatch):
    """Between the predictions and their seal: no run was begun, so nothing is given away."""
    transfer = suite.Transfer(tmp_path / "t", plan(), "nowhere", (REWARD,))
    transfer.open(resume=False)
    (transfer.folder / "predictions.json").write_text('{"half')
    monkeypatch.setattr(suite.Transfer, "_predict", lambda _: {"schema": "toyrl.transfer/1"})
    assert transfer.predictions() == {"schema": "toyrl.transfer/1"}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(28, "No space left on device"), "what was finished is kept, --resume"),
        (PermissionError(13, "Permission denied"), "Permission denied; what was finished"),
    ],
)
def test_a_full_disk_is_no_bug_of_the_command(tmp_path, monkeypatch, capsys, error, says):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(run, "_prepare", fails)
    code, _, said = call(capsys, "transfer", "outcome()", "--out", str(tmp_path / "t"), "-q")
    assert code == 2
    assert says in said


# -- from end to end -----------------------------------------------------------------------------
SIZES = {"learning-rate": 2e-4, "seeds": 1, "steps": 56, "completions": 8, "group-size": 4,
         "max-completion-length": 16}  # fmt: skip
LINE = ("transfer", "outcome()", "--task", "shorthand", "-q",
        *(text for name, n in SIZES.items() for text in (f"--{name}", str(n))))  # fmt: skip


@pytest.mark.slow
def test_a_killed_transfer_goes_on_to_the_same_curve(tmp_path, model, capsys, monkeypatch):
    """Sealed, then killed by -9 after a checkpoint (of update 40), then --resume.

    The predictions are made of few worlds: what is killed only reads them.
    """
    monkeypatch.setattr(observed, "ROUND", 32)
    monkeypatch.setattr(calibrate, "WANTED", 8)
    monkeypatch.setitem(score.paired.__kwdefaults__, "draws", 100)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    line = (*LINE, "--model", model)
    code, _, said = call(capsys, *line, "--out", str(whole))
    assert code == 0, said
    cut.mkdir()
    for name in ("plan.json", "base.jsonl", "predictions.json", "predictions.sha256"):
        (cut / name).write_bytes((whole / name).read_bytes())
    child = subprocess.Popen(
        [sys.executable, "-m", "toyrl.experiments.cli", *line, "--out", str(cut), "--resume"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    (place,) = (p.parent.relative_to(whole) for p in whole.rglob("curve.json"))
    while not [*(cut / place).glob("checkpoint-*/trainer_state.json")]:
        assert child.poll() is None
        time.sleep(0.05)
    child.kill()
    child.wait()
    assert [*(cut / place).glob("checkpoint-*")]
    code, _, said = call(capsys, *line, "--out", str(cut), "--resume")
    assert code == 0, said
    one, other = (
        json.loads((f / place / "curve.json").read_text())["points"] for f in (whole, cut)
    )
    assert len(one) == 8
    assert one == other  # to the bit
    results = [json.loads((f / "result.json").read_text())["rewards"] for f in (whole, cut)]
    assert results[0] == results[1]
