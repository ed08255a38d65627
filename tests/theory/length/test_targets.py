"""Where LASER stops and where its targets settle, against slow definitions."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.length import targets


def value(shaper: str, p: float, inside: bool, alpha: float, rho: float) -> float:
    """Expected reward by the four cases of (outcome, side of the target)."""
    right = 1 + alpha * inside
    wrong = rho + (alpha * (not inside) if shaper == "de" else 0)
    return p * right + (1 - p) * wrong


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("rho", [-0.5, 0.0])
@pytest.mark.parametrize("longest", [0.3, 0.6, 1.0])
def test_at_the_switch_both_lengths_are_worth_the_same(alpha: float, rho: float, longest: float):
    for name, ratio in (
        ("laser", targets.laser_switch(alpha, rho)),
        ("de", targets.laser_de_switch(longest, alpha, rho)),
    ):
        stay = value(name, float(ratio) * longest, True, alpha, rho)
        assert stay == pytest.approx(value(name, longest, False, alpha, rho), abs=1e-14)


def test_published_numbers():
    """0.75 for the defaults, and 0.917 for LASER-DE at p(N) = 0.6."""
    assert targets.laser_switch(0.5) == 0.75
    assert targets.laser_de_switch(0.6, 0.5) == pytest.approx(0.917, abs=5e-4)
    assert targets.laser_de_switch(1.0, 0.5) == targets.laser_switch(0.5)


@pytest.mark.parametrize(("tau", "alpha"), [(8.0, 0.01), (4.0, 0.05), (30.0, 0.5)])
def test_l1_exact_by_enumeration(tau: float, alpha: float):
    n = np.linspace(0, 200, 200_001)
    v = 1 - np.exp(-n / tau) - alpha * np.abs(n - 16)
    assert targets.l1_exact_length(16, alpha, tau) == pytest.approx(n[v.argmax()], abs=1e-3)


@pytest.mark.parametrize(
    ("tau", "alpha", "delta"),
    [(8.0, 0.03, 0.5), (1.0, 0.03, 0.5), (40.0, 0.1, 1.0), (3.0, 0.01, 0.0)],
)
def test_l1_max_by_enumeration(tau: float, alpha: float, delta: float):
    n = np.linspace(0, 100, 100_001)
    v = (1 - np.exp(-n / tau)) * np.clip(alpha * (16 - n) + delta, 0, 1)
    found = targets.l1_max_length(16, alpha, tau, delta)
    assert found == pytest.approx(n[v.argmax()], abs=1e-3)
    assert found < 16 + delta / alpha or delta == 0
    with pytest.raises(ValueError, match=r"alpha=0\.0"):
        targets.l1_max_length(16, 0.0, 8.0)


def test_quantiles_and_the_targets_that_they_mean():
    """Of 8: 1, 1/3, 1/6 as published and 1, 1/2, 1/5 as run; exponential lengths."""
    assert targets.target_quantile(8, "ceil").tolist() == pytest.approx([1, 1 / 3, 1 / 6])
    assert targets.target_quantile(8).tolist() == [1, 1 / 2, 1 / 5]
    assert targets.target_quantile(1)[1] == np.inf  # int(1/3) answers never cover one
    settled = targets.exponential_target(1.0, np.array([1 / 6, 1 / 5, 1 / 2]))
    assert settled.tolist() == pytest.approx([0.1823, 0.2231, 0.6931], abs=5e-5)
    with pytest.raises(ValueError, match="rounding"):
        targets.target_quantile(8, "up")
