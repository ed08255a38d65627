"""CRF against its additive form: the invariants of section 6 of the variance theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.testing import rollouts

EXACT = 1e-12
groups = rollouts(needs=("conciseness",), weights="none", group=(2, 6))
alphas, annealing = st.floats(0, 4), st.floats(0, 1)


def crf(r: Rollouts, alpha: float, s: float) -> np.ndarray:
    return parse(f"crf(alpha={alpha!r}, s={s!r})").reward(r)


def slow_score(c: float, length: float) -> float:
    return 0.1 if length == 0 else min(max(c, 0.1), 1.0)


@given(groups, alphas, annealing)
def test_against_a_slow_definition(r: Rollouts, alpha: float, s: float) -> None:
    """R_o (1 + alpha c (s + exp(m/G))), rollout by rollout."""
    got = crf(r, alpha, s)
    for b in range(r.shape[0]):
        right = sum(r.correct[b].tolist())
        d = math.exp(right / r.shape[1])
        for g in range(r.shape[1]):
            c = slow_score(r.fields["conciseness"][b, g], r.length[b, g])
            want = r.correct[b, g] * (1 + alpha * c * (s + d))
            assert got[b, g] == pytest.approx(want, rel=EXACT)


@given(groups, alphas, annealing)
def test_wrong_ones_get_nothing_and_bounds(r: Rollouts, alpha: float, s: float) -> None:
    """Invariants 1 and 2."""
    reward = crf(r, alpha, s)
    right = r.correct == 1
    assert np.all(reward[~right] == 0)
    assert np.all(reward <= 1 + alpha * (s + math.e) + EXACT)
    assert np.all(reward[right] >= 1 + 0.1 * alpha * (s + 1) - EXACT)
    assert np.array_equal(crf(r, 0.0, s), r.correct)


@given(groups, alphas, annealing)
def test_mixed_groups_have_one_negative_advantage_for_wrong_ones(
    r: Rollouts, alpha: float, s: float
) -> None:
    """Invariants 1 and 7: all-wrong groups have advantage exactly 0."""
    shaper = parse(f"crf(alpha={alpha!r}, s={s!r})")
    a = PRESETS["grpo"].apply(shaper.apply(r).parts, r)[0]
    for b in range(r.shape[0]):
        wrong = a[b][r.correct[b] == 0]
        if r.correct[b].sum() == 0:
            assert np.all(a[b] == 0)
        elif len(wrong):
            assert np.ptp(wrong) == 0
            assert wrong[0] < 0


@given(groups, st.floats(0.1, 4), annealing, st.data())
def test_score_moves_only_its_own_right_rollout(
    r: Rollouts, alpha: float, s: float, data: st.DataObject
) -> None:
    """Invariant 3."""
    b = data.draw(st.integers(0, r.shape[0] - 1))
    g = data.draw(st.integers(0, r.shape[1] - 1))
    c = r.fields["conciseness"].copy()
    assume(0.1 <= c[b, g] < 0.8)
    c[b, g] += 0.2
    before, after = crf(r, alpha, s), crf(r.with_(conciseness=c), alpha, s)
    moved = (after - before)[b, g]
    if r.correct[b, g] == 1 and r.length[b, g] > 0:
        assert moved > 0
    else:
        assert moved == 0
    rest = after - before
    rest[b, g] = 0
    assert np.all(rest == 0)


@given(groups, st.floats(0.1, 4), annealing)
def test_one_more_right_sibling_raises_every_right_reward(
    r: Rollouts, alpha: float, s: float
) -> None:
    """Invariant 4: d depends on the count of right ones and rises with it."""
    assume(r.correct[0].sum() < r.shape[1])
    correct = r.correct.copy()
    flipped = int(np.flatnonzero(correct[0] == 0)[0])
    correct[0, flipped] = 1
    before, after = crf(r, alpha, s), crf(r.with_(correct=correct), alpha, s)
    right = r.correct[0] == 1
    assert np.all(after[0][right] > before[0][right])
    assert np.array_equal(before[1:], after[1:])


@given(groups, st.floats(0.01, 4), annealing)
def test_right_ones_are_pushed_down_only_in_easy_groups(
    r: Rollouts, alpha: float, s: float
) -> None:
    """Invariant 5: a negative advantage of a right one needs m/G > (1 + 0.1 k)/(1 + k)."""
    reward = crf(r, alpha, s)
    below = (reward < reward.mean(-1, keepdims=True) - EXACT) & (r.correct == 1)
    share = r.correct.mean(-1, keepdims=True)
    kappa = alpha * (s + np.exp(share))
    bound = (1 + 0.1 * kappa) / (1 + kappa)
    assert not np.any(below & (share <= bound - EXACT))


def test_control_additive_has_no_such_bound() -> None:
    """One right and verbose, seven wrong and short: the additive form pushes the right one down."""
    r = Rollouts(
        np.array([[1.0, *[0.0] * 7]]),
        np.array([[9.0, *[1.0] * 7]]),
        10.0,
        fields={"conciseness": np.array([[0.1, *[1.0] * 7]])},
    )
    additive = parse("conciseness_additive(2)").reward(r)
    assert additive[0, 0] < additive.mean()
    gated = crf(r, 0.5, 1.0)
    assert gated[0, 0] > gated.mean()


def test_score_edges() -> None:
    """Clipped to [0.1, 1]; an empty completion gets the lowest score; length stands in."""
    r = Rollouts(np.ones((1, 4)), np.array([[0.0, 1.0, 1.0, 1.0]]), 10.0,
                 fields={"conciseness": np.array([[1.0, 0.0, 0.5, 1.0]])})  # fmt: skip
    part = parse("conciseness_additive(1)").apply(r).parts["conciseness"]
    assert part.tolist() == [[0.1, 0.1, 0.5, 1.0]]
    plain = Rollouts(np.ones((1, 3)), np.array([[2.0, 9.5, 10.0]]), 10.0)
    part = parse("conciseness_additive(1)").apply(plain).parts["conciseness"]
    assert part == pytest.approx(np.array([[0.8, 0.1, 0.1]]), abs=EXACT)


def test_population_limit() -> None:
    """Classes with probabilities: d = exp(p), the limit of exp(m/G)."""
    r = Rollouts(np.array([[1.0, 0.0]]), np.array([[5.0, 5.0]]), 10.0,
                 weight=np.array([[0.3, 0.7]]), group_size=math.inf)  # fmt: skip
    want = 1 + 0.5 * 0.5 * (1 + math.exp(0.3))
    assert crf(r, 0.5, 1.0)[0, 0] == pytest.approx(want, rel=EXACT)


def test_annealing() -> None:
    r = Rollouts(np.ones((1, 1)), np.full((1, 1), 5.0), 10.0)
    shaper = parse("crf(alpha=1, s=linear(1, 0, 100))")
    at = [float(shaper.reward(r.with_(step=t))[0, 0]) for t in (0, 50, 100, 500)]
    assert at == pytest.approx([1 + 0.5 * (s + math.e) for s in (1, 0.5, 0, 0)], rel=EXACT)
