"""The benchmark of search worlds runs at a tiny size."""

from __future__ import annotations

from benchmarks.search_worlds import main


def test_it_runs(capsys):
    found = main(4, 5)
    assert min(found.values()) > 0
    assert "ours is" in capsys.readouterr().out
