"""Averaged advantages: hand-worked groups, scale invariance, TRL's normalize_then_sum."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.baselines import LeaveOneOutStd
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.parts import PRESETS, Averaged
from toyrl.rollouts import Rollouts

SEED = st.integers(0, 2**32 - 1)
PLAIN = Averaged()


def rollouts(shape: tuple[int, ...], **more: Any) -> Rollouts:
    return Rollouts(np.zeros(shape), np.ones(shape), 8.0, **more)


def advantages(e: Averaged, **parts: Any) -> np.ndarray:
    arrays = {k: np.array([v], dtype=float) for k, v in parts.items()}
    return e.apply(arrays, rollouts(next(iter(arrays.values())).shape))[0][0]


# -- hand-worked groups ----------------------------------------------------------------------------
def test_by_hand() -> None:
    got = advantages(PLAIN, a=[1, 0, 0, 1], b=[10, 10, 0, 0])  # +-1 each, averaged
    assert got == pytest.approx([1, 0, -1, 0], abs=1e-7)


def test_constant_part_is_zero_and_keeps_its_share() -> None:
    got = advantages(PLAIN, a=[1, 0, 0, 1], b=[5] * 4, c=[7] * 4)
    assert got == pytest.approx([1 / 3, -1 / 3, -1 / 3, 1 / 3], abs=1e-7)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
@pytest.mark.parametrize("name", PRESETS)
def test_tied_groups_are_exactly_zero(value: float, name: str) -> None:
    assert not advantages(PRESETS[name], a=[value] * 7, b=[3 * value] * 7).any()


def test_equal_float32_rewards_are_exactly_zero() -> None:
    reward = np.full((1, 7), 0.1, dtype=np.float32)
    r = Rollouts(reward, reward, 8.0)
    assert not PLAIN.apply({"a": reward, "b": 3 * reward}, r)[0].any()


@pytest.mark.parametrize("name", PRESETS)
def test_group_of_one_is_zero(name: str) -> None:
    assert advantages(PRESETS[name], a=[3], b=[4]).tolist() == [0]


def test_huge_part_does_not_drown_the_other() -> None:
    got = advantages(PLAIN, a=[1, 0, 0, 1], b=[1e30, 1e30, 0, 0])
    assert got == pytest.approx([1, 0, -1, 0], abs=1e-7)


def test_nan_in_one_part_is_absent_or_skipped() -> None:
    parts = {"a": [1, 0, 0, 1, math.nan], "b": [1, 1, 0, 0, 9]}
    assert advantages(PLAIN, **parts) == pytest.approx([1, 0, -1, 0, 0], abs=1e-7)
    skipped = advantages(Averaged(missing="skip"), **parts)
    b = np.array(parts["b"])
    assert skipped[4] == pytest.approx((9 - b.mean()) / b.std() / 2)
    none = advantages(Averaged(missing="skip"), a=[1, 0, math.nan], b=[1, 0, math.nan])
    assert none == pytest.approx([1, -1, 0], abs=1e-7)


def test_unequal_groups_equal_each_alone() -> None:
    weight = np.array([[1.0, 1, 0], [1, 1, 1]])
    parts = {"a": np.array([[1.0, 0, 9], [1, 0, 0]]), "b": np.array([[0.0, 2, 9], [0, 0, 1]])}
    got = PLAIN.apply(parts, rollouts((2, 3), weight=weight))[0]
    for row, keep in enumerate((2, 3)):
        alone = advantages(PLAIN, **{k: v[row, :keep] for k, v in parts.items()})
        assert got[row, :keep] == pytest.approx(alone, abs=1e-12)


def test_weights_by_name() -> None:
    e = Averaged(weights={"b": 0.0, "a": 1.0})
    assert advantages(e, a=[1, 0], b=[0, 7]) == pytest.approx([1, -1], abs=1e-7)
    with pytest.raises(ValueError, match="weights name b, a but the reward has parts a, c"):
        advantages(e, a=[1, 0], c=[0, 1])
    with pytest.raises(ValueError, match="scale='group' is not one of none, batch"):
        Averaged(scale="group")


# -- laws ------------------------------------------------------------------------------------------
@given(SEED)
def test_laws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 9))
    parts = {k: rng.integers(0, 4, size) * 1.0 for k in "abc"}
    got = advantages(PLAIN, **parts)
    assert abs(got.sum()) < 1e-9
    assert np.abs(got).max() <= math.sqrt(size - 1) + 1e-9
    assert (got**2).mean() <= 1 + 1e-9
    scales, shifts = 10 ** rng.uniform(-2, 2, 3), rng.normal(size=3)
    moved = {k: s * v + t for (k, v), s, t in zip(parts.items(), scales, shifts, strict=True)}
    assert advantages(PLAIN, **moved) == pytest.approx(got, abs=1e-5)
    assert advantages(PLAIN, c=parts["c"], a=parts["a"], b=parts["b"]) == pytest.approx(got)


@given(SEED)
def test_correlation_with_each_part(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 8)) * 10 ** rng.uniform(-2, 2, (3, 1))
    rho = np.array(np.corrcoef(x))
    got = advantages(Averaged(inner=GroupEstimator(ddof=0.0)), a=x[0], b=x[1], c=x[2])
    for k in range(3):
        want = rho[k].sum() / math.sqrt(rho.sum())
        assert np.corrcoef(got, x[k])[0, 1] == pytest.approx(want, abs=1e-9)
    assert got.std() == pytest.approx(math.sqrt(rho.sum()) / 3, abs=1e-9)


# -- TRL -------------------------------------------------------------------------------------------
def test_normalize_then_sum_is_trls() -> None:
    """The lines of GRPOTrainer on (B G, K) rewards, three prompts of four."""
    rng = np.random.default_rng(0)
    rewards = rng.integers(0, 3, (3, 4, 2)).astype(float)
    mean, std = rewards.mean(1, keepdims=True), rewards.std(1, ddof=1, keepdims=True)
    total = ((rewards - mean) / (std + 1e-4)).sum(-1)
    want = (total - total.mean()) / (total.std(ddof=1) + 1e-4)
    parts = {"a": rewards[..., 0], "b": rewards[..., 1]}
    got = PRESETS["normalize_then_sum"].apply(parts, rollouts((3, 4)))[0]
    assert got == pytest.approx(want, abs=1e-12)


def test_a_batch_whitened_over_tokens_by_hand() -> None:
    """One part, so its own group advantages (1, -1)/s and 0; lengths weigh the mean."""
    e = Averaged(
        inner=GroupEstimator(scale="none"), total=1.0, scale="batch", over="tokens", eps=0.0
    )
    r = Rollouts(np.zeros((2, 2)), np.array([[3.0, 1], [2, 2]]), 8.0)
    got = e.apply({"a": np.array([[2.0, 0], [1, 1]])}, r)[0]
    tokens = np.array([1.0, 1, 1, -1, 0, 0, 0, 0])
    want = (np.array([[1.0, -1], [0, 0]]) - tokens.mean()) / tokens.std(ddof=1)
    assert got == pytest.approx(want, abs=1e-12)


GDPO = {
    "TRL": PRESETS["normalize_then_sum"],
    "verl": replace(PRESETS["normalize_then_sum"], over="tokens", eps=1e-8, eps_in="variance"),
    "NeMo-RL": replace(PRESETS["normalize_then_sum"], inner=LeaveOneOutStd(), eps=0.0),
}


@pytest.mark.parametrize("trainer", GDPO)
def test_batch_std_in_the_class_engine_is_that_of_many_groups(trainer: str) -> None:
    prob = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    a, b = np.array([[1.0, 0, 0]] * 2), np.array([[0.0, 3, 5]] * 2)
    r = Rollouts(a, b, 8.0, weight=prob)

    def parts(r: Rollouts) -> dict[str, np.ndarray]:
        return {"a": r.correct, "b": r.length}

    parts.scope = "rollout"  # type: ignore[attr-defined]
    e = GDPO[trainer]
    exact = class_weights(r, parts, e, group_size=4, method="compositions").w
    rng = np.random.default_rng(1)
    n = 40_000
    index = np.stack([rng.choice(3, (n, 4), p=p) for p in prob])
    length = b[0][index].reshape(-1, 4)
    drawn = Rollouts(np.zeros_like(length), length, 8.0)
    flat = {"a": a[0][index].reshape(-1, 4), "b": b[0][index].reshape(-1, 4)}
    got = e.apply(flat, drawn)[0].reshape(2, n, 4)
    for prompt in range(2):
        for k in range(3):
            mine = got[prompt][index[prompt] == k]
            error = 5 * mine.std() / math.sqrt(len(mine))
            assert exact[prompt, k] == pytest.approx(mine.mean(), abs=error)


@pytest.mark.parametrize("convert", [to_torch, to_strict])
@pytest.mark.parametrize("trainer", GDPO)
def test_other_libraries_give_the_same(trainer: str, convert: Any) -> None:
    rng = np.random.default_rng(2)
    reward = rng.integers(0, 3, (3, 4)) * 1.0
    length = rng.integers(0, 6, (3, 4)) * 1.0
    weight = np.where(rng.random((3, 4)) < 0.2, 0.0, 1.0)
    r = Rollouts(reward, length, 8.0, weight=weight)
    want = GDPO[trainer].apply({"a": reward, "b": length}, r)[0]
    other = convert(r)
    got = GDPO[trainer].apply({"a": other.correct, "b": other.length}, other)[0]
    assert np.asarray(got) == pytest.approx(want, abs=1e-12)
    alone = GDPO[trainer].apply({"a": reward[:1, :1], "b": length[:1, :1]}, rollouts((1, 1)))[0]
    assert alone.tolist() == [[0.0]]
