"""The benchmark of the reward for SQL runs, and stops where the two sides differ."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlglot", reason="needs the extra tasks")
from benchmarks import graders_sql as bench


def test_it_runs_and_a_wrong_answer_stops_it(tmp_path, monkeypatch):
    path = tmp_path / "shop.sqlite"
    bench.build(path, 0.05)
    found = bench.times(path, 20)
    assert list(found) == ["run the query", "names and bigrams", "the whole reward"]
    assert all(min(pair) > 0 for pair in found.values())
    monkeypatch.setattr(bench, "ROWS", 1)
    with pytest.raises(AssertionError, match="SELECT"):
        bench.times(path, 20)
