"""The bump's zero by its root, and the pace of the format by differences of the objective."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

from toyrl.shapers.label_free.format_length import bump
from toyrl.theory.length.format_length import bump_zero, format_speed


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_zero(p: float):
    found = brentq(lambda x: float(bump(np.array([x]), p)[0]), p, 1.0, xtol=1e-13)
    assert bump_zero(p) == pytest.approx(found, abs=1e-11)


def test_speed_by_the_slopes_of_both_objectives():
    pi, a, q, h = np.array([0.2, 0.8]), np.array([0.9, 0.1]), 0.1, 1e-6
    slopes = [((q + h) * x - (q - h) * x) / (2 * h) for x in (0.5, float(pi @ a))]
    assert format_speed(pi, a) == pytest.approx(slopes[0] / slopes[1], rel=1e-8)
    assert format_speed([1.0], [0.0]) == np.inf
