"""What a merge keeps of the noise, and best lengths under limits by difficulty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from toyrl.theory.length.merging import limits_by_difficulty, merge_noise_kept


@pytest.mark.parametrize(("s", "t"), [(0.2, 0.25), (0.0, 0.25), (0.24, 0.25), (0.1, 0.9)])
def test_noise_by_quadrature(s: float, t: float):
    z = norm.isf((t - s) / (1 - s) / 2)
    want = 0.49 * 2 * quad(lambda x: x**2 * norm.pdf(x), z, np.inf)[0]
    assert merge_noise_kept(s, t) == pytest.approx(want, rel=1e-9)


def test_ends():
    assert merge_noise_kept(0.25) == 0
    assert merge_noise_kept(0.3) == 0
    assert merge_noise_kept(0.0, 1.0, 0.7) == pytest.approx(0.49)  # plain interpolation
    assert 0.09 < merge_noise_kept(0.226) < 0.1 < merge_noise_kept(0.22)


@pytest.mark.parametrize("tau", [2.0, 10.0, 23.0, 24.0, 35.0, 46.0, 60.0, 500.0])
def test_limits_by_enumeration(tau: float):
    n = np.linspace(0.01, 100, 10_000)
    p = 1 - np.exp(-n / tau)
    paid = np.where(n <= np.where(p >= 0.5, 16.0, 32.0), p, 0.0)
    assert limits_by_difficulty(tau, 16.0, 32.0) == pytest.approx(n[paid.argmax()], abs=0.011)
