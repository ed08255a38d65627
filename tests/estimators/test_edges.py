"""Edge cases of every registered estimator, and who is excepted from what, with the reason.

An exception must be one: each test also fails where an excepted estimator behaves like the others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.backends import to_strict, to_torch
from toyrl import registry
from toyrl.expressions import parse_estimator
from toyrl.rollouts import FIELDS, Rollouts

pytestmark = pytest.mark.swept

NAMES = [e.name for e in registry.entries("estimator")]
TOKENS = 4
SPEAKS_WHEN_TIED = {
    "fine_grained_gae": "lam below 1: tokens near the reward get more of it than the critic said",
    "reinforce": "no baseline: every reward above 0 is reinforced",
    "remax": "the baseline is the greedy answer's reward, not a sibling's",
}
ALONE_SPEAKS = {
    **SPEAKS_WHEN_TIED,
    "grpo_verl": "verl leaves a group of one its raw reward",
    "dler": "as verl, and then whitened over the batch",
    "reinforce_mean": "the baseline is the mean of all prompts",
    "reinforce_openrlhf": "no group baseline; whitened over the batch",
    "reinforce_plus_plus": "no group baseline; whitened over the batch",
    "reinforce_plus_plus_baseline": "as verl, and then whitened over the batch",
    "reinforce_plus_plus_tokens": "no group baseline; whitened over the batch's tokens",
    "gae": "the baseline is the critic; whitened over the batch's tokens",
}
SEES_OTHER_PROMPTS = {
    "dler": "whitened over the batch's informative groups",
    "fine_grained_gae": "rewards and advantages whitened over the batch's tokens",
    "gae": "whitened over the batch's tokens",
    "gpg": "multiplied by the share of informative groups",
    "grpo_batch": "divided by the batch's standard deviation",
    "normalize_then_sum": "normalised over the batch at the end",
    "prime_released": "process rewards normed and advantages whitened over the batch",
    "prime_verl": "process rewards normed and advantages whitened over the batch",
    "reinforce_baseline": "whitened over the batch",
    "reinforce_mean": "the baseline is the mean of all prompts",
    "reinforce_openrlhf": "whitened over the batch",
    "reinforce_plus_plus": "whitened over the batch",
    "reinforce_plus_plus_baseline": "whitened over the batch",
    "reinforce_plus_plus_tokens": "whitened over the batch's tokens",
    "rloo_normalized": "normalised over the batch",
}
NO_SCALE = {
    "fine_grained_gae": "divided by the root of the deviation, and the mean is added again",
    "remax": "the greedy answer's reward, given from outside, does not grow with the others",
}
SWAMPED = {"fine_grained_gae": "the mean, 1e30, is added to deviations of 1e15 (released code)"}


def world(
    name: str,
    reward: np.ndarray,
    *,
    length: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Rollouts:
    """Rollouts with every field that the estimator reads; right where the reward is above 0."""
    n = np.full(reward.shape, 3.0, reward.dtype) if length is None else length
    extra = {}
    for x in parse_estimator(name).needs:
        if x in FIELDS:
            spec = FIELDS[x]
            shape = (*reward.shape, *((TOKENS,) if "T" in spec.axes else ()))
            value = min(max(0.25, spec.low), spec.high)
            extra[x] = np.full(shape, value, dtype=reward.dtype)
    return Rollouts(
        correct=(np.nan_to_num(reward) > 0).astype(reward.dtype),
        length=n.astype(reward.dtype),
        max_length=float(TOKENS),
        weight=weight,
        mask=(np.arange(TOKENS) < n[..., None]).astype(reward.dtype),
        fields=extra,
    )


def run(name: str, reward: np.ndarray, r: Rollouts | None = None, **more: Any) -> np.ndarray:
    r = world(name, reward, **more) if r is None else r
    return np.asarray(parse_estimator(name).apply({"reward": reward}, r)[0])


def by_rollout(a: np.ndarray) -> np.ndarray:
    """(B, G): the sum over tokens where there are tokens."""
    return a.sum(-1) if a.ndim == 3 else a


@pytest.mark.parametrize(
    "table", [SPEAKS_WHEN_TIED, ALONE_SPEAKS, SEES_OTHER_PROMPTS, NO_SCALE], ids=len
)
def test_exceptions_are_registered_and_have_a_reason(table: dict[str, str]):
    assert set(table) <= set(NAMES)
    assert all(table.values())


TIES = {
    "all right": np.ones((2, 4)),
    "all wrong": np.zeros((2, 4)),
    "all penalised": np.full((3, 4), -0.3),
    "seven float32 0.1s": np.full((1, 7), 0.1, dtype=np.float32),
    "three float64 0.1s": np.full((2, 3), 0.1),
}


@pytest.mark.parametrize("name", NAMES)
def test_equal_rewards_give_exactly_zero(name: str):
    got = {case: run(name, reward) for case, reward in TIES.items()}
    for case, a in got.items():
        assert np.isfinite(a).all(), case
        assert a.dtype == TIES[case].dtype, case
    silent = all(np.all(a == 0) for a in got.values())
    assert silent == (name not in SPEAKS_WHEN_TIED)


@pytest.mark.parametrize("name", NAMES)
def test_a_tied_group_beside_a_mixed_one(name: str):
    """The seven 0.1s stay silent unless the batch enters."""
    reward = np.full((2, 7), 0.1, dtype=np.float32)
    reward[1, :3] = 1.0
    got = run(name, reward)
    assert np.isfinite(got).all()
    if name not in {*SPEAKS_WHEN_TIED, *SEES_OTHER_PROMPTS}:
        assert np.all(got[0] == 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_of_one(name: str):
    got = run(name, np.array([[1.0], [0.25]]))
    assert np.isfinite(got).all()
    assert np.all(got == 0) == (name not in ALONE_SPEAKS)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_of_two_prefers_the_right_one(name: str):
    got = by_rollout(run(name, np.array([[1.0, 0.0], [0.0, 1.0]])))
    assert np.isfinite(got).all()
    assert got[0, 0] > got[0, 1]
    assert got[1, 1] > got[1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_unscorable_groups_and_batches(name: str):
    """A NaN, a group of them, nothing but them: advantage 0 there, the others as without."""
    one = np.array([[1.0, np.nan, 0.0, 0.5], [0.0, 1.0, 1.0, 0.0]])
    whole = np.array([[np.nan] * 4, [0.0, 1.0, 1.0, 0.0]])
    for reward in (one, whole):
        got, gone = run(name, reward), np.isnan(reward)
        assert np.isfinite(got).all()
        assert np.all(got[gone] == 0)
        want = run(name, np.where(gone, 7.0, reward), world(name, reward).with_(
            weight=np.where(gone, 0.0, 1.0)))  # fmt: skip
        np.testing.assert_allclose(got, want, atol=1e-12)
    assert np.all(run(name, np.full((2, 3), np.nan)) == 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rewards_of_1e30(name: str, dtype: type):
    """Squares overflow float32 there; no infinity, no NaN, the dtype kept, and 0 not swamped."""
    small = np.array([[1.0, 0.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.0]], dtype=dtype)
    got = run(name, small * dtype(1e30))
    assert np.isfinite(got).all()
    assert got.dtype == dtype
    seen = by_rollout(got)[0, 0] > by_rollout(got)[0, 1]
    assert seen or (name in SWAMPED and dtype is np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_advantages_scale_with_the_reward_or_not_at_all(name: str):
    """From 1e6, where eps is nothing, to 1e30: the same advantages, or 1e24 times as large."""
    small = np.array([[1.0, 0.0, 0.0, 0.5], [0.0, 0.25, 1.0, 0.0]])
    large, huge = run(name, 1e6 * small), run(name, 1e30 * small)
    kept = np.allclose(huge, large, rtol=1e-6, atol=1e-6)
    grown = np.allclose(huge, 1e24 * large, rtol=1e-6, atol=1e18)
    assert (kept or grown) == (name not in NO_SCALE)
    assert np.any(huge)


@pytest.mark.parametrize("name", ["grpo", "grpo_exact", "grpo_population", "grpo_verl"])
def test_float32_rewards_of_1e30_are_weighed_as_small_ones(name: str):
    """1e30 overflows float32 when squared; scale-free estimators give what they give for 1."""
    small = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]], dtype=np.float32)
    got, want = run(name, small * np.float32(1e30)), run("grpo_exact", small)
    np.testing.assert_allclose(got / got.max(), want / want.max(), rtol=1e-5)


EMPTY = {
    "all empty": np.zeros((2, 3)),
    "some empty": np.array([[0.0, 2.0, 3.0], [1.0, 0.0, 0.0]]),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", EMPTY)
def test_empty_completions(name: str, case: str):
    reward, length = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]), EMPTY[case]
    got = run(name, reward, length=length)
    assert np.isfinite(got).all()
    if parse_estimator(name).token_level:
        assert np.all(got[np.arange(TOKENS) >= length[..., None]] == 0)
        assert np.any(got) == np.any(length > 0)


@pytest.mark.parametrize("name", NAMES)
def test_groups_of_unequal_size(name: str):
    """Filled up with weight 0 or with NaN is the same; a group is itself alone, unless pooled."""
    reward = np.array([[1.0, 0.0, 0.5, 9.0], [0.0, 0.75, 9.0, 9.0]])
    weight = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    got = run(name, reward, weight=weight)
    assert np.all(got[weight == 0] == 0)
    nan = run(name, np.where(weight > 0, reward, np.nan))
    np.testing.assert_allclose(got, nan, atol=1e-12)
    alone = [run(name, reward[b : b + 1, :k])[0] for b, k in ((0, 3), (1, 2))]
    same = all(
        np.allclose(got[b, : len(a)], a, rtol=1e-10, atol=1e-12) for b, a in enumerate(alone)
    )
    assert same == (name not in SEES_OTHER_PROMPTS)


@pytest.mark.parametrize("name", NAMES)
def test_read_only_arrays(name: str):
    reward = np.array([[1.0, np.nan, 0.0], [0.0, 1.0, 1.0]])
    r = world(name, reward, weight=np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 2.0]]))
    r = r.with_(truncated=np.zeros(reward.shape, dtype=bool))
    held = [reward, r.correct, r.length, r.mask, r.weight, r.truncated, *r.fields.values()]
    before = [np.array(x) for x in held]
    free = run(name, reward, r)
    for x in held:
        assert x is not None
        x.flags.writeable = False
    np.testing.assert_array_equal(run(name, reward, r), free)
    for x, y in zip(held, before, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.int64, bool])
def test_whole_number_rewards_are_numbers(name: str, dtype: type):
    reward = np.array([[1, 0, 0, 1], [0, 0, 1, 0]], dtype=dtype)
    real = reward.astype(float)
    got = run(name, reward, world(name, real))
    np.testing.assert_array_equal(got, run(name, real))


CASES = {
    **TIES,
    "one": np.array([[1.0], [0.25]]),
    "two": np.array([[1.0, 0.0], [0.0, 1.0]]),
    "nan": np.array([[1.0, np.nan, 0.0], [np.nan, np.nan, np.nan]]),
    "huge": 1e30 * np.array([[1.0, 0.0, 0.0, 1.0]], dtype=np.float32),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_other_libraries_say_the_same(name: str, convert: Callable[[Rollouts], Rollouts]):
    for case, reward in CASES.items():
        r = world(name, reward)
        other = convert(r)
        parts = {"reward": other.xp.asarray(reward)}
        got = np.asarray(parse_estimator(name).apply(parts, other)[0])
        want = run(name, reward, r)
        tolerance = 1e-5 if reward.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(
            got, want, rtol=tolerance, atol=tolerance * max(1.0, np.abs(want).max()), err_msg=case
        )
        assert got.dtype == want.dtype, case
        if case in TIES:
            assert np.all((got == 0) == (want == 0)), case
