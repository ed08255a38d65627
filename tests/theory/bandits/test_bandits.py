"""Exact values of bandits met again: the notes' numbers, slow recursions, simulation, refusals."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb

import numpy as np
import pytest

from toyrl.theory.bandits.bayes_adaptive import (
    RULES,
    bandit_rule_total,
    bayes_adaptive_value,
    bayes_policy,
    belief_states,
    best_arm_mean,
)
from toyrl.theory.bandits.boxes import corridor_search_total, corridor_total
from toyrl.theory.bandits.safe_arm import (
    explore_first,
    gamma_star,
    lam_star,
    noisy_first_pull,
    safe_arm_oracle,
    safe_arm_total,
    safe_arm_value,
)


def recursive(a: tuple[int, ...], b: tuple[int, ...], n: int, discount: Fraction) -> Fraction:
    """The Bellman equation as one writes it first, in fractions."""

    @cache
    def value(a: tuple[int, ...], b: tuple[int, ...], left: int) -> Fraction:
        if not left:
            return Fraction(0)
        options = []
        for k in range(len(a)):
            mean = Fraction(a[k], a[k] + b[k])
            won = value((*a[:k], a[k] + 1, *a[k + 1 :]), b, left - 1)
            lost = value(a, (*b[:k], b[k] + 1, *b[k + 1 :]), left - 1)
            options.append(mean * (1 + discount * won) + (1 - mean) * discount * lost)
        return max(options)

    return value(a, b, n)


@pytest.mark.parametrize(
    ("a", "b", "n"),
    [((1,), (1,), 6), ((1, 1), (1, 1), 7), ((2, 1), (1, 3), 6), ((1, 1, 1), (1, 1, 1), 5),
     ((3, 1, 2), (1, 1, 4), 4), ((1, 2, 1, 1), (1, 1, 2, 3), 3)],
)  # fmt: skip
@pytest.mark.parametrize("discount", [Fraction(1), Fraction(1, 2), Fraction(0)])
def test_the_ranked_sweep_is_the_recursion(a, b, n, discount):
    want = float(recursive(a, b, n, discount))
    assert bayes_adaptive_value(len(a), n, float(discount), a, b) == pytest.approx(want, abs=1e-12)


def test_two_arms_by_the_table_of_the_notes():
    """E3, four decimals."""
    table = {
        2: (1.0, 1.0278, 1.0833, 1.0833),
        5: (2.5, 2.7164, 2.8847, 2.8889),
        10: (5.0, 5.7045, 6.0058, 6.0218),
        20: (10.0, 11.9318, 12.3654, 12.4313),
        40: (20.0, 24.7325, 25.2136, 25.4469),
    }
    for n, (memoryless, thompson, greedy, bayes) in table.items():
        want = dict(zip(RULES, (greedy, thompson, memoryless), strict=True))
        for rule, number in want.items():
            assert bandit_rule_total(rule, 2, n) == pytest.approx(number, abs=6e-5)
        assert bayes_adaptive_value(2, n) == pytest.approx(bayes, abs=6e-5)
        assert bayes_adaptive_value(2, n) <= n * best_arm_mean(2)


@pytest.mark.parametrize(("arms", "pulls"), [(2, 50), (3, 50), (4, 25)])
def test_large_tables_against_play(arms, pulls):
    """3 arms to 50 pulls are 3.2e7 beliefs; the policy is played on drawn tasks."""
    assert belief_states(arms, pulls) == comb(pulls + 2 * arms, 2 * arms)
    value = bayes_adaptive_value(arms, pulls)
    policy = bayes_policy(arms, pulls)
    assert policy.first == pytest.approx([value] * arms, abs=1e-9)
    paid = policy.play(np.random.default_rng(0), 100_000)
    assert abs(paid.mean() - value) < 4 * paid.std() / np.sqrt(paid.size)


def test_what_does_not_fit_is_refused_with_its_size():
    said = r"arms=4, horizon=50: 1.9e\+09 beliefs, C\(n \+ 2K, 2K\), and 1.7 GiB for the largest"
    with pytest.raises(ValueError, match=said):
        bayes_adaptive_value(4, 50)
    with pytest.raises(ValueError, match=r"3.5 GiB for the largest layer and the table"):
        bayes_policy(4, 50)
    with pytest.raises(ValueError, match="whole numbers, whose densities are polynomials"):
        bandit_rule_total("thompson", 2, 3, 0.5)


def test_the_index_of_an_unknown_arm():
    """E2's six numbers; Gittins' table at discounts 0.5 and 0.9 (Gittins 1989, Beta(1, 1))."""
    want = (0.5, 5 / 9, 13 / 22, 0.635714, 0.698074, 0.757560, 0.826197)
    found = [lam_star(n) for n in (1, 2, 3, 5, 10, 20, 50)]
    assert found == pytest.approx(want, abs=1e-6)
    assert lam_star(60, 0.5) == pytest.approx(0.5590, abs=5e-5)
    assert lam_star(120, 0.9) == pytest.approx(0.7029, abs=5e-5)


def test_credit_flips_the_first_pull_where_it_should():
    assert gamma_star(0.53) == pytest.approx(18 / 41, rel=1e-14)
    beside = gamma_star(0.53) + np.array([-1e-6, 1e-6])
    assert explore_first(0.53, 2, beside).tolist() == [0, 1]
    assert explore_first(5 / 9, 2) == 0  # an exact tie
    assert explore_first(np.array([0.49, 0.5, 0.51]), 30, 0.0).tolist() == [1, 0, 0]


def test_totals_beside_a_safe_arm():
    assert safe_arm_total(0.6, 20) == pytest.approx(12.990106, abs=5e-7)
    assert safe_arm_total(0.6, 20, 0.0) == pytest.approx(12.0, rel=1e-14)
    assert safe_arm_total(0.6, 5) == pytest.approx(3.0866667, abs=1e-7)
    lam, g = np.linspace(0, 1, 11)[:, None], np.linspace(0, 1, 5)
    value = np.array([safe_arm_value(lam, n, g) for n in (1, 2, 6)])
    for axis in range(3):  # in pulls, pay and discount
        assert (np.diff(value, axis=axis) >= -1e-12).all()
    assert (value[-1, :, -1] >= 6 * np.maximum(lam[:, 0], 0.5) - 1e-12).all()
    assert (value[-1, :, -1] <= 6 * safe_arm_oracle(lam[:, 0]) + 1e-12).all()


def test_once_the_safe_arm_is_best_it_stays_best():
    """Against stopping: the best time to change to A for good is as good as the whole sweep."""
    for n in (2, 5, 9):

        @cache
        def stop(s: int, f: int, left: int) -> float:
            mean = (1 + s) / (2 + s + f)
            if not left:
                return 0.0
            on = mean * (1 + stop(s + 1, f, left - 1)) + (1 - mean) * stop(s, f + 1, left - 1)
            return max(0.6 * left, on)

        assert safe_arm_value(0.6, n) == pytest.approx(stop(0, 0, n), rel=1e-13)


def test_noise_explores():
    for lam in (0.5, 0.53, 0.9):
        assert noisy_first_pull(lam, 1) == pytest.approx(1 - lam, rel=1e-14)
        assert noisy_first_pull(lam, 2) == pytest.approx(2 * (1 - lam) ** 2, rel=1e-14)
    assert noisy_first_pull(0.5, 300) == 0.5
    assert 0 < noisy_first_pull(0.53, 300) < noisy_first_pull(0.53, 100)


def test_doors_of_a_corridor():
    """Free steps: the boxes. Without credit within the episode nobody leaves, unless ties may."""
    assert corridor_total(4, 8, cost=0.0) == pytest.approx(6.5, rel=1e-14)
    assert corridor_total(4, 8) == pytest.approx(corridor_search_total(4, 8), rel=1e-14)
    assert corridor_total(4, 8, 1.0, 0.0) == pytest.approx(corridor_total(4, 8), rel=1e-14)
    assert corridor_total(4, 8, 0.0) == 0
    assert corridor_total(4, 8, 0.0, cost=0.0) > 1
    assert corridor_total(4, 8, memory=False) == pytest.approx(8 * (0.25 - 0.01), rel=1e-14)
