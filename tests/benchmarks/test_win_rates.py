"""The benchmark of win rates runs, and its double loop gives the same advantages."""

from __future__ import annotations

import pytest

from benchmarks import win_rates as bench


@pytest.mark.parametrize("kind", ["tables", "scores"])
def test_peers_agree(kind: str):
    names = {"ours", "double loop", "mean over the table alone"}
    assert set(bench.times(kind, 9, 8, 5, 1)) == names
