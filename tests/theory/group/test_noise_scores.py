"""z-scores of noise: quadrature, simulation, the estimator itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi

from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.theory.group import noise_scores as theory


@pytest.mark.parametrize("size", [2, 3, 8, 16, 100])
def test_the_mean_spread_by_quadrature(size: int):
    """D^2 N ~ chi^2 with N - 1 degrees of freedom."""
    want = quad(lambda x: x * chi.pdf(x, size - 1), 0, np.inf)[0] / np.sqrt(size)
    assert theory.mean_group_std(size) == pytest.approx(want, rel=1e-7)


@pytest.mark.parametrize(("size", "sigma"), [(2, 1.0), (4, 0.3), (8, 1.5), (16, 3.0)])
def test_alignment_and_error_by_simulation(size: int, sigma: float):
    rng = np.random.default_rng(size)
    eps = sigma * rng.standard_normal((60_000, size))
    a = PRESETS["grpo_population"].advantages(eps, Rollouts(eps, eps, 1.0))
    for each, want in (
        ((eps * a).mean(-1), theory.z_score_alignment(sigma, size)),
        (((a - eps) ** 2).mean(-1), theory.z_score_error(sigma, size)),
    ):
        assert abs(each.mean() - want) < 4.5 * each.std() / np.sqrt(len(each))


def test_the_error_is_least_at_c_and_grows_beyond():
    c = float(theory.mean_group_std(8))
    sigma = np.linspace(0.01, 4, 400)
    error = theory.z_score_error(sigma, 8)
    assert abs(sigma[error.argmin()] - c) < 0.01
    assert theory.z_score_error(c, 8) == pytest.approx(1 - c**2)
    assert (np.diff(error[sigma > c]) > 0).all()
    # Never exact: even an infinite group's scores have length 1, the noise has length sigma.
    assert theory.z_score_error(1.0, np.inf) == 0
    assert theory.z_score_error(2.0, np.inf) == 1
    with pytest.raises(ValueError, match="group_size=1"):
        theory.mean_group_std(1)
