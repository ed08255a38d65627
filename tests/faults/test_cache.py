"""The cache: values that are none, a file held, spoilt or another's, places without room."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from pathlib import Path

import pytest

from tests.experiments.commands.command import call
from tests.experiments.validate.text_probes import rows
from tests.faults.limits import largest_file
from toyrl.experiments.api import validate
from toyrl.experiments.errors import UsageError
from toyrl.rewards.cache import CacheError, ValueCache
from toyrl.rewards.user import load

REWARD = """
ASKED = "asked.txt"

def reward(completions, **kwargs):
    with open(ASKED, "a") as file:
        file.write("x" * len(completions))
    return [float(len(c) % 7) for c in completions]
"""
FILE = Path("c/rewards.sqlite")


def written() -> None:
    Path("r.py").write_text(REWARD.replace("asked.txt", str(Path("asked.txt").resolve())))


def asked() -> int:
    return len(Path("asked.txt").read_text())


@contextlib.contextmanager
def opened():
    with contextlib.closing(sqlite3.connect(FILE)) as base, base:
        yield base


def cached(values: dict[str, float | None]) -> None:
    cache = ValueCache("c")
    cache.keep("r", values)
    cache.close()


# -- values ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("value", ["text", b"bytes", math.inf, -math.inf], ids=repr)
def test_5b_values_that_are_no_numbers_are_unknown(value):
    cached({"a": 1.0, "b": 2.0, "c": None})
    with opened() as base:
        base.execute("UPDATE value SET value = ? WHERE value = 2.0", (value,))
    cache = ValueCache("c")
    assert cache.find("r", ["a", "b", "c"]) == {"a": 1.0, "c": None}
    assert cache.spoilt == 1
    cache.close()


def test_5b_they_are_asked_anew_with_a_note():
    written()
    texts = rows(12)
    with load("r.py:reward", cache="c") as reward:
        want = reward.score(texts)
        assert not any("asked anew" in note for note in reward.notes)
    counts = []
    for _ in range(2):
        with opened() as base:
            base.execute("UPDATE value SET value = 'x' WHERE rowid IN (SELECT rowid FROM value "
                         "LIMIT 3)")  # fmt: skip
        before = asked()
        with load("r.py:reward", cache="c") as reward:
            assert reward.score(texts) == want
            assert "values in the cache that are no finite numbers are asked anew" in reward.notes
        counts.append(asked() - before)
    before = asked()
    with load("r.py:reward", cache="c") as reward:
        assert reward.score(texts) == want
    assert [count - (asked() - before) for count in counts] == [3, 3]


# -- files -----------------------------------------------------------------------------------------
def garbage() -> None:
    FILE.write_text("not a database, but long enough " * 40)


def damaged() -> None:
    cached({f"k{i}": float(i) for i in range(2000)})
    data = FILE.read_bytes()
    FILE.write_bytes(data[:40] + b"\xff" * 3000 + data[3040:])


def other_columns() -> None:
    with opened() as base:
        base.execute("CREATE TABLE value (reward TEXT, prompt TEXT, value REAL)")


def other_tables() -> None:
    with opened() as base:
        base.execute("CREATE TABLE accounts (name TEXT)")


def newer() -> None:
    cached({})
    with opened() as base:
        base.execute("PRAGMA user_version = 2")


def folder_there() -> None:
    FILE.mkdir()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (garbage, "it is no cache but another file"),
        (damaged, "move the file away"),
        (other_columns, "it is no cache of this toyrl"),
        (other_tables, "it is no cache of this toyrl"),
        (newer, "it is no cache of this toyrl"),
        (folder_there, "it can't be written"),
    ],
)
def test_5b_another_file(capsys, spoil, says):
    FILE.parent.mkdir()
    spoil()
    before = FILE.read_bytes() if FILE.is_file() else b""
    written()
    code, out, err = call(capsys, "validate", "r.py:reward", "--cache", "c", "-q")
    assert (code, out) == (2, "")
    assert "cache='c/rewards.sqlite' can't be used: " in err
    assert says in err
    assert "bug" not in err
    assert before == (FILE.read_bytes() if FILE.is_file() else b"")


def test_5b_held_by_another_process(capsys):
    cached({})
    written()
    with contextlib.closing(sqlite3.connect(FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, out, err = call(capsys, "validate", "r.py:reward", "--cache", "c", "-q")
    assert (code, out) == (2, "")
    assert "another process uses it; wait for its end, or name another folder" in err


def test_5b_held_while_it_is_written(monkeypatch):
    monkeypatch.setattr("toyrl.rewards.cache.WRITING", 0.1)
    cache = ValueCache("c")
    with contextlib.closing(sqlite3.connect(FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(CacheError, match="another process uses it"):
            cache.keep("r", {"a": 1.0})
        with pytest.raises(CacheError, match="another process uses it"):
            cache.find("r", ["a"])
    cache.keep("r", {"a": 1.0})
    assert cache.find("r", ["a"]) == {"a": 1.0}
    cache.close()


# -- places ----------------------------------------------------------------------------------------
def test_2d_read_only(capsys):
    code, _, err = call(capsys, "validate", "outcome()", "--cache", "/sys/c")
    assert (code, err.count("\n")) == (2, 1)
    assert "cache='/sys/c': the folder can't be made (permission denied)" in err
    with pytest.raises(CacheError, match="the folder can't be made"):
        ValueCache("/sys/c")
    with pytest.raises(CacheError, match="it can't be written"):
        ValueCache("/sys")
    Path("file").touch()
    with pytest.raises(CacheError, match="is a file; name a folder"):
        ValueCache("file")


def test_2c_no_space_at_first(capsys):
    written()
    with largest_file(1000):
        code, out, err = call(capsys, "validate", "r.py:reward", "--cache", "c", "--no-report")
    assert (code, out) == (2, "")
    assert "cache='c/rewards.sqlite' can't be used" in err
    assert "no space left" in err


def test_2c_no_space_later():
    written()
    cached({})
    with largest_file(FILE.stat().st_size + 4096), pytest.raises(UsageError, match="no space left"):
        validate("r.py:reward", cache="c", worlds=1)
