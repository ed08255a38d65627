"""Calls in worker threads and processes, and files inside packages."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.places import in_thread
from toyrl.rewards.specs import parse_spec
from toyrl.rewards.user import load

ROWS = [TextRow("2+2?", f"The answer is {n}.", {"answer": "4"}, tokens=5) for n in (4, 5, 44)]
SOURCE = """
import multiprocessing, os, signal, threading

HOME = threading.get_ident(), os.getpid()

def fair(completions, answer, **kwargs):
    return [float(a in c) for c, a in zip(completions, answer)]

def alarmed(completions, answer, **kwargs):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.alarm(5)
    try:
        return fair(completions, answer)
    finally:
        signal.alarm(0)

def swallowed(completions, answer, **kwargs):
    try:
        return alarmed(completions, answer)
    except ValueError:
        return [0.0 for _ in completions]

def pool(completions, answer, **kwargs):
    with multiprocessing.get_context("fork").Pool(1) as workers:
        return workers.map(float, [a in c for c, a in zip(completions, answer)])

def where(completions, **kwargs):
    return [float((threading.get_ident(), os.getpid()) == HOME) for _ in completions]

async def later(completions, answer, **kwargs):
    return fair(completions, answer)

def ends(completions, **kwargs):
    if os.getpid() != HOME[1]:
        os._exit(3)
    return [0.0 for _ in completions]
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("places") / "in_places.py"
    place.write_text(SOURCE)
    return place


def values(file: Path, name: str, where):
    with load(f"{file}:{name}", timeout=20.0) as reward:
        return reward.texts[0].raw(ROWS, where=where)


@pytest.mark.parametrize("name", ["fair", "later"])
def test_a_sound_function_answers_alike_everywhere(file, name):
    with load(f"{file}:{name}") as reward:
        (text,) = reward.texts
        found = [text.raw(ROWS, where=w) for w in ("main", "thread", "process", "main")]
    assert found == [[1.0, 0.0, 1.0]] * 4


def test_it_is_another_thread_and_another_process(file):
    found = {w: values(file, "where", w)[0] for w in ("main", "thread", "process")}
    assert found == {"main": 1.0, "thread": 0.0, "process": 0.0}


def test_an_alarm_works_in_the_main_thread_only(file):
    assert values(file, "alarmed", "process") == [1.0, 0.0, 1.0]
    with pytest.raises(RewardError, match="signal only works in main thread"):
        values(file, "alarmed", "thread")
    assert values(file, "swallowed", "thread") == [0.0, 0.0, 0.0]


def test_a_worker_process_has_no_children_and_its_end_is_told(file):
    assert values(file, "pool", "main") == [1.0, 0.0, 1.0]
    with pytest.raises(RewardError, match="daemonic processes are not allowed"):
        values(file, "pool", "process")
    with pytest.raises(RewardError, match="without an answer"):
        values(file, "ends", "process")


def test_the_two_places_hand_on_values_and_errors():
    home = threading.get_ident()
    assert in_thread(threading.get_ident) != home
    # Forked from a process of its own: this one may hold JAX, whose threads no fork survives.
    code = (
        "import os\n"
        "from toyrl.rewards.places import in_process\n"
        "assert in_process(os.getpid) != os.getpid()\n"
        "print(in_process(lambda: {'a': [1, None]}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': [1, None]}\n"
    with pytest.raises(ZeroDivisionError):
        in_thread(lambda: 1 / 0)


def test_a_live_function_is_called_in_a_thread():
    home = threading.get_ident()

    def here(text):
        return float(threading.get_ident() == home and len(text) > 0)

    with load(here) as reward:
        (text,) = reward.texts
        assert text.raw(ROWS) == [1.0] * 3
        assert text.raw(ROWS, where="thread") == [0.0] * 3


# -- packages ------------------------------------------------------------------------------------
def package(folder: Path, init: str, *, marked: bool = True) -> Path:
    inner = folder / "ours" / "rewards"
    inner.mkdir(parents=True)
    for place in (inner, inner.parent) if marked else ():
        (place / "__init__.py").write_text(init if place is inner.parent else "")
    (inner.parent / "common.py").write_text("FACTOR = 2.0\n")
    (inner / "helper.py").write_text(
        "from ..common import FACTOR\ndef size(c):\n    return FACTOR * len(c)\n"
    )
    (inner / "mine.py").write_text(
        "from .helper import size\n"
        "def reward(completions, **kwargs):\n    return [size(c) for c in completions]\n"
    )
    (inner / "absolute.py").write_text(
        "from ours.rewards.helper import size\n"
        "def reward(completions, **kwargs):\n    return [size(c) for c in completions]\n"
    )
    (inner / "alone.py").write_text(
        "def reward(completions, **kwargs):\n    return [float(__name__ == 'user_reward_alone')]\n"
    )
    return inner


@pytest.mark.parametrize("init", ["", "import a_package_that_is_not_installed\n"])
@pytest.mark.parametrize("name", ["mine", "absolute"])
def test_a_file_inside_a_package_finds_its_neighbours(tmp_path, init, name):
    inner = package(tmp_path, init)
    with load(f"{inner / name}.py:reward") as reward:
        assert reward.score(ROWS[:1]) == [2.0 * len(ROWS[0].completion)]


def test_relative_imports_work_without_init_files(tmp_path):
    inner = package(tmp_path, "", marked=False)
    with load(f"{inner / 'mine.py'}:reward") as reward:
        assert reward.score(ROWS[:1]) == [2.0 * len(ROWS[0].completion)]


def test_a_file_that_needs_no_neighbour_runs_no_init(tmp_path):
    inner = package(tmp_path, "raise SystemExit(3)\n")
    with load(f"{inner / 'alone.py'}:reward") as reward:
        assert reward.score(ROWS[:1]) == [1.0]


def test_an_error_of_a_neighbour_is_told(tmp_path):
    inner = package(tmp_path, "")
    (inner / "helper.py").write_text("import a_module_that_is_not_installed\n")
    with pytest.raises(RewardError, match="needs the module 'a_module_that_is_not_installed'"):
        load(f"{inner / 'mine.py'}:reward")


# -- factories and typos -------------------------------------------------------------------------
def test_factories_take_literals_by_place(tmp_path):
    file = tmp_path / "made.py"
    file.write_text(
        "def make(a, b, c=0):\n"
        "    return lambda text: float(a + len(b) + c)\n"
        "class Steady:\n"
        "    def __init__(self, value):\n        self.value = value\n"
        "    def __call__(self, text):\n        return self.value\n"
    )
    target = parse_spec(f"{file}:make(1, 'xy', c=0.5)").target
    assert (target.places, target.arguments) == (("1", "'xy'"), {"c": "0.5"})
    with load(f"{file}:make(1, 'xy', c=0.5)") as reward:
        assert reward.score(ROWS[:1]) == [3.5]
    with load(f"{file}:Steady(-2.5)") as reward:
        assert reward.score(ROWS[:1]) == [-2.5]
    with pytest.raises(RewardError, match=r"make\(1\) raised TypeError"):
        load(f"{file}:make(1)")


def test_only_a_likely_typo_is_answered_with_another_name(tmp_path):
    (tmp_path / "fmt.py").write_text("def brevity(text):\n    return 1.0\n")
    with pytest.raises(RewardError, match="give the path of a Python file"):
        parse_spec(str(tmp_path / "nofile.py"))
    with pytest.raises(RewardError, match=r"did you mean .*fmt\.py"):
        parse_spec(str(tmp_path / "fnt.py:brevity"))
    with pytest.raises(RewardError, match="did you mean brevity"):
        load(f"{tmp_path / 'fmt.py'}:brevit")
    with pytest.raises(RewardError, match="has no 'tags'; its functions: brevity"):
        load(f"{tmp_path / 'fmt.py'}:tags")
