"""Conditional advantages: groups by hand, tie-breaks by enumeration, the identity, schedules."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.halves import Canon, CanonEntropy, RestartingMix
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome

SEED = st.integers(0, 2**32 - 1)


def group(reward: Any, metric: Any, **more: Any) -> tuple[np.ndarray, Rollouts]:
    reward = np.array([reward], dtype=float)
    metric = np.array([metric], dtype=float)
    return reward, Rollouts(np.zeros_like(reward), metric, 100.0, **more)


def advantages(e: Canon, reward: Any, metric: Any, **more: Any) -> list[float]:
    reward, r = group(reward, metric, **more)
    return e.advantages(reward, r)[0].tolist()


def spelled(e: Canon, reward: np.ndarray, metric: np.ndarray, order: Any) -> np.ndarray:
    """The published loop for one order of the rollouts (ties go by that order)."""
    place = np.array(order)
    place = place[np.argsort(metric[place], kind="stable")]
    low, high = place[: len(place) // 2], place[len(place) // 2 :]
    m_low, m_high = reward[low].mean(), reward[high].mean()
    a_high, a_low = (e.alpha, 1.0) if e.heavy == "high" else (1.0, e.alpha)
    out = np.zeros(len(reward))
    for half, weight, own, other, away in (
        (high, a_high, m_high, a_low * m_low, e.bonus),
        (low, a_low, m_low, a_high * m_high, -e.bonus),
    ):
        inter = weight * reward[half] - other + away
        out[half] = e.mu * inter + (1 - e.mu) * (reward[half] - own)
    return out


# -- hand-worked groups ----------------------------------------------------------------------------
def test_inter_and_intra_by_hand() -> None:
    reward, length = [1, 0, 1, 1], [10, 20, 30, 40]  # means: low half 1/2, high half 1
    assert advantages(Canon(), reward, length) == [0, -1, 0.5, 0.5]
    assert advantages(Canon(mu=0.0), reward, length) == [0.5, -0.5, 0, 0]
    assert advantages(Canon(mu=0.5), reward, length) == [0.25, -0.75, 0.25, 0.25]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_uniform_group_is_zero_unless_alpha_tilts(value: float) -> None:
    reward, length = [value] * 4, [1, 2, 3, 4]
    assert advantages(Canon(), reward, length) == [0] * 4
    tilted = advantages(Canon(alpha=0.9), reward, length)
    assert tilted == pytest.approx([0.1 * value] * 2 + [-0.1 * value] * 2)


def test_low_heavy_half_reverses_the_tilt() -> None:
    e = CanonEntropy(alpha=0.9, metric="length")
    assert advantages(e, [1] * 4, [1, 2, 3, 4]) == pytest.approx([-0.1, -0.1, 0.1, 0.1])


@pytest.mark.parametrize(("singleton", "want"), [("zero", 0.0), ("raw", (0.7 * 0.9 + 0.3) * 2)])
def test_group_of_one(singleton: str, want: float) -> None:
    e = Canon(mu=0.7, alpha=0.9, singleton=singleton)
    assert advantages(e, [2.0], [5]) == pytest.approx([want])


def test_odd_group_has_the_larger_high_half() -> None:
    # low {1}, high {0, 1}: inter 1 - 1/2, 0 - 1, 1 - 1; the sum is not 0.
    assert advantages(Canon(), [1, 0, 1], [1, 2, 3]) == [0.5, -1, 0]


def test_nan_reward_and_nan_metric_are_absent() -> None:
    clean = advantages(Canon(), [1, 0, 1, 1], [10, 20, 30, 40])
    with_nan = advantages(Canon(), [1, 0, math.nan, 1, 1], [10, 20, 25, 30, 40])
    assert with_nan == [*clean[:2], 0, *clean[2:]]
    assert advantages(Canon(), [1, 0, 7, 1, 1], [10, 20, math.nan, 30, 40]) == with_nan


def test_all_absent_is_zero() -> None:
    assert advantages(Canon(), [math.nan] * 3, [1, 2, 3]) == [0] * 3


def test_equal_float32_rewards_are_exactly_zero() -> None:
    reward = np.full((1, 7), 0.1, dtype=np.float32)
    r = Rollouts(reward, np.arange(7, dtype=np.float32)[None], 100.0)
    got = Canon().advantages(reward, r)
    assert got.dtype == np.float32
    assert not got.any()


def test_huge_rewards_do_not_overflow() -> None:
    reward = np.array([[1e30, 0, 1e30, 1e30]], dtype=np.float32)
    r = Rollouts(reward, np.arange(4, dtype=np.float32)[None], 100.0)
    assert Canon().advantages(reward, r)[0] / 1e30 == pytest.approx([0, -1, 0.5, 0.5])


def test_unequal_groups_equal_each_alone() -> None:
    weight = np.array([[1.0, 1, 1, 0], [1, 1, 1, 1]])
    reward = np.array([[1.0, 0, 1, 5], [0, 1, 1, 0]])
    length = np.array([[3.0, 1, 2, 9], [4, 4, 1, 2]])
    got = Canon().advantages(reward, Rollouts(reward, length, 9.0, weight=weight))
    assert got[0].tolist() == [*advantages(Canon(), [1, 0, 1], [3, 1, 2]), 0]
    assert got[1].tolist() == advantages(Canon(), [0, 1, 1, 0], [4, 4, 1, 2])


# -- ties ------------------------------------------------------------------------------------------
def test_all_metrics_equal_is_leave_one_out() -> None:
    """Random halves: the other half is a random half of the siblings; own: the rest with it."""
    reward = np.array([1.0, 0, 0, 1, 1, 0])
    others = (reward.sum() - reward) / 5
    assert advantages(Canon(), reward, [1] * 6) == pytest.approx(list(reward - others))
    own = (reward + 2 * others) / 3
    assert advantages(Canon(mu=0.0), reward, [1] * 6) == pytest.approx(list(reward - own))


@given(SEED)
def test_average_is_the_mean_over_all_orders(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    reward, metric = rng.integers(0, 3, size) / 2, rng.integers(0, 3, size) * 1.0
    heavy = ("high", "low")[int(rng.integers(2))]
    mu, alpha, bonus = rng.random(3)
    e = Canon(mu=mu, alpha=alpha, bonus=bonus, heavy=heavy)
    runs = [spelled(e, reward, metric, o) for o in itertools.permutations(range(size))]
    assert advantages(e, reward, metric) == pytest.approx(list(np.mean(runs, axis=0)), abs=1e-12)


@given(SEED)
def test_order_is_the_stable_sort(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 9))
    reward, metric = rng.random(size), rng.integers(0, 3, size) * 1.0
    e = Canon(mu=rng.random(), alpha=rng.random(), ties="order")
    want = spelled(e, reward, metric, range(size))
    assert advantages(e, reward, metric) == pytest.approx(list(want), abs=1e-12)


# -- laws ------------------------------------------------------------------------------------------
@given(SEED, st.floats(0, 1), st.integers(1, 6))
def test_identity_of_even_groups(seed: int, mu: float, half: int) -> None:
    """A_i = (R_i - mean) + (2 mu - 1) sign_i (m_high - m_low)/2 without ties."""
    rng = np.random.default_rng(seed)
    reward, metric = rng.integers(0, 2, 2 * half) * 1.0, rng.permutation(2 * half) * 1.0
    sign = np.where(metric < half, -1, 1)
    gap = reward[sign > 0].mean() - reward[sign < 0].mean()
    want = reward - reward.mean() + (2 * mu - 1) * sign * gap / 2
    got = np.array(advantages(Canon(mu=mu), reward, metric))
    assert got == pytest.approx(want, abs=1e-12)
    assert abs(got.sum()) < 1e-12
    assert np.abs(got).max() <= 1 + 1e-12
    both = got + np.array(advantages(Canon(mu=1 - mu), reward, metric))
    assert both == pytest.approx(2 * (reward - reward.mean()), abs=1e-12)


@given(SEED)
def test_only_ranks_count_and_direction_does_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reward, metric = rng.random(6), rng.permutation(6) * 1.0
    want = advantages(Canon(), reward, metric)
    assert advantages(Canon(), reward, np.exp(metric)) == want
    assert advantages(Canon(), reward, 9 - metric) == pytest.approx(want, abs=1e-12)
    assert advantages(Canon(), reward + 3, metric) == pytest.approx(want, abs=1e-12)


def test_theorem_1_fails_for_a_single_rollout() -> None:
    """|A_inter| > |A_DrGRPO| is said of the advantage; it holds for means of halves only."""
    reward = [1, 0, 1, 1]
    inter, mean = advantages(Canon(), reward, [1, 2, 3, 4]), np.array(reward) - 0.75
    assert abs(inter[0]) < abs(mean[0])
    assert np.mean(inter[2:]) == pytest.approx(2 * np.mean(mean[2:]))


# -- options ---------------------------------------------------------------------------------------
def test_mu_from_the_batch() -> None:
    reward, length = [1, 0, 1, 1], [10, 20, 30, 40]
    accurate = advantages(Canon(mu="accuracy"), reward, length)
    assert accurate == pytest.approx(advantages(Canon(mu=0.75), reward, length))
    failing = advantages(Canon(mu="failure"), reward, length)
    assert failing == pytest.approx(advantages(Canon(mu=0.25), reward, length))


def test_mu_from_the_batch_in_the_class_engine_is_that_of_all_prompts() -> None:
    correct = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    length = np.array([[1.0, 2.0, 2.0], [1.0, 2.0, 2.0]])
    prob = np.array([[0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    r = Rollouts(correct, length, 4.0, weight=prob)
    got = class_weights(r, Outcome(), Canon(mu="accuracy"), group_size=4)
    want = class_weights(r, Outcome(), Canon(mu=0.4), group_size=4)
    assert got.method == want.method == "compositions"
    assert got.w == pytest.approx(want.w, abs=1e-12)


def test_entropy_is_the_mean_over_the_completion() -> None:
    reward = np.array([[1.0, 0.0]])
    mask = np.array([[[1.0, 1, 1], [1, 0, 0]]])
    entropy = np.array([[[1.0, 1, 1], [2, 99, 99]]])  # totals 3 and 2, means 1 and 2
    r = Rollouts(reward, mask.sum(-1), 3.0, mask=mask, fields={"entropy": entropy})
    assert CanonEntropy(alpha=0.5).advantages(reward, r)[0].tolist() == [0.5, -0.5]


@pytest.mark.parametrize("reverse", [False, True])
def test_restarting_mix(reverse: bool) -> None:
    mix = RestartingMix(reverse=reverse)
    intra = [1 - mix(t) for t in range(150)]
    assert intra[29] == pytest.approx(0.0 if reverse else 0.6)
    assert intra[30] == pytest.approx(intra[70]) == pytest.approx(intra[29])
    assert intra[50] == pytest.approx(0.3)
    on_array = [1 - float(mix(np.array([float(t)]))[0]) for t in range(150)]
    assert on_array == pytest.approx(intra)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="mu='often' is not a number in"):
        Canon(mu="often")
    with pytest.raises(ValueError, match="heavy='long' is not one of high, low"):
        Canon(heavy="long")
    with pytest.raises(KeyError, match=r"canon|Canon.*entropy"):
        advantages(CanonEntropy(), [1, 0], [1, 2])
