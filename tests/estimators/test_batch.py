"""Estimators with statistics of the batch, pass@k, tokens: limits, unbiasedness, recursions."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.estimators.verl_code import Config, core_algos
from toyrl.estimators.batch import PRESETS as WHITENED
from toyrl.estimators.best_of import GrpoPassk, PassAtK
from toyrl.estimators.group import PRESETS as GROUP
from toyrl.estimators.tokens import Gae
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import backward

GRID = np.linspace(0.1, 0.9, 5)


def advantages(estimator, reward, **fields):
    r = Rollouts(np.zeros_like(reward), fields.pop("length", np.ones_like(reward)), 8.0)
    return np.asarray(estimator.apply({"reward": reward}, r.with_(**fields))[0])


# -- whole groups without weights take a short route ----------------------------------------------
@pytest.mark.parametrize("name", GROUP)
@given(
    raw=st.lists(st.integers(-8, 8), min_size=24, max_size=24),
    size=st.sampled_from([1, 2, 3, 4, 6, 8, 12]),
    unit=st.sampled_from([0.125, 0.1, 1e-20, 1e30]),
)
def test_short_route_of_group_estimators(name, raw, size, unit):
    reward = np.array(raw, dtype=np.float64).reshape(-1, size) * unit
    want = advantages(GROUP[name], reward, weight=np.ones_like(reward))
    # All are divided by one scale, so the rounding of each is that of the largest; ties are exact.
    got = advantages(GROUP[name], reward)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12 * np.abs(want).max())
    if size > 1:
        tied = np.ptp(reward, axis=-1) == 0
        if name not in ("reinforce", "reinforce_mean"):
            assert np.all(advantages(GROUP[name], reward)[tied] == 0)


@pytest.mark.parametrize("prompts", [3, 30])
def test_declared_sizes_per_prompt(prompts):
    """group_size may be an array (..., B, 1), in the layout with the group first too."""
    reward = np.tile([[1.0, 0.0, 0.5]], (prompts, 1))
    size = np.full((prompts, 1), 3.0)
    for name in ("grpo_exact", "rloo"):
        want = advantages(GROUP[name], reward)
        np.testing.assert_allclose(advantages(GROUP[name], reward, group_size=size), want)


# -- batch statistics as numbers ------------------------------------------------------------------
@pytest.mark.parametrize("name", [*WHITENED, "gpg", "gpg(singleton='raw')"])
@pytest.mark.parametrize("size", [1, 2, 5, float("inf")])
@pytest.mark.parametrize("missing", [False, True])
def test_statistics_of_many_prompts(name, size, missing):
    """The closed form against a batch of 40,000 prompts; seven standard errors of slack."""
    rng = np.random.default_rng(1)
    reward = np.array([[1.0, 0.25, 0.0], [1.0, np.nan if missing else 0.5, -0.5]])
    length = np.array([[2.0, 5.0, 7.0], [1.0, 3.0, 8.0]])
    prob = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    classes = Rollouts(np.zeros((2, 3)), length, 8.0, weight=prob / 2)
    limit = parse_estimator(name).in_batch({"reward": reward}, classes, size)
    if size == float("inf"):
        r = classes.with_(group_size=size)
        want = parse_estimator(name).apply({"reward": reward}, r)[0]
        np.testing.assert_allclose(limit.apply({"reward": reward}, r)[0], want, atol=1e-9)
        return
    drawn = np.stack([rng.choice(3, (20_000, int(size)), p=p) for p in prob])
    own = np.arange(2)[:, None, None]
    r = Rollouts(np.zeros((40_000, int(size))), length[own, drawn].reshape(40_000, -1), 8.0)
    parts = {"reward": reward[own, drawn].reshape(40_000, -1)}
    want = parse_estimator(name).apply(parts, r)[0]
    got = limit.apply(parts, r)[0]
    assert np.isfinite(got).all()
    # Relative error of a standard deviation from n draws is about 1/sqrt(2 n) to 2/sqrt(n).
    np.testing.assert_allclose(got, want, atol=7 * 2 / np.sqrt(40_000) * (1 + np.abs(want).max()))


def test_whitening_by_tokens_shifts_all_advantages_up_when_wrong_is_long():
    reward = np.array([[1.0, 0.0], [1.0, 0.0]])
    even = advantages(WHITENED["reinforce_plus_plus_baseline"], reward)
    long = advantages(
        WHITENED["reinforce_plus_plus_baseline"], reward, length=np.array([[1.0, 4.0]] * 2)
    )
    np.testing.assert_allclose(even.sum(), 0, atol=1e-12)
    assert np.all(long > even)


# -- the best of several -------------------------------------------------------------------------
@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("G", [4, 5])
def test_pass_at_k_is_unbiased(k, G):
    """E[sum_i A_i grad log pi / G] = d/dp [1 - (1-p)^k], all groups enumerated."""
    for p in GRID:
        grad = 0.0
        for right in itertools.product((0.0, 1.0), repeat=G):
            reward = np.array([right])
            a = advantages(PassAtK(k=k), reward)[0]
            score = np.where(reward[0] > 0, 1 / p, -1 / (1 - p))
            grad += np.prod(np.where(reward[0] > 0, p, 1 - p)) * (a * score).mean()
        assert grad == pytest.approx(k * (1 - p) ** (k - 1), abs=1e-12)


@given(raw=st.lists(st.integers(-4, 4), min_size=5, max_size=5), k=st.integers(2, 5))
def test_pass_at_k_by_subsets(raw, k):
    """k times the mean of max(S) - max(S without i) over the k-subsets S that hold i."""
    reward = np.array([raw], dtype=float) / 4
    got = advantages(PassAtK(k=k), reward)[0]
    for i in range(5):
        others = [reward[0, j] for j in range(5) if j != i]
        gains = [max(reward[0, i] - max(s), 0.0) for s in itertools.combinations(others, k - 1)]
        assert got[i] == pytest.approx(k * sum(gains) / comb(4, k - 1), abs=1e-12)


@given(raw=st.lists(st.integers(-4, 4), min_size=4, max_size=4))
def test_grpo_passk_is_pass_at_group_size(raw):
    reward = np.array([raw], dtype=float)
    a = advantages(GrpoPassk(scale="none"), reward)
    np.testing.assert_allclose(4 * a, advantages(PassAtK(k=4), reward), atol=1e-12)


def test_max_rl_ascends_a_truncated_logarithm():
    """Of order G-1: d/dp of -sum_{k<G} (1-p)^k/k; order G without the baseline."""
    G = 4
    for p in GRID:
        grad, bare = 0.0, 0.0
        for right in itertools.product((0.0, 1.0), repeat=G):
            reward = np.array([right])
            a = advantages(parse_estimator("max_rl"), reward)[0]
            score = np.where(reward[0] > 0, 1 / p, -1 / (1 - p))
            chance = np.prod(np.where(reward[0] > 0, p, 1 - p))
            grad += chance * (a * score).mean()
            bare += chance * (reward[0] / max(reward.mean(), 1e-9) * score).mean()
        series = [(1 - p) ** (k - 1) for k in range(1, G + 1)]
        assert grad == pytest.approx(sum(series[:-1]), abs=1e-12)
        assert bare == pytest.approx(sum(series), abs=1e-12)


# -- tokens ---------------------------------------------------------------------------------------
def by_hand(reward, value, mask, gamma, lam):
    """verl's loop over tokens from the last."""
    out = np.zeros_like(reward)
    for row in np.ndindex(reward.shape[:-1]):
        after, carried = 0.0, 0.0
        for t in reversed(range(reward.shape[-1])):
            m = mask[row][t]
            delta = reward[row][t] + gamma * after - value[row][t]
            after = value[row][t] * m + (1 - m) * after
            carried = (delta + gamma * lam * carried) * m + (1 - m) * carried
            out[row][t] = carried * m
    return out


def token_case(seed, T=11):
    rng = np.random.default_rng(seed)
    length = rng.integers(0, T + 1, (3, 4))
    mask = (np.arange(T) < length[..., None]) * (rng.random((3, 4, T)) < 0.8) * 1.0
    r = Rollouts(rng.random((3, 4)), mask.sum(-1), float(T), mask=mask)
    r = r.with_(values=rng.normal(size=mask.shape))
    return r, rng.normal(size=mask.shape) * mask


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 1.0), (0.9, 0.5), (1.0, 0.95), (0.7, 0.0)])
def test_gae_is_the_recursion(gamma, lam):
    for seed in range(5):
        r, reward = token_case(seed)
        e = Gae(gamma=gamma, lam=lam, whitened=False)
        got = e.apply({"a": reward}, r)[0]
        want = by_hand(reward, r.fields["values"], r.mask, gamma, lam)
        np.testing.assert_allclose(got, want, atol=1e-12)
        target = e.returns({"a": reward}, r)
        np.testing.assert_allclose(target, (want + r.fields["values"]) * r.mask, atol=1e-12)


def test_gae_with_lambda_one_is_return_minus_value():
    r, _ = token_case(3)
    a = Gae(whitened=False).apply({"a": r.correct}, r)[0]
    want = (r.correct[..., None] - r.fields["values"]) * r.mask
    np.testing.assert_allclose(a, want, atol=1e-12)


@pytest.mark.parametrize("name", ["gae", "reinforce_plus_plus_tokens"])
def test_token_estimators_equal_verls_own_code(name):
    import torch

    algos = core_algos()
    for seed in range(5):
        r, reward = token_case(seed)
        e = parse_estimator(f"{name}(gamma=0.9)")
        flat = {k: torch.from_numpy(x.reshape(12, -1)) for k, x in {
            "token_level_rewards": reward, "response_mask": r.mask, "values": r.fields["values"],
        }.items()}  # fmt: skip
        extra = {"gamma": 0.9, "lam": 1.0} if name == "gae" else {"config": Config(gamma=0.9)}
        if name != "gae":
            del flat["values"]
        assert r.mask is not None
        known = "gae" if name == "gae" else "reinforce_plus_plus"
        want = algos.ADV_ESTIMATOR_REGISTRY[known](**flat, **extra)[0].numpy()
        got = e.apply({"a": reward}, r)[0].reshape(12, -1)
        np.testing.assert_allclose(got, want * r.mask.reshape(12, -1), atol=1e-8)


def test_tokens_without_discount_are_the_rollout_form():
    r, _ = token_case(2)
    by_token = parse_estimator("reinforce_plus_plus_tokens").apply({"a": r.correct}, r)[0]
    by_rollout = parse_estimator("reinforce_plus_plus").apply({"a": r.correct}, r)[0]
    np.testing.assert_allclose(by_token, by_rollout[..., None] * r.mask, atol=1e-12)


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=9))
def test_backward_recursion(pairs):
    a, b = np.array(pairs, dtype=float).T
    x = 0.0
    want = []
    for t in reversed(range(len(a))):
        x = a[t] * x + b[t]
        want.append(x)
    np.testing.assert_allclose(backward(a, b), want[::-1], atol=1e-9)
