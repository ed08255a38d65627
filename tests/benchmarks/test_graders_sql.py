"""The benchmark of the reward for SQL runs, and stops where the two sides differ."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlglot", reason="needs the extra tasks")
from benchmarks import graders_sql as bench
from toyrl.graders.sql import batch as sql_batch


def test_it_runs_and_a_wrong_answer_stops_it(tmp_path, monkeypatch):
    path = tmp_path / "shop.sqlite"
    bench.build(path, 0.05)
    found = bench.times(path, 20)
    assert list(found) == ["run the query", "names and bigrams", "the whole reward"]
    assert all(min(pair) > 0 for pair in found.values())
    monkeypatch.setattr(bench, "ROWS", 1)
    with pytest.raises(AssertionError, match="SELECT"):
        bench.times(path, 20)


def test_threads_give_what_one_by_one_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(sql_batch, "processors", lambda: 2)
    path = tmp_path / "shop.sqlite"
    bench.build(path, 0.02)
    found = bench.side_by_side(path, 6, 2, turns=1)
    assert list(found) == ["a lookup", "a search of all rows"]
    assert all(gain > 0 for gain in found.values())
