"""`validate` stopped half way: nothing lives on, nothing is half written, values are kept."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.experiments.commands.command import call
from tests.places import ROOT
from tests.rewards.test_sandbox import gone_soon
from toyrl.files import write_file

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds orphans by /proc")
REWARD = """
import pathlib, subprocess, sys, time
if not pathlib.Path({note!r}).exists():
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    left = subprocess.Popen(sleep, start_new_session=True)
    pathlib.Path({note!r}).write_text(str(left.pid))

def reward(completions, answer, **kwargs):
    time.sleep(0.004 * len(completions))
    return [float(a in c) for c, a in zip(completions, answer)]
"""
# A shell's background jobs ignore SIGINT, and so would their children.
STARTED = """
import signal
from toyrl.experiments.cli import run
signal.signal(signal.SIGINT, signal.default_int_handler)
run()
"""


def kept() -> int:
    """Values in the cache."""
    try:
        with sqlite3.connect("file:c/rewards.sqlite?mode=ro", uri=True) as base:
            return base.execute("SELECT count(*) FROM value").fetchone()[0]
    except sqlite3.Error:
        return 0


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_2a_validate_stopped(name):
    note = Path("pid").absolute()
    Path("slow.py").write_text(REWARD.format(note=str(note)))
    outputs = ("--json", "o.json", "--report", "r.html", "--junit", "j.xml", "--cache", "c")
    child = subprocess.Popen(
        [sys.executable, "-c", STARTED, "validate", "slow.py:reward", *outputs],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not kept():
        assert child.poll() is None
        time.sleep(0.1)
    child.send_signal(getattr(signal, name))
    _, err = child.communicate(timeout=60)
    number = getattr(signal, name)
    assert child.returncode == (-number if name == "SIGKILL" else 128 + number)
    assert ("interrupted" in err) == (name != "SIGKILL")
    assert gone_soon(int(note.read_text()))
    assert {p.name for p in Path().iterdir()} - {"__pycache__"} == {"slow.py", "pid", "c"}
    with sqlite3.connect("c/rewards.sqlite") as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert kept()


# -- modes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o000, 0o666)])
def test_2d_files_follow_the_umask(mask, mode):
    before = os.umask(mask)
    try:
        write_file("o.json", "{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("o.json").stat().st_mode) == mode


def test_2d_a_reward_file_may_lie_in_a_folder_that_is_closed(capsys):
    folder = Path("ro")
    folder.mkdir()
    (folder / "r.py").write_text(
        "def reward(completions, **kw):\n    return [1.0] * len(completions)\n"
    )
    folder.chmod(0o555)
    try:
        code, _, err = call(capsys, "validate", "ro/r.py:reward", "--quick", "--no-report", "-q")
    finally:
        folder.chmod(0o755)
    assert code in (0, 1), err
    assert [p.name for p in folder.iterdir()] == ["r.py"]
