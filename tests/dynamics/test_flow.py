"""Rests and separatrices of flows on one logit."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.flow import rests, separatrix


def test_two_basins():
    found = rests(lambda q: -(q - 0.2) * (q - 0.5) * (q - 0.9))
    assert [r.chance for r in found] == pytest.approx([0.2, 0.5, 0.9], abs=1e-9)
    assert [r.stable for r in found] == [True, False, True]
    assert separatrix(lambda q: -(q - 0.2) * (q - 0.5) * (q - 0.9)) == pytest.approx(0.5, abs=1e-9)


def test_nothing_to_separate():
    assert rests(lambda q: np.ones_like(q)) == []
    assert np.isnan(separatrix(lambda q: 0.3 - q))
    assert np.isnan(separatrix(lambda q: (q - 0.2) * (q - 0.5) * (q - 0.9)))
