"""HARMO's penalty on wrong short answers and its hybrid outcome (card 52)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from toyrl import parse, stats
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.brevity import BrevityPenalty, HybridOutcome
from toyrl.testing import check_invariants, rollouts


def group(correct: list[float], length: list[float]) -> Rollouts:
    return Rollouts(np.array([correct], dtype=float), np.array([length], dtype=float), 200.0)


def test_by_hand():
    """The reference is 100: an empty wrong answer pays all, one of 50 half, one of 100 nothing."""
    r = group([1, 1, 0, 0, 0, 0], [80, 120, 0, 50, 100, 190])
    assert BrevityPenalty().reward(r)[0].tolist() == [0, 0, -0.5, -0.25, 0, 0]
    assert BrevityPenalty(tau=0.5).reward(r)[0].tolist() == [0, 0, -0.5, 0, 0, 0]


def test_what_the_reviews_leave_open_by_hand():
    r = group([1, 1, 1, 0, 0, 0], [40, 80, 180, 20, 90, 400])
    assert BrevityPenalty(1.0, quantile=0.0).reward(r)[0].tolist() == [0, 0, 0, -0.5, 0, 0]
    assert BrevityPenalty(1.0, quantile=0.5).reward(r)[0].tolist() == [0, 0, 0, -0.75, 0, 0]
    both = BrevityPenalty(1.0, beyond=2.0).reward(r)[0]
    assert both == pytest.approx([0, 0, 0, -0.8, -0.1, -1.0])
    everyone = BrevityPenalty(1.0, everyone=0.5).reward(r)[0]
    assert everyone == pytest.approx([-0.3, -0.1, 0, -0.8, -0.1, 0])
    for shaper in (BrevityPenalty(quantile=0.5, beyond=1.5), BrevityPenalty(quantile=0.5)):
        assert not shaper.reward(group([0, 0], [5, 190])).any()


def test_quantiles_are_those_of_repeated_values():
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 6, (200, 5)).astype(float), rng.integers(0, 3, (200, 5)).astype(float)
    for q in (0.0, 0.5, 1.0):
        want = [
            np.quantile(np.repeat(a, b.astype(int)), q) if b.any() else np.inf
            for a, b in zip(x, w, strict=True)
        ]
        assert stats.quantile(x, w, q)[:, 0] == pytest.approx(want)
    with pytest.raises(ValueError, match="axis=0"):
        stats.quantile(x, w, 0.5, axis=0)


@pytest.mark.parametrize("correct", [[0, 0, 0], [1, 1, 1]])
def test_off_where_all_are_wrong_or_all_are_right(correct: list[float]):
    assert not BrevityPenalty().reward(group(correct, [1, 50, 90])).any()


def test_right_answers_of_no_length_are_no_reference():
    assert not BrevityPenalty().reward(group([1, 0], [0, 0])).any()


@given(rollouts(weights="none"))
def test_range_and_unit(r: Rollouts):
    """Invariants 2, 3 and 5."""
    value = BrevityPenalty(0.7).reward(r)
    assert np.all((value <= 0) & (value >= -0.7) & ((r.correct < 1) | (value == 0)))
    twice = r.with_(length=3 * r.length, max_length=3 * r.max_length)
    assert BrevityPenalty(0.7).reward(twice) == pytest.approx(value, abs=1e-12)


@given(rollouts(needs=("verifiable", "similarity"), weights="none"))
def test_hybrid_outcome(r: Rollouts):
    """Invariant 6: verifiable prompts ignore the similarity, open ones the rule."""
    ones = np.ones(r.shape)
    ruled = HybridOutcome().reward(r.with_(verifiable=ones))
    np.testing.assert_array_equal(ruled, r.correct)
    open_ended = HybridOutcome().reward(r.with_(verifiable=0 * ones))
    assert open_ended == pytest.approx(r.fields["similarity"])


def test_laws():
    law = ["wrong_never_above_right", "length_unit", "longer_wrong_never_below"]
    text = "outcome() + brevity_penalty()"
    assert check_invariants(text, invariants=law, max_examples=30).ok
    assert parse(text).all_scope() == "group"
