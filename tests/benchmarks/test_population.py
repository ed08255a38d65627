"""The benchmark of population search runs, and stops where its kernels disagree."""

from __future__ import annotations

import pytest

from benchmarks import population as bench


def test_benchmark_runs():
    assert bench.rate("novelty search", 300) > 0
    assert min(bench.kernel_times(100, 1).values()) > 0


def test_control_a_wrong_kernel_stops_it(monkeypatch):
    monkeypatch.setattr(bench, "novelty", lambda x, y: bench.novelty_score(x, y) + 1.0)
    with pytest.raises(AssertionError, match="apart"):
        bench.kernel_times(100, 1)
