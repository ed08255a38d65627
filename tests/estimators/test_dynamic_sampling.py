"""Dynamic sampling, DLER's whitening and the dual clip: by hand, laws, many prompts by sampling."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.batch import Whitened
from toyrl.estimators.dynamic_sampling import (
    PRESETS,
    DynamicSampling,
    expected_draws,
    keep_informative,
)
from toyrl.estimators.group import GroupEstimator
from toyrl.objectives.policy_gradient import PRESETS as OBJECTIVES
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome

SEED = st.integers(0, 2**32 - 1)
SEQUENCE = Whitened(baseline="mean", over="rollouts", eps=0.0, eps_in="std")


def batch(correct: Any, length: Any = None, **more: Any) -> Rollouts:
    correct = np.array(correct, dtype=float)
    length = np.ones_like(correct) if length is None else np.array(length, dtype=float)
    return Rollouts(correct, length, 8.0, **more)


def advantages(e: Any, r: Rollouts, reward: Any = None) -> np.ndarray:
    return e.apply({"reward": r.correct if reward is None else np.array(reward)}, r)[0]


# -- the filter ------------------------------------------------------------------------------------
def test_kept_set() -> None:
    r = batch([[1, 1, 1], [0, 0, 0], [1, 0, 1], [1, math.nan, 1]])
    assert (keep_informative(r.correct, r).w.sum(-1) > 0).tolist() == [False, False, True, False]
    alone = batch([[1], [0]])
    assert (keep_informative(alone.correct, alone).w == 1).all()


@given(SEED)
def test_filter_is_idempotent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    r = batch(rng.integers(0, 2, (5, 3)), weight=rng.integers(0, 2, (5, 3)) * 1.0)
    once = keep_informative(r.correct, r)
    assert (keep_informative(once.correct, once).w == once.w).all()


def test_expected_draws() -> None:
    informative = np.array([0.0, 0.5])
    assert expected_draws(informative, np.array([0.5, 0.5])) == pytest.approx(4.0)


def test_dropped_prompts_leave_the_statistics() -> None:
    """Batch std over the mixed prompt alone: 1/2 (ddof 1: 1/sqrt(3)), not over all nine."""
    r = batch([[1, 1, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]])
    e = DynamicSampling(GroupEstimator(scale="batch"))
    assert advantages(e, r)[1] == pytest.approx(np.array([-1, 1, -1, 1]) * math.sqrt(3) / 2)
    assert not advantages(e, r)[[0, 2]].any()


def test_filter_by_outcome_precedes_a_length_penalty() -> None:
    """All right, one truncated: its reward differs, and the group is dropped all the same."""
    r = batch([[1, 1], [1, 0]])
    reward = [[1.0, 0.0], [1.0, 0.0]]
    by_reward = advantages(DynamicSampling(SEQUENCE), r, reward)
    by_correct = advantages(DynamicSampling(SEQUENCE, by="correct"), r, reward)
    assert by_reward[0].any()
    assert by_correct[0].tolist() == [0, 0]
    assert by_correct[1].any()


# -- DLER ------------------------------------------------------------------------------------------
def test_dler_by_hand() -> None:
    """a = +-1/2; tokens 1 and 3: mean -1/4, unbiased variance (9/16 + 3/16)/3 = 1/4."""
    r = batch([[1, 0], [1, 1]], [[1, 3], [9, 9]])
    assert advantages(PRESETS["dler"], r) == pytest.approx(np.array([[1.5, -0.5], [0, 0]]))


def test_group_of_one_keeps_its_reward() -> None:
    r = batch([[1], [0]])
    assert advantages(PRESETS["dler"], r)[:, 0] == pytest.approx([0.5**0.5, -(0.5**0.5)])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_uniform_batch_is_zero(value: float) -> None:
    assert not advantages(PRESETS["dler"], batch([[value] * 3] * 2)).any()


def test_nan_huge_and_ragged() -> None:
    clean = advantages(PRESETS["dler"], batch([[1, 0], [0, 1]]))
    weight = [[1, 1, 0], [1, 1, 1]]
    r = batch([[1, 0, 1], [0, 1, 1]], weight=np.array(weight, dtype=float))
    got = advantages(PRESETS["dler"], r, [[1, 0, 5], [0, 1, math.nan]])
    assert got[:, :2] == pytest.approx(clean)
    assert not got[:, 2].any()
    reward = np.array([[1e30, 0], [0, 1e30]], dtype=np.float32)
    r = Rollouts((reward > 0).astype(np.float32), np.ones_like(reward), 8.0)
    assert advantages(PRESETS["dler"], r, reward) == pytest.approx(clean, rel=1e-5)
    tenth = np.full((1, 7), 0.1, dtype=np.float32)
    assert not advantages(PRESETS["dler"], Rollouts(tenth, tenth, 8.0)).any()


@given(SEED)
def test_laws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reward, length = rng.integers(0, 3, (3, 4)) * 1.0, rng.integers(1, 9, (3, 4)) * 1.0
    r = batch(reward, length)
    if not (np.ptp(reward, axis=-1) > 0).any():
        return
    a = advantages(DynamicSampling(SEQUENCE), r)
    kept = np.ptp(reward, axis=-1) > 0
    assert a.sum(-1) == pytest.approx(0, abs=1e-9)
    assert a[kept].std(ddof=1) == pytest.approx(1)
    assert advantages(DynamicSampling(SEQUENCE), r, 7 * reward) == pytest.approx(a)
    shifted = reward + np.array([[3.0], [0], [0]])
    assert advantages(DynamicSampling(SEQUENCE), r, shifted) == pytest.approx(a, abs=1e-9)
    tokens = np.repeat(advantages(DynamicSampling(Whitened("mean")), r)[kept].ravel(),
                       length[kept].ravel().astype(int))  # fmt: skip
    assert tokens.mean() == pytest.approx(0, abs=1e-9)
    assert tokens.var(ddof=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("over", ["tokens", "rollouts"])
@pytest.mark.parametrize("by", ["reward", "correct"])
def test_many_prompts_equal_a_large_sampled_batch(over: str, by: str) -> None:
    """Class weights take the statistics of the kept prompts in closed form."""
    prob = np.array([[0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
    r = batch([[1, 1, 0]] * 2, [[2, 6, 4]] * 2, weight=prob)
    e = DynamicSampling(Whitened("mean", over=over, eps=0.0), by=by)

    def paid(r: Rollouts) -> dict[str, np.ndarray]:
        return {"reward": r.correct * (r.length < 5)}  # right and short

    paid.scope = "rollout"  # type: ignore[attr-defined]
    exact = class_weights(r, paid, e, group_size=3, method="compositions").w
    rng = np.random.default_rng(0)
    n = 40_000
    index = np.stack([rng.choice(3, (n, 3), p=p) for p in prob])
    big = batch(r.correct[0][index].reshape(-1, 3), r.length[0][index].reshape(-1, 3))
    a = advantages(e, big, paid(big)["reward"]).reshape(2, n, 3)
    for prompt in range(2):
        for k in range(3):
            mine = a[prompt][index[prompt] == k]
            error = 5 * mine.std() / math.sqrt(len(mine))
            assert exact[prompt, k] == pytest.approx(mine.mean(), abs=error)


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="by='length' is not one of reward, correct"):
        DynamicSampling(by="length")
    r = batch([[1, 0]], weight=np.array([[0.5, 0.5]]))

    def broken(r: Rollouts) -> dict[str, np.ndarray]:
        return {"reward": np.where(r.correct > 0, np.nan, r.correct)}

    broken.scope = "rollout"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="without NaN"):
        class_weights(r, broken, PRESETS["dler"], group_size=4)


# -- dual clip -------------------------------------------------------------------------------------
def coefficients(e: PolicyGradient, advantage: float, ratio: float) -> float:
    r = batch([[1]], [[1]], mask=np.ones((1, 1, 1)))
    logp = np.full((1, 1, 1), math.log(ratio))
    return float(e.coefficients(np.array([[advantage]]), r, logp, np.zeros((1, 1, 1)))[0, 0, 0])


@pytest.mark.parametrize(
    ("advantage", "ratio", "live"),
    [(1, 1.27, True), (1, 1.29, False), (1, 20, False), (1, 0.1, True),
     (-1, 0.79, False), (-1, 0.81, True), (-1, 9.9, True), (-1, 10.1, False)],
)  # fmt: skip
def test_where_the_gradient_lives(advantage: float, ratio: float, live: bool) -> None:
    want = advantage * ratio if live else 0.0
    assert coefficients(
        replace(OBJECTIVES["dual_clip"], aggregation="sum"), advantage, ratio
    ) == pytest.approx(want)


def test_is_the_plain_clip_without_the_dual_bound() -> None:
    plain = PolicyGradient("sum", clip_high=0.28)
    for ratio in (0.5, 1.0, 1.5, 1e6):
        for advantage in (-1.0, 1.0):
            got = coefficients(replace(plain, dual_clip=math.inf), advantage, ratio)
            assert got == coefficients(plain, advantage, ratio)
    with pytest.raises(ValueError, match="dual_clip=1 is not a number > 1"):
        PolicyGradient(dual_clip=1)


def test_class_engine_sees_an_outcome_shaper() -> None:
    """Batch-wise weights are proportional to q (1 - q), unlike those of the group's std."""
    q = np.array([0.05, 0.3, 0.5])
    r = batch([[1, 0]] * 3, weight=np.stack([q, 1 - q], axis=1))
    w = class_weights(r, Outcome(), SEQUENCE, group_size=8).w
    step = q * (1 - q) * (w[:, 0] - w[:, 1])
    assert step / (q * (1 - q)) == pytest.approx(np.full(3, step[0] / (q[0] * (1 - q[0]))))
