"""The benchmark of selection runs, and its peers give the same answers."""

from __future__ import annotations

from benchmarks import selection as bench


def test_peers_agree():
    assert set(bench.pass_times(9, 8, 1)) == {"ours", "product form"}
    assert set(bench.band_times(5, 6, 1)) == {"ours", "the product alone"}
    times = bench.pool_times(7, 6, 1)
    assert set(times) == {"ours", "ours, gold of the best", "np.sort and product alone"}
    assert set(bench.exact_against_sampled(50, 4, 2000)) == {"ours", "sampled, to 1e-3"}
    times = bench.scaling_times(10_000)
    assert times["of this, reading"] < times["ours"]
