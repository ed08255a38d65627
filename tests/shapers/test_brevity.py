"""HARMO's penalty on wrong short answers and its hybrid outcome (card 52)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from toyrl import parse
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
