"""Nothing grows: many validations in one process, logs of a hundred megabytes, writers at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.faults.limits import MEGA
from tests.places import ROOT
from toyrl.experiments.api import validate
from toyrl.experiments.validate.collapse import statistics
from toyrl.files import write_file
from toyrl.rollouts.logs import read_log
from toyrl.theory.selection import alignment

RUNS, EARLY = 38, 20  # the first five of a text reward import and cache
ALLOWED = 5.0  # MB, between the two
linux = pytest.mark.skipif(sys.platform != "linux", reason="asks glibc for what it holds")


# Prints memory in MB without what the allocator keeps for later, descriptors, threads, children.
MANY = """
    import ctypes, gc, sys
    import psutil
    from toyrl.experiments.api import validate
    early, runs = map(int, sys.argv[1:])
    me = psutil.Process()
    for run in range(1, runs + 1):
        reward = "outcome()" if run % 4 else "examples/rewards/correctness.py"
        report = validate(reward, quick=True, seed=run)
        assert report.exit_code == 0, report.error
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        if run in (early, runs):
            print([me.memory_info().rss / 1e6, me.num_fds(), me.num_threads(),
                   len(me.children(recursive=True))])
"""


@linux
@pytest.mark.slow
def test_5c_memory_is_flat_over_many_quick_validations():
    """In a process of its own, which holds nothing of other tests."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MANY), str(EARLY), str(RUNS)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    (early, *few), (last, *many) = map(json.loads, done.stdout.splitlines())
    assert last - early < ALLOWED
    assert many == few


@linux
def test_5c_a_few_quick_validations_leave_nothing_open():
    me = psutil.Process()
    states = []
    for run in range(3):
        validate("outcome()", quick=True, seed=run)
        states.append((me.num_fds(), me.num_threads(), len(me.children(recursive=True))))
    assert states[1] == states[2]


# -- large logs ------------------------------------------------------------------------------------
def large_log(megabytes: int) -> Path:
    """A log of 8 rollouts a prompt with texts of 900 characters."""
    text = ("seven and five are twelve; " * 40)[:900]
    with Path("large.jsonl").open("w") as out:
        for i in range(megabytes * 1000):  # as json.dumps writes it, which takes seconds
            out.write(f'{{"prompt_id": {i // 8}, "prompt": "Start with {i // 8}.", '
                      f'"completion": "{text}", "length": {i % 300 + 5}, '
                      f'"correct": {i % 2}, "reward": {i % 7 / 7}}}\n')  # fmt: skip
    return Path("large.jsonl")


# Prints the most memory in MB so far: of the imports, of reading, of judging.
LARGE = """
    from toyrl.experiments.api import validate
    from toyrl.rollouts.logs import read_log

    def told():
        # Not getrusage's maximum: it starts with what the parent held when it forked.
        status = dict(line.split(":", 1) for line in open("/proc/self/status"))
        print(int(status["VmHWM"].split()[0]) / 1000)

    validate("outcome()", quick=True)
    told()
    assert read_log("large.jsonl").rollouts.shape[1] == 8
    told()
    report = validate("outcome()", quick=True, rollouts="large.jsonl")
    assert report.exit_code == 0, report.error
    told()
"""
PART = 4  # of a log of a hundred megabytes


@linux
@pytest.mark.slow
def test_5d_100_megabytes():
    """The memory alone: no test depends on time. What a part takes, the whole takes PART times."""
    file = large_log(100 // PART)
    assert file.stat().st_size > 100 / PART * MEGA
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LARGE)],
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    without, read, judged = map(float, done.stdout.split())
    assert without + PART * (read - without) < 500
    assert without + PART * (judged - without) < 1000


def test_what_is_held_at_once_does_not_change_the_answer(monkeypatch):
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(5), 40)
    truth = (rng.random((40, 5)) < 0.4) * 1.0
    reward = truth + 0.3 * rng.normal(size=truth.shape)
    units = rng.normal(size=30)

    def both():
        found = alignment.tilt_price(prob, reward, truth)
        return found, statistics.bootstrap(lambda w: w @ units / w.sum(-1), 30, draws=50)

    whole, ends = both()
    monkeypatch.setattr(alignment, "AT_ONCE", 1000)
    monkeypatch.setattr(statistics, "AT_ONCE", 100)
    parts, others = both()
    np.testing.assert_allclose(parts.path_kl, whole.path_kl, rtol=1e-12)
    np.testing.assert_allclose(parts.path_accuracy, whole.path_accuracy, rtol=1e-12)
    assert parts.kl == pytest.approx(whole.kl, rel=1e-9)
    np.testing.assert_allclose(others, ends, rtol=1e-12)


def test_5d_writers_at_once_leave_a_whole_file():
    texts = [f"{i}" * 100_000 for i in range(8)]

    def write(text: str) -> None:
        for _ in range(10):
            write_file("r.html", text)

    threads = [threading.Thread(target=write, args=(t,)) for t in texts]
    for t in threads:
        t.start()
    seen = {Path("r.html").read_text() for _ in range(50) if Path("r.html").exists()}
    for t in threads:
        t.join()
    assert seen | {Path("r.html").read_text()} <= set(texts)
    assert [p.name for p in Path().iterdir()] == ["r.html"]


@pytest.mark.slow
def test_5d_reading_a_megabyte_takes_a_few():
    """Ten times the file at most, so that a gigabyte is enough for a hundred megabytes."""
    file = large_log(5)
    tracemalloc.start()
    try:
        read_log(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / MEGA < 10 * 5
