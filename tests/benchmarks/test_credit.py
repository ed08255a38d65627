"""The benchmark of credit runs, and finds the weights that it made."""

from __future__ import annotations

from benchmarks import credit as bench


def test_times():
    times = bench.credit_times(400)
    assert times["of this, reading"] < times["ours"]
