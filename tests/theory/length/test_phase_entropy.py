"""Thresholds of PEAR by sums over outcomes and by the shaper; entropy of one state by its law."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.length.phase_entropy import (
    pear_dominant_alpha,
    pear_free_alpha,
    pear_switch,
    stop_entropy,
    stop_entropy_peak,
)


def worth(p: float, charge: float, s: float, fmt: float) -> float:
    """Expected reward of a mode, outcome by outcome."""
    return p * (s - charge) + (1 - p) * fmt


@pytest.mark.parametrize(("s", "fmt"), [(1.0, 0.0), (0.8, 0.1)])
@pytest.mark.parametrize(("concise", "verbose"), [(0.0, 0.3), (0.1, 0.5)])
def test_at_the_switch_both_modes_are_worth_the_same(concise, verbose, s, fmt):
    ratio = float(pear_switch(concise, verbose, s, fmt))
    assert ratio > 1
    p = 0.3
    assert worth(ratio * p, verbose, s, fmt) == pytest.approx(worth(p, concise, s, fmt), abs=1e-15)
    for scale, better in ((0.99, concise), (1.01, verbose)):
        values = {c: worth(q, c, s, fmt) for c, q in ((concise, p), (verbose, scale * ratio * p))}
        assert max(values, key=values.__getitem__) == better


def test_ends():
    assert pear_switch(0.2, 1.0) == np.inf
    assert pear_switch(0.2, 1.5) == np.inf
    assert pear_free_alpha([1.2, 0.0, 0.5], [0.2, 0.0, 0.0]).tolist() == [
        pytest.approx(6), 0.0, np.inf]  # fmt: skip
    assert pear_dominant_alpha([0.5, 0.5, 2.0, 2.0], [0.1, 0.0, 0.5, 0.0]).tolist() == [
        -5.0, -np.inf, 2.0, np.inf]  # fmt: skip


@pytest.mark.parametrize("fillers", [1, 2, 9])
def test_one_state(fillers: int):
    q = np.linspace(0, 1, 2001)
    law = np.concatenate([q[:, None], np.tile((1 - q)[:, None] / fillers, fillers)], axis=1)
    want = -(law * np.log(np.where(law > 0, law, 1))).sum(-1)
    assert stop_entropy(q, fillers) == pytest.approx(want, abs=1e-12)
    peak = float(stop_entropy_peak(fillers))
    assert stop_entropy(peak, fillers) == pytest.approx(np.log(fillers + 1))
    assert q[want.argmax()] == pytest.approx(peak, abs=1e-3)
