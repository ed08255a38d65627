"""The benchmark of process rewards runs, and its loops give the same answers in both precisions."""

from __future__ import annotations

import pytest

from benchmarks import process_rewards as bench


@pytest.mark.parametrize("dtype", sorted(bench.TOLERANCE))
@pytest.mark.parametrize("name", bench.RUNS)
def test_the_released_formulas(name: str, dtype: str):
    r = bench.batch(64, 40, 4, dtype)
    assert bench.error(name, r) <= bench.TOLERANCE[dtype]


def test_the_ratio_and_the_control():
    r = bench.batch(16, 10, 4)
    assert set(bench.times("PRIME, verl", r, 1)) == {"ours", "plain loop"}
    kept = bench.RUNS["lowest step"]
    bench.RUNS["wrong"] = (kept[0], lambda r: bench.lowest_loop(r) + 1e-3)
    try:
        with pytest.raises(AssertionError, match=r"wrong: 0\.001 apart"):
            bench.error("wrong", r)
    finally:
        del bench.RUNS["wrong"]
