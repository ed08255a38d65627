"""The benchmark of relevance and capsules runs, and both give scikit-learn's numbers."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn", reason="needs the extra tasks")
from benchmarks import graders_relevance as bench


def test_rewards_have_rates():
    found = bench.times(16, 30)
    assert len(found) == 2
    assert all(rate > 0 for rate, *_ in found.values())
