"""Soft Q-learning: coefficients are gradients, zero loss at the soft optimum, by hand, backends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import arrays_of, to_strict, to_torch
from toyrl import pytree
from toyrl.objectives.soft_q import SoftQ
from toyrl.rollouts import Rollouts

B, G, T = 2, 3, 4


def case(seed: int) -> tuple[Rollouts, np.ndarray, np.ndarray]:
    """(rollouts with ragged masks, rewards, logp)."""
    rng = np.random.default_rng(seed)
    length = rng.integers(0, T + 1, (B, G)).astype(float)
    mask = (np.arange(T) < length[..., None]) * 1.0
    fields = {"target_values": rng.normal(size=(B, G, T))}
    r = Rollouts(np.zeros((B, G)), length, float(T), mask=mask, fields=fields)
    return r, rng.normal(size=(B, G)), -rng.exponential(1.0, (B, G, T))


def written_out(reward: Any, logp: Any, value: Any, length: int) -> tuple[float, float]:
    """The two losses of one rollout as the paper's code states them."""
    single = multi = 0.0
    for t in range(length):
        last = t == length - 1
        target = reward - value[t] if last else value[t + 1] - value[t]
        single += (logp[t] - target) ** 2
        multi += (sum(logp[t:length]) - (reward - value[t])) ** 2
    return single, multi


@pytest.mark.parametrize("seed", range(4))
def test_losses_as_written_out(seed: int):
    r, reward, logp = case(seed)
    single, multi = SoftQ().losses(reward, r, logp)
    for b, i in itertools.product(range(B), range(G)):
        value = r.fields["target_values"][b, i]
        want = written_out(reward[b, i], logp[b, i], value, int(r.length[b, i]))
        assert (single[b, i], multi[b, i]) == pytest.approx(want)


@pytest.mark.parametrize("multi", [0.0, 0.5, 1.0])
@given(seed=st.integers(0, 2**32 - 1))
def test_coefficients_are_minus_the_gradient_of_the_loss(multi: float, seed: int):
    r, reward, logp = case(seed)
    o = SoftQ(multi)

    def loss(x: np.ndarray) -> float:
        a, b = o.losses(reward, r, x)
        return float(((1 - multi) * a + multi * b).mean())

    got = o.coefficients(reward, r, logp, None)
    for at in itertools.product(range(B), range(G), range(T)):
        move = np.zeros_like(logp)
        move[at] = 1e-4  # a central difference of a parabola is exact but for rounding
        assert got[at] == pytest.approx((loss(logp - move) - loss(logp + move)) / 2e-4, abs=1e-8)


def soft_values(reward: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Soft optimum of a tree: (logp, values) (1, paths, n) and rewards (1, paths)."""
    paths = np.array(list(itertools.product(*map(range, reward.shape))))
    levels = [reward]
    while levels[0].ndim:
        levels.insert(0, np.logaddexp.reduce(levels[0], axis=-1))
    v = np.array([[levels[t][tuple(p[:t])] for t in range(reward.ndim)] for p in paths])
    after = np.array(
        [[levels[t + 1][tuple(p[: t + 1])] for t in range(reward.ndim)] for p in paths]
    )
    return (after - v)[None], v[None], reward.reshape(1, -1)


@given(seed=st.integers(0, 2**32 - 1), shift=st.floats(-5, 5))
def test_every_path_is_consistent_at_the_soft_optimum_and_off_by_a_shift_of_the_values(
    seed: int, shift: float
):
    reward = np.random.default_rng(seed).normal(size=(3, 2, 3)) * 2
    logp, value, flat = soft_values(reward)
    path = logp.sum(-1)[0]
    np.testing.assert_allclose(np.exp(path), np.exp(flat[0]) / np.exp(flat).sum(), rtol=1e-10)
    one = np.ones(flat.shape)
    for move in (0.0, shift):
        fields = {"target_values": value + move}
        r = Rollouts(one, 3 * one, 3.0, mask=np.ones(logp.shape), fields=fields)
        single, multi = SoftQ().losses(flat, r, logp)
        # Values too high by c: the last token is off by c, each start of a path by c.
        np.testing.assert_allclose(single, move**2, atol=1e-9)
        np.testing.assert_allclose(multi, 3 * move**2, atol=1e-9)
    wrong = SoftQ().losses(flat, r.with_(target_values=value), logp + 0.1)[0]
    assert np.all(wrong > 0.01)


def test_one_token_prompt_by_hand():
    """Loss 0 at Q = r for every action, c^2 at Q = r + c (target = online)."""
    reward = np.array([[1.0, -2.0, 0.5]])
    for c in (0.0, 0.7):
        q = reward + c
        v = np.log(np.exp(q).sum()) + 0 * q
        r = Rollouts(0 * q, 1 + 0 * q, 1.0, mask=np.ones((1, 3, 1)),
                     fields={"target_values": v[..., None]})  # fmt: skip
        for loss in SoftQ().losses(reward, r, (q - v)[..., None]):
            np.testing.assert_allclose(loss, c**2, atol=1e-12)
        got = SoftQ().coefficients(reward, r, (q - v)[..., None], None)
        np.testing.assert_allclose(got, -2 * c / 3, atol=1e-12)


def test_absent_rollouts_and_padding():
    r, reward, logp = case(1)
    assert r.mask is not None
    weight = np.ones((B, G))
    weight[0, 1], reward[1, 0] = 0.0, np.nan
    got = SoftQ().coefficients(reward, r.with_(weight=weight), logp, None)
    assert np.all(got[0, 1] == 0)
    assert np.all(got[1, 0] == 0)
    assert np.all(got[r.mask == 0] == 0)
    gone = weight.copy()
    gone[1, 0] = 0
    other = np.where(gone > 0, reward, 9.0)
    value = np.where(r.mask > 0, r.fields["target_values"], np.nan)
    r2 = r.with_(weight=gone, target_values=value)
    np.testing.assert_array_equal(
        SoftQ().coefficients(other, r2, np.where(r.mask > 0, logp, 50.0), None), got
    )
    empty = r.with_(mask=np.zeros((B, G, T)), length=np.zeros((B, G)))
    assert np.all(SoftQ().coefficients(other, empty, logp, None) == 0)


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends(convert: Any):
    r, reward, logp = case(3)
    other = convert(r)
    xp = other.xp
    got = SoftQ().coefficients(xp.asarray(reward), other, xp.asarray(logp), None)
    want = SoftQ().coefficients(reward, r, logp, None)
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-10, atol=1e-14)


def test_jax():
    import jax

    r, reward, logp = case(4)
    with jax.enable_x64(True):
        pytree.activate()
        run = jax.jit(lambda a, r, x: SoftQ().coefficients(a, r, x, None))
        got = np.asarray(run(reward, arrays_of(r, jax.numpy.asarray), logp))
    want = SoftQ().coefficients(reward, r, logp, None)
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-14)


def test_wrong_settings_say_what_is_allowed():
    with pytest.raises(ValueError, match=r"multi=2 is not a number in \[0, 1\]"):
        SoftQ(2)
    r, reward, logp = case(0)
    with pytest.raises(KeyError, match="target_values"):
        SoftQ().coefficients(reward, r.with_(fields={}), logp, None)
