"""The benchmark of writers' rewards runs, and sees a reward that differs."""

from __future__ import annotations

import pytest

from benchmarks import graders_writing as bench


def test_it_runs_and_its_control(monkeypatch):
    for calls in bench.runs(4).values():
        assert len(calls["ours"]()) == 4
    monkeypatch.setattr(bench, "PATTERNS", bench.ReasoningPatterns(divisor=40))
    with pytest.raises(AssertionError):
        bench.runs(4)
