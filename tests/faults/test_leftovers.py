"""What a killed process left under a temporary name: removed by the next that writes there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.places import ROOT
from toyrl import files
from toyrl.files import clear_leftovers, temporary, write_file

KILLED = """
    import os, signal
    from pathlib import Path
    from toyrl.files import write_file

    Path.chmod = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # the last step before the name
    write_file("r.html", "half")
"""


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(files, "_CLEARED", set())


def aged(path: Path) -> Path:
    old = path.lstat().st_mtime - 2 * files.UNTOUCHED
    os.utime(path, (old, old))
    return path


def test_2c_what_a_killed_writer_left():
    line = [sys.executable, "-c", textwrap.dedent(KILLED)]
    done = subprocess.run(line, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = Path().iterdir()
    assert left.name.startswith(".r.html.")
    write_file("r.html", "whole")
    assert left.exists()  # it could be of another machine's process, at work
    aged(left)
    files._CLEARED.clear()
    write_file("r.html", "whole")
    assert [p.name for p in Path().iterdir()] == ["r.html"]
    assert Path("r.html").read_text() == "whole"


def dead() -> int:
    """The number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_only_what_is_left_is_removed():
    place, gone = Path("r[1].html").absolute(), dead()
    mine = aged(_made(f"{temporary(place)}x"))
    kept = [mine, *(aged(_made(n)) for n in (".r[1].html.backup", ".r1.html.5-x", f".q.{gone}-x"))]
    young = _made(f".r[1].html.{gone}-y")
    left = aged(_made(f".r[1].html.{gone}-z"))
    clear_leftovers(place)
    assert not left.exists()
    assert all(p.exists() for p in (*kept, young))


def _made(name: str) -> Path:
    path = Path(name).absolute()
    path.write_text("x")
    return path


def test_folders_too():
    place = Path("tiny-0123").absolute()
    left = Path(f".tiny-0123.{dead()}-model")
    left.mkdir()
    (left / "model.safetensors").write_text("x")
    aged(left)
    clear_leftovers(place)
    assert not left.exists()
