"""The benchmark of logs runs."""

from __future__ import annotations

import pytest

from benchmarks import logged as bench


@pytest.mark.slow
def test_parts_have_times():
    times = bench.times(20, 4, draws=2, drawn=64)
    assert len(times) == len(bench.REWARDS) + 2
    assert min(times.values()) >= 0
