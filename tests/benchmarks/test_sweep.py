"""The benchmark of sweeps runs, and a batch of cells agrees with a call for each."""

from __future__ import annotations

from benchmarks import sweep as bench


def test_a_batch_agrees_with_a_call_a_cell(capsys):
    bench.main(["--side", "8", "--updates", "20", "--peer", "4"])
    assert "times as long" in capsys.readouterr().out
