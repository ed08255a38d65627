"""The benchmark of logs runs."""

from __future__ import annotations

from benchmarks import logged as bench


def test_parts_have_times():
    times = bench.times(40, 4)
    assert len(times) == len(bench.REWARDS) + 2
    assert min(times.values()) >= 0
