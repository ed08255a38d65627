"""Drift and threshold of the penalty on wrong short answers, by sums over classes."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.length.brevity import (
    TwoModes,
    brevity_charge,
    brevity_drift,
    brevity_weight,
    hybrid_bias_limit,
)


def slow_drift(m: TwoModes, q: float, alpha: float) -> float:
    """q (1 - q) times the difference of the modes' mean rewards, class by class."""
    classes = [(c * p, x, n, right, mode) for c, p0, n, mode in
               ((1 - q, m.p_short, m.l_short, 0), (q, m.p_long, m.l_long, 1))
               for right, p, x in ((1, p0, 1.0), (0, 1 - p0, 0.0))]  # fmt: skip
    mass = sum(w for w, _, _, right, _ in classes if right)
    reference = sum(w * n for w, _, n, right, _ in classes if right) / mass
    mean = {0: 0.0, 1: 0.0}
    for w, x, n, right, mode in classes:
        charge = 0.0 if right else alpha * max(0.0, 1 - n / (m.tau * reference))
        mean[mode] += w * (x + m.bias * (mode == 0) - charge)
    return q * (1 - q) * (mean[1] / q - mean[0] / (1 - q))


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize("tau", [0.3, 1.0, 3.0])
def test_drift(q: float, alpha: float, tau: float):
    m = TwoModes(tau=tau)
    assert brevity_drift(m, q, alpha) == pytest.approx(slow_drift(m, q, alpha), abs=1e-14)


def test_threshold():
    m, q = TwoModes(), 1 / (1 + np.exp(-1))
    star = float(brevity_weight(m, q))
    assert star == pytest.approx(0.1322, abs=5e-5)
    assert brevity_drift(m, q, star) == pytest.approx(0, abs=1e-15)
    assert brevity_charge(m, 0.0) == 0
    assert brevity_weight(m, 0.0) == np.inf
    assert hybrid_bias_limit(0.3, 0.2).tolist() == pytest.approx([0.25, 0.5])
