"""How far a run goes: Adam on a noisy gradient, drawn, beside the factor."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.behaviour.optimiser import COMPLETIONS, RATE, UPDATES, reach


def adam(updates: int, rate: float, completions: int, seed: int = 0) -> float:
    """Mean way of 4,000 parameters whose gradient is 0.01, with unit noise a completion."""
    rng = np.random.default_rng(seed)
    x, m, v = np.zeros(4000), np.zeros(4000), np.zeros(4000)
    for t in range(1, updates + 1):
        g = 0.01 + rng.standard_normal(4000) / np.sqrt(completions)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        x += rate * (m / (1 - 0.9**t)) / np.sqrt(v / (1 - 0.999**t))
    return float(x.mean())


def test_the_factor_is_that_of_adam_on_noise():
    usual = adam(100, 1e-3, 256)
    for updates, rate, completions in ((200, 1e-3, 256), (100, 3e-3, 256), (100, 1e-3, 64)):
        told = reach(updates, rate, completions) / reach(100, 1e-3, 256)
        assert adam(updates, rate, completions) / usual == pytest.approx(told, rel=0.1)


def test_the_usual_run_is_one():
    assert reach() == 1.0
    assert reach(UPDATES, RATE, COMPLETIONS) == 1.0


@pytest.mark.parametrize("name", ["updates", "learning_rate", "completions"])
def test_nothing_is_refused(name):
    with pytest.raises(ValueError, match=name):
        reach(**{name: 0.0})
