"""PRIME's advantages: the laws, both baselines by hand, the filter, bad input, other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from toyrl.estimators.prime import Prime
from toyrl.expressions import parse, parse_estimator
from toyrl.registry import entries
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.implicit import ImplicitProcess
from toyrl.testing.laws import process as process_laws
from toyrl.theory.process.dense import baseline_gap, dense_total

OPEN = {"low": 0.0, "high": 1.0}
NAMES = ("prime", "prime_released", "prime_verl")


def drawn(seed: int, *, empty: bool = False) -> tuple[np.ndarray, Rollouts]:
    """Token rewards of a size of 1 and rollouts (3, 4) of 1 (or 0) to 6 tokens."""
    rng = np.random.default_rng(seed)
    length = rng.integers(0 if empty else 1, 7, (3, 4))
    mask = (np.arange(6) < length[..., None]) * 1.0
    correct = (rng.random((3, 4)) < 0.5) * 1.0
    return rng.normal(size=mask.shape) * mask, Rollouts(correct, length * 1.0, 8.0, mask=mask)


def run(e: Prime, tokens: np.ndarray, r: Rollouts) -> np.ndarray:
    return np.asarray(e.apply({"outcome": r.correct, "process": tokens}, r)[0])


# -- laws, which users can call too ----------------------------------------------------------------
@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_laws(seed: int, empty: bool):
    tokens, r = drawn(seed, empty=empty)
    published, released = Prime(**OPEN), Prime(released=True, **OPEN)
    assert process_laws.silent_models_are_leave_one_out(published, r) is None
    assert process_laws.silent_models_are_leave_one_out(released, r) is None
    assert process_laws.outcome_shift_is_nothing(published, tokens, r, 2.5) is None
    assert process_laws.returns_are_bounded(tokens, r) is None
    assert process_laws.totals_agree(published, released, tokens, r) is None
    for name in NAMES[1:]:
        assert process_laws.scale_is_nothing(parse_estimator(name), tokens, r, 0.1) is None


def test_controls_that_break_the_laws():
    tokens, r = drawn(3)
    whitened, paper = Prime(whitened=True, **OPEN), Prime(**OPEN)
    assert "off" in str(process_laws.silent_models_are_leave_one_out(whitened, r))
    assert "moves" in str(process_laws.scale_is_nothing(paper, tokens, r))
    assert "differ" in str(process_laws.totals_agree(paper, Prime(0.5, **OPEN), tokens, r))
    shaped = Prime(**OPEN, outcome=0.0)
    assert process_laws.outcome_shift_is_nothing(shaped, tokens, r, 1.0) is None
    skewed = r.with_(correct=r.correct + np.arange(4) / 9)
    assert not np.allclose(run(paper, tokens, r), run(paper, tokens, skewed))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_the_published_formula_by_a_loop(seed: int, gamma: float):
    tokens, r = drawn(seed)
    found, m = run(Prime(gamma, **OPEN), tokens, r), np.zeros((3, 4))
    for b, i in np.ndindex(3, 4):
        m[b, i] = tokens[b, i, : int(r.length[b, i])].mean()
    for b, i in np.ndindex(3, 4):
        others = [j for j in range(4) if j != i]
        T, own = int(r.length[b, i]), r.correct[b]
        for t in range(T):
            dense = sum(gamma ** (s - t) * (tokens[b, i, s] - m[b, others].mean())
                        for s in range(t, T))  # fmt: skip
            want = dense + own[i] - own[others].mean()
            assert found[b, i, t] == pytest.approx(want, abs=1e-12)
        assert not found[b, i, T:].any()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_totals_and_the_released_baseline(seed: int):
    tokens, r = drawn(seed)
    published, released = (run(Prime(released=x, outcome=0.0, **OPEN), tokens, r)
                           for x in (False, True))  # fmt: skip
    means = tokens.sum(-1) / r.length
    want = dense_total(means, r.length)
    assert published[..., 0] == pytest.approx(want, abs=1e-12)
    for b, g in np.ndindex(3, 4):
        n = int(r.length[b, g])
        gap = (released - published)[b, g, :n]
        assert gap == pytest.approx(baseline_gap(tokens[b, g, :n], 4), abs=1e-12)


def test_whitened_over_the_valid_tokens_of_kept_prompts():
    tokens, r = drawn(5)
    r = r.with_(correct=np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1]]))
    a = run(parse_estimator("prime_released"), tokens, r)
    live = (r.mask > 0) & np.array([True, False, True])[:, None, None]
    assert not a[~live].any()
    assert a[live].mean() == pytest.approx(0, abs=1e-12)
    assert a[live].var(ddof=1) == pytest.approx(1, abs=1e-6)
    # An extreme prompt that is dropped shrinks nobody's signal.
    huge = tokens * np.array([1.0, 1e6, 1.0])[:, None, None]
    assert run(parse_estimator("prime_released"), huge, r) == pytest.approx(a, abs=1e-12)


# -- which prompts stay ----------------------------------------------------------------------------
def test_the_filter_keeps_its_own_ends():
    correct = np.array([[1.0, 0, 0, 0, 0], [1, 1, 1, 1, 0], [0] * 5, [1] * 5])
    for dtype in (np.float64, np.float32):
        mask = np.ones((4, 5, 2), dtype=dtype)
        r = Rollouts(correct.astype(dtype), mask.sum(-1), 2.0, mask=mask)
        noise = np.random.default_rng(0).normal(size=mask.shape).astype(dtype)
        spoken = run(Prime(), noise, r).any((-1, -2))
        assert spoken.tolist() == [True, True, False, False]
        # Without it noise speaks where there is nothing to learn, at full size when whitened.
        loud = run(Prime(whitened=True, **OPEN), 1e-3 * noise[2:3], r.with_(
            correct=r.correct[2:3], length=r.length[2:3], mask=mask[2:3]))  # fmt: skip
        assert loud.std(ddof=1) == pytest.approx(1, rel=0.01)


def test_truncated_rollouts():
    tokens, r = drawn(7)
    r = r.with_(correct=np.tile([1.0, 0, 0, 1], (3, 1)), truncated=np.arange(12).reshape(3, 4) == 1)
    kept = run(Prime(drops_truncated=True), tokens, r)
    assert kept.any((-1, -2)).tolist() == [False, True, True]
    assert run(Prime(), tokens, r).any((-1, -2)).all()  # the paper's: its outcome is 0


# -- bad input -------------------------------------------------------------------------------------
def test_a_group_of_one_and_a_response_of_one_token():
    mask = np.ones((2, 1, 3))
    one = Rollouts(np.ones((2, 1)), mask.sum(-1), 3.0, mask=mask)
    for name in NAMES:
        assert not run(parse_estimator(name), mask, one).any()
        assert not run(Prime(**OPEN), mask, one).any()
    short = Rollouts(np.array([[1.0, 0, 0]]), np.ones((1, 3)), 3.0, mask=np.ones((1, 3, 1)))
    tokens = np.array([[[0.5], [-0.2], [0.1]]])
    last = run(Prime(keeps_last=False, **OPEN), tokens, short)
    assert last[0, :, 0] == pytest.approx([1.0, -0.5, -0.5], abs=1e-15)  # of the outcome alone


@pytest.mark.parametrize("name", NAMES)
def test_missing_scores_make_a_rollout_absent(name: str):
    tokens, r = drawn(11)
    r = r.with_(correct=np.tile([1.0, 0, 0, 1], (3, 1)))
    e = parse_estimator(name)
    hole = tokens.copy()
    hole[1, 2, 0] = math.nan
    gone = r.with_(weight=np.where(np.arange(12).reshape(3, 4) == 6, 0.0, 1.0))
    assert run(e, hole, r) == pytest.approx(run(e, tokens, gone), abs=1e-12)
    # Off the mask nothing is read.
    behind = np.where(r.mask > 0, tokens, math.nan)
    assert (run(e, behind, r) == run(e, tokens, r)).all()
    zeros = run(e, 0 * tokens, r)
    assert np.isfinite(zeros).all()


def test_a_token_that_the_reference_can_not_write():
    tokens, r = drawn(13)
    r = r.with_(correct=np.tile([1.0, 0, 0, 1], (3, 1)), prm_logprobs=-np.abs(tokens),
                ref_logprobs=-np.ones_like(tokens))  # fmt: skip
    ref = r.fields["ref_logprobs"].copy()
    ref[0, 0, 0] = -math.inf
    parts = {"outcome": r.correct, **ImplicitProcess().apply(r.with_(ref_logprobs=ref)).parts}
    a = np.asarray(Prime().apply(parts, r)[0])
    assert np.isfinite(a).all()
    assert not a[0, 0].any()
    assert a[0, 1].any()
    paid = np.asarray(parse("prime_process()").apply(r.with_(ref_logprobs=ref)).parts["process"])
    assert np.isnan(paid[0, 0]).all()
    assert np.isfinite(paid.reshape(12, -1)[1:]).all()
    alone = parse("prime_process()").apply(r.with_(weight=np.arange(12).reshape(3, 4) > 0))
    assert paid.reshape(12, -1)[1:] == pytest.approx(
        np.asarray(alone.parts["process"]).reshape(12, -1)[1:], abs=1e-15)  # fmt: skip


def test_more_scores_than_tokens_and_no_mask():
    tokens, r = drawn(17)
    with pytest.raises(ValueError, match="process"):
        run(Prime(), np.concatenate([tokens, tokens], axis=-1), r)
    with pytest.raises(KeyError, match="mask"):
        Prime().apply({"outcome": r.correct}, Rollouts(r.correct, r.length, 8.0))
    with pytest.raises(ValueError, match=r"low=0\.9 is above high=0\.8"):
        Prime(low=0.9)
    with pytest.raises(ValueError, match="gamma"):
        Prime(1.5)


# -- the shaper, and other libraries ---------------------------------------------------------------
@pytest.mark.parametrize("flags", [{}, {"released": True}, {"released": True, "batch_norm": True},
                                   {"batch_norm": True, "keeps_last": False, "lam": 0.5}],
                         ids=len)  # fmt: skip
def test_the_shaper_pays_what_the_estimator_sums(flags: dict):
    tokens, r = drawn(19)
    r = r.with_(correct=np.tile([1.0, 0, 0, 1], (3, 1)), prm_logprobs=tokens - 9,
                ref_logprobs=-9 * np.ones_like(tokens))  # fmt: skip
    said = ", ".join(f"{k}={v}" for k, v in flags.items())
    dense = np.asarray(parse(f"prime_process(beta=1, {said})").apply(r).parts["process"])
    to_go = np.flip(np.flip(dense, -1).cumsum(-1), -1) * r.mask
    want = run(Prime(outcome=0.0, **flags), tokens, r)
    assert to_go == pytest.approx(want, abs=1e-12)
    for to in (to_torch, to_strict):
        other = np.asarray(parse(f"prime_process(beta=1, {said})").apply(to(r)).parts["process"])
        assert other == pytest.approx(dense, abs=1e-12)


@pytest.mark.parametrize("to", [to_torch, to_strict])
def test_the_estimators_elsewhere(to):
    tokens, r = drawn(23)
    r = r.with_(correct=np.tile([1.0, 0, 0, 1], (3, 1)), potential=tokens)
    there = to(r)
    for name in NAMES:
        e = parse_estimator(name)
        a = e.apply({"outcome": there.correct, "process": there.fields["potential"]}, there)[0]
        assert np.asarray(a) == pytest.approx(run(e, tokens, r), abs=1e-12)


def test_reachable_by_the_paper():
    found = {(e.kind, e.name) for k in ("shaper", "estimator", "theorem") for e in entries(k)
             if "53" in e.cards}  # fmt: skip
    assert {("estimator", n) for n in NAMES} < found
    assert {("shaper", "prime_process"), ("shaper", "implicit_process")} < found


def test_where_one_number_a_rollout_is_taken_the_reason_is_said():
    from toyrl.bridge.export.carry import CannotCarry, plan
    from toyrl.experiments.errors import UsageError
    from toyrl.experiments.transfer.rewards import SuiteReward

    for target in ("trl", "verl", "openrlhf", "verifiers"):
        with pytest.raises(CannotCarry, match="credit per token"):
            plan(parse("outcome() + prime_process()"), None, target)
    with pytest.raises(CannotCarry, match="estimator works per token"):
        plan(parse("outcome()"), Prime(), "trl")
    read = SuiteReward("prime", "own", parse("prime_process()"), 1.0)
    with pytest.raises(UsageError, match="implicit reward model's forward pass"):
        read.refuse_unread()
