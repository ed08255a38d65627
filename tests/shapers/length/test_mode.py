"""Mode rewards and the first-token hinge: by hand, gradients, invariants, edge cases."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import arrays_of, to_strict, to_torch
from toyrl import pytree
from toyrl.estimators.group import PRESETS
from toyrl.objectives.first_token import FirstToken, mode_hinge
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.mode import ModeReward, easy
from toyrl.shapers.schedules import Linear

SEED = st.integers(0, 2**32 - 1)


def halves(short: Sequence[float], long: Sequence[float], **more: Any) -> Rollouts:
    """One prompt: correctness of the short half and of the long half."""
    correct = np.array([[*short, *long]])
    mode = np.array([[0.0] * len(short) + [1.0] * len(long)])
    mask = np.ones((*correct.shape, 2))
    return Rollouts(correct, np.full(correct.shape, 2.0), 4.0, mask=mask,
                    fields={"mode": mode}, **more)  # fmt: skip


# -- the reward ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("short", "long", "want"),
    [
        ([1, 0], [1, 0], [1.5, -1, 1, -1]),  # easy by a tie
        ([0, 0], [1, 0], [-1, -1, 1.5, -1]),  # hard: 0 < 0.5 - 0.25
        ([1, 0], [1, 1], [1, -1, 1.5, 1.5]),  # hard
        ([1, 1], [1, 1], [1.5, 1.5, 1, 1]),
        ([0, 0], [0, 0], [-1, -1, -1, -1]),
    ],
)
def test_table_by_hand(short: Any, long: Any, want: Any):
    assert ModeReward().reward(halves(short, long))[0].tolist() == want


def test_a_tie_at_the_threshold_is_easy_in_any_precision():
    """0.75 = 1 - 0.25 and 0.3 = 0.8 - 0.5 do not come out equal in floating point."""
    for short, long, theta in ((3, 8, 0.5), (7, 10, 0.3), (1, 4, 0.3)):
        r = halves([1] * short + [0] * (10 - short), [1] * long + [0] * (10 - long))
        for kind in (np.float64, np.float32):
            narrow = arrays_of(r, lambda x, k=kind: x.astype(k))
            assert bool(easy(narrow, theta)[0].all())
            assert not bool(easy(narrow, theta - 0.01)[0].any())


def test_rules_and_their_limits():
    r = halves([0, 0], [1, 1])
    assert bool(easy(r, 1.0)[0].all())
    assert not bool(easy(halves([1, 1], [0, 0]), -1.01)[0].any())
    assert bool(easy(halves([1, 0], [1, 1]), 0.25, 0.5)[0].all())
    assert not bool(easy(halves([1, 0], [1, 1]), 0.25, 0.51)[0].any())


def test_missing_half_missing_token_and_nan():
    assert ModeReward().reward(halves([1, 0], []))[0].tolist() == [0, 0]
    r = halves([1, 1], [1, 0])
    odd = r.with_(mode=np.array([[0.0, 0.5, 1.0, 1.0]]))
    assert ModeReward().reward(odd)[0].tolist() == [1.5, -1, 1, -1]
    broken = r.with_(mode=np.array([[0.0, np.nan, 1.0, 1.0]]))
    got = ModeReward().reward(broken)[0]
    assert np.isnan(got[1])
    assert got[[0, 2, 3]].tolist() == [1.5, 1, -1]


def test_warmup_goes_from_flat_to_the_table():
    r = halves([1, 0], [1, 1])
    shaper = ModeReward(warmup=Linear(0.0, 1.0, 10))
    flat, half, full = (shaper.reward(replace(r, step=s))[0] for s in (0, 5, 10))
    assert flat.tolist() == [1, -1, 1, 1]
    assert full.tolist() == [1, -1, 1.5, 1.5]
    np.testing.assert_allclose(half, (flat + full) / 2)


@given(seed=SEED)
def test_any_right_answer_outranks_any_wrong_one_and_the_favoured_mode_the_other(seed: int):
    rng = np.random.default_rng(seed)
    r = halves(*(rng.integers(0, 2, 4).astype(float).tolist() for _ in range(2)))
    reward, mode = ModeReward().reward(r)[0], r.fields["mode"][0]
    right = r.correct[0] == 1
    assert np.all(reward[~right] == -1)
    assert np.all(reward[right] >= 1)
    simple = bool(easy(r, 0.25)[0][0, 0])
    for m in (0, 1):
        favoured = simple == (m == 0)
        assert np.all(reward[right & (mode == m)] == (1.5 if favoured else 1.0))
    # One more right short answer never turns easy into hard.
    wrong_short = np.nonzero(~right & (mode == 0))[0]
    if simple and len(wrong_short):
        more = r.correct.copy()
        more[0, wrong_short[0]] = 1
        assert bool(easy(replace(r, correct=more), 0.25)[0][0, 0])


def test_an_unsolved_group_has_no_advantage():
    r = halves([0, 0], [0, 0])
    a, _ = PRESETS["grpo"].apply(ModeReward().apply(r).parts, r)
    assert np.all(a == 0)


# -- the hinge -------------------------------------------------------------------------------------
def test_hinge_on_logits():
    value, slope = mode_hinge(np.array([0.0, 5.0, 1.0, np.nan]), np.array([1.0, 2.0, -1, 0]), 2.0)
    assert value.tolist() == [3, 0, 0, 0]
    assert slope.tolist() == [-1, 0, 0, 0]


@given(seed=SEED)
def test_coefficients_are_the_gradient_of_the_hinge(seed: int):
    """By central differences in the two mode logits, on prompts that share them."""
    rng = np.random.default_rng(seed)
    B, h = 3, 2
    correct = rng.integers(0, 2, (B, 2 * h)).astype(float)
    mode = np.tile([0.0] * h + [1.0] * h, (B, 1))
    r = Rollouts(correct, np.full((B, 2 * h), 2.0), 4.0, mask=np.ones((B, 2 * h, 2)),
                 fields={"mode": mode})  # fmt: skip
    o, z = FirstToken(margin=2.0, weight=0.3), rng.normal(size=(B, 3))  # two modes and another
    simple = easy(r, 0.25)[0][:, 0]

    def objective(z: np.ndarray) -> float:
        lead = np.where(simple, 1, -1) * (z[:, 0] - z[:, 1])
        solved = correct.max(-1) > 0
        return float(-0.3 * (np.maximum(0, 2 - lead) * solved).sum() / B)

    logp = z - np.logaddexp.reduce(z, axis=-1, keepdims=True)
    wide = np.where(mode == 0, logp[:, :1], logp[:, 1:2])[..., None] + np.zeros(2)
    c = o.coefficients(None, r, wide, None)
    assert np.all(c[..., 1] == 0)
    # Through the softmax the third logit is free: coefficients of a prompt sum to zero.
    for b, k in itertools.product(range(B), range(2)):
        move = np.zeros_like(z)
        move[b, k] = 1e-6
        want = (objective(z + move) - objective(z - move)) / 2e-6
        assert c[b, mode[b] == k, 0].sum() == pytest.approx(want, abs=1e-8)
    assert np.abs(c.sum((-2, -1))).max() < 1e-15


def logp_of(r: Rollouts, gap: float) -> np.ndarray:
    """First tokens such that short leads long by `gap` nats."""
    short = r.fields["mode"] == 0
    return np.where(short, gap - 3.0, -3.0)[..., None] + np.zeros(r.mask.shape)  # type: ignore


@pytest.mark.parametrize(
    ("short", "long", "gap", "want"),
    [
        ([1, 0], [1, 0], 0.0, 1),  # easy: towards short
        ([0, 0], [1, 1], 0.0, -1),  # hard: towards long
        ([1, 0], [1, 0], 2.5, 0),  # easy, margin reached
        ([0, 0], [1, 1], -2.5, 0),
        ([0, 0], [0, 0], 0.0, 0),  # unsolved: silent
        ([1, 1], [], 0.0, 0),  # a half is missing
    ],
)
def test_direction_by_hand(short: Any, long: Any, gap: float, want: int):
    r = halves(short, long)
    c = FirstToken(weight=0.1).coefficients(None, r, logp_of(r, gap), None)
    towards_short = c[r.fields["mode"] == 0].sum()
    assert towards_short == pytest.approx(0.1 * want)
    assert c[r.fields["mode"] == 1].sum() == pytest.approx(-0.1 * want if long else 0)


def test_absent_rows_and_broken_numbers():
    r = halves([1, 0, 1], [1, 1, 0])
    logp = logp_of(r, 0.0)
    weight = np.ones((1, 6))
    weight[0, 1] = 0
    got = FirstToken().coefficients(None, r.with_(weight=weight), logp, None)
    assert np.all(got[0, 1] == 0)
    moved = logp.copy()
    moved[0, 1] = np.nan
    np.testing.assert_array_equal(
        FirstToken().coefficients(None, r.with_(weight=weight), moved, None), got
    )
    assert np.all(FirstToken().coefficients(None, r, moved, None) == 0)  # NaN logit: skipped
    empty = r.with_(mask=np.zeros((1, 6, 2)), length=np.zeros((1, 6)))
    assert np.all(FirstToken().coefficients(None, empty, logp, None) == 0)


def test_weights_are_multiplicities():
    r, logp = halves([1, 0], [1, 1]), np.full((1, 4, 2), -0.5)
    weight = np.array([[2.0, 1.0, 3.0, 1.0]])
    got = FirstToken().coefficients(None, r.with_(weight=weight), logp, None)
    spelled = halves([1, 1, 0], [1, 1, 1, 1])
    want = FirstToken().coefficients(None, spelled, np.full((1, 7, 2), -0.5), None)
    np.testing.assert_allclose(got[0, :, 0], [want[0, :2, 0].sum(), want[0, 2, 0],
                                              want[0, 3:6, 0].sum(), want[0, 6, 0]])  # fmt: skip


@pytest.mark.parametrize("convert", [to_torch, to_strict])
def test_eager_backends(convert: Any):
    r = halves([1, 0], [1, 1])
    logp, other = logp_of(r, 0.3), convert(r)
    got = FirstToken().coefficients(None, other, other.xp.asarray(logp), None)
    want = FirstToken().coefficients(None, r, logp, None)
    np.testing.assert_allclose(np.asarray(got), want, atol=1e-15)
    assert np.abs(want).max() > 0


def test_jax():
    import jax

    r = halves([1, 0], [1, 1])
    logp = logp_of(r, 0.3)
    with jax.enable_x64(True):
        pytree.activate()
        run = jax.jit(lambda r, x: FirstToken().coefficients(None, r, x, None))
        got = np.asarray(run(arrays_of(r, jax.numpy.asarray), logp))
    np.testing.assert_allclose(got, FirstToken().coefficients(None, r, logp, None), atol=1e-15)


def test_a_missing_mode_is_named():
    r = halves([1], [1])
    with pytest.raises(KeyError, match="mode"):
        ModeReward().reward(r.with_(fields={}))
