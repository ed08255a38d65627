"""The benchmark of unit tests runs, and sees ways that differ."""

from __future__ import annotations

import pytest

from benchmarks import graders_code as bench


def test_it_runs_and_its_control(monkeypatch):
    found = bench.times(3, 2, 0.0)
    assert list(found) == ["2 workers", "one worker", "an interpreter each"]
    monkeypatch.setattr(bench, "apart", lambda texts: [1.0] * len(texts))
    with pytest.raises(AssertionError):
        bench.times(3, 2, 0.0)
