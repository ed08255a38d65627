"""Mode choice: published-setting numbers, closed forms against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.theory.length import mode_choice as t


@pytest.mark.parametrize(
    ("short", "long", "want"),
    [
        (0.9, 0.95, (0.828, 0.711, 0.865, 0.963)),
        (0.1, 0.8, (0.107, 0.020, 0.005, 0.0003)),
    ],
)
def test_small_groups_mislabel_easy_prompts(short: float, long: float, want: tuple[float, ...]):
    got = [t.easy_probability(short, long, h, 0.2) for h in (2, 4, 8, 16)]
    assert got == [pytest.approx(x, abs=6e-4) for x in want]


def test_easy_probability_over_all_strings_of_outcomes():
    """Every sequence of right and wrong, not their counts."""
    total = 0.0
    for bits in itertools.product((0, 1), repeat=6):
        a, b = np.array(bits[:3]), np.array(bits[3:])
        chance = np.prod(np.where(a, 0.3, 0.7)) * np.prod(np.where(b, 0.6, 0.4))
        total += chance * (3 * a.sum() >= 3 * b.sum() - 3)  # theta = 1/3, in whole numbers
    assert t.easy_probability(0.3, 0.6, 3, 1 / 3) == pytest.approx(total)


def test_limits_of_the_rule():
    assert t.easy_probability(0.1, 0.9, 4, 1.0) == pytest.approx(1)
    assert t.easy_probability(0.9, 0.1, 4, -1.01) == 0


def test_steps_to_the_margin_by_stepping():
    for gap, margin, rate, weight in ((0.0, 2.0, 1.0, 0.1), (-1.3, 2.0, 0.5, 0.07), (3, 2, 1, 1)):
        steps, lead = 0, gap
        while lead < margin - 1e-12:
            lead, steps = lead + 2 * rate * weight, steps + 1
        assert t.steps_to_margin(gap, margin, rate, weight) == steps


def test_drift_is_the_gradient_of_the_first_tokens_log_probability():
    """Half a group's advantages, by central differences of sum A log q / L in both logits."""
    advantage, z = 0.45, np.array([0.2, -0.4])  # short, long

    def objective(z: np.ndarray) -> float:
        logp = z - np.logaddexp(*z)
        return float(advantage * (logp[1] / 1000 - logp[0] / 100))

    move = [(objective(z + e) - objective(z - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
    q = float(np.exp(z[1] - np.logaddexp(*z)))
    assert t.logit_drift(advantage, q, 100, 1000) == pytest.approx(move[1] - move[0], rel=1e-6)


def test_expected_steps_with_wrong_labels():
    """A random walk's mean: every step is +2 eta c with the chance of a right label, else minus."""
    agreement = t.easy_probability(0.9, 0.95, 4, 0.2)
    assert t.mean_steps(np.log(9), agreement, 1.0, 0.1) == pytest.approx(26.05, abs=0.01)
