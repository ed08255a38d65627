"""Majority vote: by a slow count, on three libraries, in the population limit, edge cases."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from tests.backends import arrays_of, to_strict, to_torch
from toyrl.rollouts import Rollouts
from toyrl.shapers.label_free.vote import Majority, votes


def rollouts(answer, **more) -> Rollouts:
    answer = np.asarray(answer, dtype=float)
    return Rollouts(
        (answer == 0) * 1.0, np.ones(answer.shape), 4.0, fields={"answer": answer}, **more
    )


def slow(line) -> list[float]:
    """By counting, one group."""
    count = collections.Counter(a for a in line if a >= 0)
    top = max(count.values(), default=0)
    return [float(a >= 0 and count[a] == top) for a in line]


GROUPS = [
    [0, 0, 1, 2],
    [1, 1, 0, -1],
    [0, 1, 0, 1],  # a tie: both lead
    [-1, -1, -1, 3],  # no answer has no vote
    [-1, -1, -1, -1],
    [2, 2, 2, 2],
]


def test_by_counting_on_three_libraries():
    want = np.array([slow(line) for line in GROUPS])
    jnp = pytest.importorskip("jax.numpy")
    for move in (lambda r: r, to_strict, to_torch, lambda r: arrays_of(r, jnp.asarray)):
        found = Majority(alpha=2.0).reward(move(rollouts(GROUPS)))
        np.testing.assert_array_equal(np.asarray(found), 2 * want)


def test_random_groups_and_any_numbering():
    rng = np.random.default_rng(0)
    answer = rng.integers(-1, 4, (200, 7))
    want = np.array([slow(line) for line in answer])
    np.testing.assert_array_equal(Majority().reward(rollouts(answer)), want)
    other = np.where(answer >= 0, 3 * (4 - answer) + 1, -5)
    np.testing.assert_array_equal(Majority().reward(rollouts(other)), want)


def test_weights_are_counts_and_absent_siblings_have_no_vote():
    r = rollouts([[0, 1, 1, 2]])
    assert Majority().reward(r).tolist() == [[0, 1, 1, 0]]
    heavy = r.with_(weight=np.array([[3.0, 1.0, 1.0, 1.0]]))
    assert Majority().reward(heavy).tolist() == [[1, 0, 0, 0]]
    gone = r.with_(weight=np.array([[1.0, 1.0, 0.0, 1.0]]))
    assert Majority().reward(gone).tolist() == [[1, 1, 0, 1]]
    assert votes(r.fields["answer"], r.w).tolist() == [[1, 2, 2, 1]]


def test_ties_of_chances_are_found_whatever_the_rounding():
    """Two answers of chance 0.3 each, one of them in three classes of 0.1."""
    r = rollouts([[0, 1, 1, 1, 2]], weight=np.array([[0.3, 0.1, 0.1, 0.1, 0.4 - 1e-9]]))
    assert Majority().reward(r).tolist() == [[0, 0, 0, 0, 1]]
    tied = r.with_(weight=np.array([[0.3, 0.1, 0.1, 0.1, 0.2]]))
    assert Majority().reward(tied).tolist() == [[1, 1, 1, 1, 0]]


def test_truth_is_not_read():
    r = rollouts(GROUPS)
    flipped = r.with_(correct=1 - r.correct)
    np.testing.assert_array_equal(Majority().reward(flipped), Majority().reward(r))
    assert Majority().all_scope() == "group"
