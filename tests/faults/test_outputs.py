"""Files out: awkward places, places that can't be written, runs that are stopped."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import fastjsonschema
import pytest

from tests.experiments.commands.command import call
from tests.experiments.render.sample_report import sample_report
from tests.faults.limits import largest_file
from tests.places import ROOT
from toyrl import schemas
from toyrl.experiments import api
from toyrl.experiments.core import (
    Check,
    Curve,
    Experiment,
    Mutant,
    Picture,
    Result,
    Table,
    registry,
)
from toyrl.files import WriteError, cause_of, write_file

NOWHERE = "/sys/r.html"
"""A folder that takes no file, not even from root."""
A, B, KEPT = "a.html", "b.json", "o/01/outcome.json"


@pytest.fixture
def judged(monkeypatch):
    """`toyrl validate`, with a report made elsewhere; the list of its calls."""
    calls = []

    def validate(rewards, settings, progress, **options):
        calls.append(rewards)
        return sample_report()

    monkeypatch.setattr(api, "validate", validate)
    return calls


def in_thread(read) -> tuple[threading.Thread, list[bytes]]:
    """A thread that reads, and what it has read once it has ended."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(read()), daemon=True)
    thread.start()
    return thread, found


# -- places that are no regular files --------------------------------------------------------------
def test_2c_device():
    master, slave = os.openpty()
    place = os.ttyname(slave)
    before = os.lstat(place)
    write_file(place, "told")
    assert os.read(master, 100) == b"told"
    assert os.lstat(place).st_rdev == before.st_rdev
    os.close(master)
    os.close(slave)


def test_2c_fifo():
    os.mkfifo("fifo")
    thread, found = in_thread(Path("fifo").read_bytes)
    write_file("fifo", "told")
    thread.join()
    assert found == [b"told"]
    assert Path("fifo").is_fifo()


def test_2c_fifo_of_a_command_says_that_it_waits(capsys, judged):
    os.mkfifo("fifo")
    thread, found = in_thread(Path("fifo").read_bytes)
    code, _, err = call(capsys, "validate", "x", "--no-report", "--junit", "fifo", "-q")
    thread.join()
    assert (code, err) == (1, "toyrl: fifo waits for its reader\n")
    assert b"</testsuite" in found[0]


def test_2c_socket():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        server.listen()

        def received() -> bytes:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as source:
                return source.read()

        thread, found = in_thread(received)
        write_file("sock", "told")
        thread.join()
    assert found == [b"told"]
    assert Path("sock").is_socket()
    with pytest.raises(WriteError, match="can't write sock: nobody listens at the socket"):
        write_file("sock", "told")


@pytest.mark.parametrize("there", [False, True], ids=["dangling", "to a file"])
def test_2c_symlink(there):
    Path("folder").mkdir()
    if there:
        Path("folder/target").write_text("old")
    Path("link").symlink_to("folder/target")
    Path("far").symlink_to("link")
    write_file("far", "new")
    assert Path("folder/target").read_text() == "new"
    assert [Path(n).is_symlink() for n in ("far", "link", "folder/target")] == [True, True, False]
    assert [p.name for p in Path("folder").iterdir()] == ["target"]


def test_2c_descriptors():
    read, write = os.pipe()
    write_file(f"/dev/fd/{write}", "told")
    Path("to").symlink_to(f"/proc/self/fd/{write}")
    write_file("to", " twice")
    os.close(write)
    assert os.read(read, 100) == b"told twice"
    os.close(read)
    assert Path("to").is_symlink()


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_a_file_is_whole_or_as_it_was(name):
    if name == "file":
        Path(name).write_text("old")
    with largest_file(1000), pytest.raises(WriteError) as caught:
        write_file(name, "x" * 2000)
    assert str(caught.value) == f"can't write {name}: no space left under the file size limit"
    assert [p.read_text() for p in Path().iterdir()] == ["old"] * (name == "file")
    write_file(name, b"bytes")
    assert Path(name).read_bytes() == b"bytes"


def test_a_full_disk_in_words():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert str(WriteError("r.html", full)) == "can't write r.html: no space left"
    assert cause_of(OSError("odd")) == "odd"


# -- refused before the work -----------------------------------------------------------------------
def _unusual() -> None:
    Path("folder").mkdir()
    Path("file").write_text("")
    Path("loop").symlink_to("loop")
    Path("lost").symlink_to("missing/place")
    Path("log.jsonl").write_text("{}\n")
    Path("same").symlink_to(A)
    Path("r.py").write_text("def f(completions): return [0.0 for c in completions]\n")


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        pytest.param(("--report", NOWHERE), "isn't writable", id="2d-read-only"),
        pytest.param(("--junit", NOWHERE), "junit='/sys/r.html'", id="2d-junit"),
        pytest.param(("--sarif", NOWHERE), "sarif='/sys/r.html'", id="2d-sarif"),
        pytest.param(("--band", NOWHERE), "band='/sys/r.html'", id="2d-band"),
        pytest.param(("--json", NOWHERE), "json='/sys/r.html'", id="2d-json"),
        pytest.param(("--report", "folder"), "report='folder': it is a folder", id="2c-folder"),
        pytest.param(("--report", "no/r"), "/no' does not exist; create it", id="2c-parent"),
        pytest.param(("--report", "file/r"), "a part of its path is no folder", id="2c-below"),
        pytest.param(("--report", "loop"), "links lead nowhere", id="2c-loop"),
        pytest.param(("--report", "lost"), "missing' does not exist", id="2c-lost"),
        pytest.param(("--json", ""), "json='' is no file name", id="2c-empty"),
        pytest.param(("--report", ""), "is a folder", id="2c-empty-path"),
        pytest.param(
            ("--report", A, "--json", A), "json='a.html' is the file of report", id="2c-same"
        ),
        pytest.param(
            ("--report", A, "--band", f"./folder/../{A}"), "is the file of report", id="2c-spelling"
        ),
        pytest.param(("--junit", "same", "--report", A), "is the file of report", id="2c-link"),
        pytest.param(
            ("--rollouts", "log.jsonl", "--json", "log.jsonl"), "of rollouts too", id="2c-log"
        ),
        pytest.param(("--json", "r.py"), "of the reward r.py:f too", id="2c-reward"),
    ],
)
def test_a_place_is_refused_before_the_work(capsys, judged, tokens, says):
    _unusual()
    code, out, err = call(capsys, "validate", "r.py:f", *tokens)
    assert (code, out, judged) == (2, "", [])
    assert says in err
    assert err.count("\n") == 1
    assert not list(Path().glob(".*"))


@pytest.mark.parametrize(
    "tokens",
    [
        ("reproduce", "03", "--out", "/sys/x"),
        ("reproduce", "03", "--json", NOWHERE),
        ("reproduce", "03", "--out", "file"),
        ("ledger", "--out", NOWHERE),
        ("ledger", "--json", NOWHERE),
        ("export", "laser()", "--to", "trl", "--out", NOWHERE),
        ("transfer", "outcome()", "--json", NOWHERE),
    ],
    ids=" ".join,
)
def test_other_commands_refuse_too(capsys, tokens):
    _unusual()
    code, _, err = call(capsys, *tokens)
    assert code == 2
    assert f"{tokens[-2].removeprefix('--')}='{tokens[-1]}'" in err


# -- told after it ---------------------------------------------------------------------------------
def test_2c_disk_full_keeps_the_verdict_and_the_other_files(capsys, judged):
    tokens = ("--report", A, "--json", B, "--junit", "j.xml")
    with largest_file(20_000):  # the page is larger
        code, out, err = call(capsys, "validate", "x", *tokens)
    assert code == 2
    assert "UNSAFE" in out
    assert "Report:" not in out
    assert f"toyrl: can't write {A}: no space left" in err
    assert json.loads(Path(B).read_text())["verdict"] == "UNSAFE"
    assert sorted(p.name for p in Path().iterdir()) == [B, "j.xml"]


def test_2c_disk_full_keeps_what_reproduce_found(capsys, runs):
    runs.stops.clear()
    with largest_file(1500):  # outcomes are smaller, the page and the pictures larger
        code, out, err = call(capsys, "reproduce", "all", "--out", "o", "--json", B)
    assert code == 2
    assert "2 of 2 hold" in out
    assert out.count("holds") >= 2
    assert "can't write o/index.html: no space left" in err
    assert Path("o/02/outcome.json").is_file()
    assert not Path("o/index.html").exists()


def test_our_own_fault_keeps_the_verdict_and_is_ours(capsys, judged, monkeypatch):
    def page(report):
        raise RuntimeError("a fault of the page")

    monkeypatch.setattr("toyrl.experiments.render.html.report_page", page)
    code, out, err = call(capsys, "validate", "x")
    assert code == 3
    assert "UNSAFE" in out
    assert "a fault of the page" in err


def test_2c_disk_full_elsewhere_is_no_bug(capsys, monkeypatch):
    def validate(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    monkeypatch.setattr(api, "validate", validate)
    code, _, err = call(capsys, "validate", "x", "--no-report")
    assert (code, err) == (2, "toyrl: can't write some/file: no space left\n")


# -- stopped ---------------------------------------------------------------------------------------
def _experiment(name: str, runs: list[str]) -> Experiment:
    def run(*, power: float = 2.0, seed: int = 0) -> Result:
        runs.append(name)
        curve = Curve("c", (1.0, 2.0), (float("nan"), 3.0**power), low=(0.0, 0.0), high=(1, 2))
        return Result(
            (Check("nine", 3.0**power, 9.0, "~", 1e-12, routes=("power", "product")),),
            (Picture("p", "title", "x", "y", (curve,)),) * (name == "01"),
            (Table("t", ("a", "b"), ((1, float("inf")), ("x", None))),),
            ("a note",),
        )

    mutants = (Mutant("cube", {"power": 3.0}, ("nine",)),)
    return Experiment(name, name, name, "A square.", "Euclid", run, {}, mutants)


@dataclass
class Runs:
    """names : experiments that were run; stops : 02 is interrupted while it isn't empty."""

    names: list[str] = field(default_factory=list)
    stops: list[bool] = field(default_factory=lambda: [True])


@pytest.fixture
def runs(monkeypatch):
    """Experiments 01, with a picture, and 02, which is interrupted the first time."""
    told = Runs()
    second = _experiment("02", told.names)

    def run(**options) -> Result:
        if told.stops:
            told.stops.pop()
            raise KeyboardInterrupt
        return second.run(**options)

    known = {"01": _experiment("01", told.names), "02": replace(second, run=run)}
    monkeypatch.setattr(registry, "load", lambda: known)
    return told


def test_2c_reproduce_goes_on_where_it_was_stopped(capsys, runs):
    asked = ("reproduce", "all", "--out", "o", "-q")
    assert call(capsys, *asked)[0] == 130
    assert sorted(p.name for p in Path("o").iterdir()) == ["01"]
    there = {p.name: p.stat().st_mtime_ns for p in Path("o/01").iterdir()}
    assert set(there) == {"outcome.json", "p.png", "p.svg", "t.csv", "t.md"}
    fastjsonschema.compile(schemas.document("outcome"))(json.loads(Path(KEPT).read_text()))
    runs.names.clear()
    code, out, _ = call(capsys, *asked)
    assert code == 0
    assert "1 of 2 from an earlier run" in out
    assert set(runs.names) == {"02"}
    assert {p.name: p.stat().st_mtime_ns for p in Path("o/01").iterdir()} == there
    resumed = {p.name: p.read_text() for p in Path("o").glob("*.*")}
    assert set(resumed) == {"index.html", "results.json", "summary.md"}
    call(capsys, "reproduce", "all", "--out", "whole", "-q")
    one, other = (_timeless(Path(x) / "results.json") for x in ("o", "whole"))
    assert one == other
    assert Path("whole/summary.md").read_text() == resumed["summary.md"]


def _timeless(path: Path) -> list[dict]:
    found = json.loads(path.read_text())["results"]
    return [{k: v for k, v in r.items() if k != "seconds"} for r in found]


@pytest.mark.parametrize("other", [("--seed", "1"), ("--no-mutants",), ("--smoke",)], ids=" ".join)
def test_another_seed_or_option_is_run_anew(capsys, runs, other):
    asked = ("reproduce", "02", "--out", "o", "-q")
    runs.stops.clear()
    call(capsys, *asked)
    runs.names.clear()
    call(capsys, *asked)
    assert runs.names == []
    call(capsys, *asked, *other)
    assert "02" in runs.names


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"schema": "toyrl.outcome/1"}'])
def test_a_spoilt_outcome_is_run_anew(capsys, runs, text):
    asked = ("reproduce", "02", "--out", "o", "-q")
    runs.stops.clear()
    call(capsys, *asked)
    Path("o/02/outcome.json").write_text(text)
    runs.names.clear()
    assert call(capsys, *asked)[0] == 0
    assert runs.names


SLOW_WRITER = """
    import signal, sys, time
    from pathlib import Path
    from toyrl.experiments.cli.main import run

    def chmod(path, mode):  # the last step before a file gets its name
        print(path, flush=True)
        time.sleep(600)

    Path.chmod = chmod
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    sys.argv = ["toyrl", "export", "laser()", "--to", "trl", "--out", "out.py"]
    run()
"""


@pytest.mark.parametrize(("signal", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_2c_a_signal_cleans_up(signal, code):
    import signal as signals

    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW_WRITER)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert Path(child.stdout.readline().strip()).exists()
    child.send_signal(getattr(signals, signal))
    _, err = child.communicate()
    assert (child.returncode, err) == (code, "toyrl: interrupted\n")
    assert list(Path().iterdir()) == []
