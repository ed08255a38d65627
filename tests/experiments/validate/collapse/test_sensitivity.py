"""Sobol indices of outcomes over worlds: known functions, noise, both estimators."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from toyrl.experiments.validate.collapse.sensitivity import (
    describe,
    first_order,
    indices,
    total_order,
)

U = qmc.Sobol(3, rng=0).random_base2(10)


def test_an_additive_function_has_the_textbook_indices():
    """Y = 2 a + b: Var = 4/12 + 1/12, so 0.8 and 0.2; c has none."""
    y = 2 * U[:, 0] + U[:, 1]
    found = [float(first_order(U[:, i], y[:, None])[0]) for i in range(3)]
    assert found == pytest.approx([0.8, 0.2, 0.0], abs=0.02)
    total = total_order(lambda u: 2 * u[:, 0] + u[:, 1], 3, n=512)
    assert total == pytest.approx([0.8, 0.2, 0.0], abs=0.02)


def test_pure_interaction_is_seen_by_total_indices_alone():
    def checkers(u):
        return ((u[:, 0] > 0.5) ^ (u[:, 1] > 0.5)) * 1.0

    assert first_order(U[:, 0], checkers(U)[:, None])[0] < 0.02
    assert total_order(checkers, 3, n=512)[:2] == pytest.approx([1, 1], abs=0.1)
    finding, _ = describe(indices({"a": U[:, 0], "b": U[:, 1]}, checkers(U) > 0))
    assert "interaction" in finding.message


def test_the_deciding_parameter_is_named_and_noise_is_not():
    few = U[:250]
    found = indices({"rho": few[:, 0], "slip": few[:, 1]}, few[:, 0] > 0.6)
    assert [i.name for i in found if i.matters] == ["rho"]
    finding, table = describe(found)
    assert "rho" in finding.message
    assert "slip" not in finding.message
    assert table is not None


def test_control_random_outcomes_rarely_matter():
    rng = np.random.default_rng(0)
    named = sum(
        any(i.matters for i in indices({"x": rng.random(100)}, rng.random(100) > 0.5, seed=k))
        for k in range(40)
    )
    assert named <= 6  # 5 % of 40 is 2


def test_discrete_parameters_keep_their_values_and_constants_are_left_out():
    t = np.tile([250, 500, 1000], 80).astype(float)
    found = indices({"T": t, "fixed": np.ones(240)}, t > 300)
    assert [i.name for i in found] == ["T"]
    assert found[0].first == pytest.approx(1.0, abs=0.01)


def test_equal_outcomes_say_nothing():
    finding, table = describe(indices({"x": U[:, 0]}, np.zeros(len(U), bool)))
    assert "alike" in finding.message
    assert table is None
