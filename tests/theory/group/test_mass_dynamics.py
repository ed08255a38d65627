"""Mass dynamics: conservation, invariances, the turning point, effective numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.group import mass_dynamics as theory
from toyrl.theory.policies import softmax
from toyrl.theory.selection.best_of_k import success_of_best

logits = st.lists(st.floats(-4, 4), min_size=2, max_size=6).map(np.array)


@given(logits, st.integers(0, 1000), st.floats(-3, 3), st.floats(0.1, 5))
def test_the_flow_conserves_and_ignores_constants(z, seed, shift, scale):
    r = np.random.default_rng(seed).standard_normal(len(z))
    dz = theory.flow(z, r)
    assert dz.sum() == pytest.approx(0, abs=1e-12)
    assert theory.flow(z, r + shift) == pytest.approx(dz, abs=1e-12)
    assert theory.flow(z, scale * r) == pytest.approx(scale * dz, abs=1e-12)
    pi = softmax(z)
    rise = (pi * (dz - pi @ dz)) @ r  # of the mean reward
    assert rise == pytest.approx((pi**2 * (r - pi @ r) ** 2).sum(), abs=1e-12)


def test_two_answers_follow_the_logistic_law():
    """logit' = 2 x (1-x) D."""
    times = np.linspace(0, 20, 50)
    pi = softmax(theory.integrate([0.2, 0.8], [1.0, 0.0], times))
    logit = np.log(pi[:, 0] / pi[:, 1])
    slope = np.gradient(logit, times)
    assert slope[2:-2] == pytest.approx((2 * pi[:, 0] * pi[:, 1])[2:-2], rel=0.02)


def test_turning_points_need_a_best_and_a_worst():
    t = theory.turning([0.49, 0.02, 0.49], [0.8, 1.0, 0.0])
    assert t.ratio == pytest.approx(0.5)
    assert t.at < t.escape
    with pytest.raises(ValueError, match="second answer must be best"):
        theory.turning([0.4, 0.2, 0.4], [1.0, 1.0, 0.0])


def test_pass_at_k_and_effective_numbers():
    assert success_of_best(0.5, 2) == 0.75
    assert success_of_best(1e-12, 64) == pytest.approx(6.4e-11)
    assert theory.effective_number([0.25] * 4) == pytest.approx(4)
    assert theory.effective_number([[1.0, 0.0], [3.0, 3.0]]) == pytest.approx([1, 2])
