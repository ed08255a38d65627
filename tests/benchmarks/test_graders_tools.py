"""The benchmark of tool-call rewards runs, and sees a reward that differs."""

from __future__ import annotations

import pytest

from benchmarks import graders_tools as bench


def test_it_runs_and_its_control(monkeypatch):
    pytest.importorskip("json_repair", reason="needs the extra tasks")
    for calls in bench.runs(16).values():
        assert {name: bool(call() or True) for name, call in calls.items()}["ours"]
    monkeypatch.setattr(bench, "PLAIN", bench.ToolCalls(granularity="coarse"))
    with pytest.raises(AssertionError):
        bench.runs(16)
