"""Pay around a budget for normal lengths, against quadrature; the skill's clock."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from toyrl.theory.length.budget import budget_carry_over, budget_pay, budget_pull, skill_clock


def triangle(x: float, budget: float) -> float:
    return float(max(0.0, min(x / budget, 2 - x / budget)))


@pytest.mark.parametrize("mean", [30.0, 87.0, 120.0, 174.0, 258.0])
@pytest.mark.parametrize("spread", [5.0, 20.0])
def test_pay_and_pull_by_quadrature(mean: float, spread: float):
    law, ends = norm(mean, spread), (mean - 12 * spread, mean + 12 * spread)
    kinks = [k for k in (0.0, 87.0, 174.0) if ends[0] < k < ends[1]]
    pay = quad(lambda x: law.pdf(x) * triangle(x, 87), *ends, points=kinks)[0]
    score = quad(lambda x: law.pdf(x) * (x - mean) / spread**2 * triangle(x, 87), *ends,
                 points=kinks)[0]  # fmt: skip
    assert budget_pay(mean, spread, 87) == pytest.approx(pay, abs=1e-8)
    assert budget_pull(mean, spread, 87) == pytest.approx(score, abs=1e-9)


def test_without_spread_it_is_the_triangle():
    x = np.array([0.0, 40.0, 87.0, 130.0, 174.0, 300.0])
    assert budget_pay(x, 0.0, 87.0).tolist() == pytest.approx([triangle(v, 87) for v in x])


def test_published_decays():
    """The three decays of the ablation keep 0, 0.571 and 0.833 of the peak."""
    assert budget_carry_over([0.34, 0.5, 0.7, 0.857]).tolist() == pytest.approx(
        [0, 0, 0.571, 0.833], abs=5e-4
    )
    assert budget_carry_over(2.0) == 0.5


def test_the_clock_runs_at_the_pace_of_the_skill():
    u, h = np.linspace(-3, 3, 13), 1e-6
    a = 1 / (1 + np.exp(-u))
    slope = (skill_clock(u + h) - skill_clock(u - h)) / (2 * h)
    assert slope * a * (1 - a) == pytest.approx(np.ones(13), rel=1e-8)
