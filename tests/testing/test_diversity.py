"""Diverse rollouts reach corners that random ones miss, and say which were never asked about."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from toyrl.rollouts import Rollouts
from toyrl.testing import diverse_rollouts, unasked
from toyrl.testing.diversity import explore, grid, placed


def short_and_formed(correct, format, length):
    """Pays a right answer in format, and a wrong one that is formed and short."""
    return correct * format + (length <= 1) * (format > 0.9) * (correct < 1)


def test_the_best_paid_corner_that_nobody_asked_about_is_the_hole():
    asked = Rollouts(np.array([[1.0, 0.0]]), np.array([[4.0, 4.0]]), 8.0,
                     fields={"format": np.ones((1, 2))})  # fmt: skip
    found = unasked(short_and_formed, asked, budget=1000)
    wrong = [c for c in found.corners if not c.correct]
    assert (wrong[0].reward, wrong[0].format, wrong[0].length) == (1.0, 1, (0.0, 0.2))
    assert "length 0% to 20% of the limit, wrong, format kept: paid 1" in str(found)
    assert not [c for c in found.corners if c.correct and c.format and c.length == (0.4, 0.6)
                and c.reward == 1]  # fmt: skip


def test_what_was_asked_everywhere_leaves_no_corner():
    cells = explore(short_and_formed, budget=600).cells
    assert unasked(short_and_formed, cells.values(), budget=600).corners == ()


@settings(max_examples=20)
@given(diverse_rollouts("outcome() - 0.3*linear_length()", budget=600))
def test_the_strategy_draws_groups(r):
    assert r.shape == (1, 3)
    assert (np.asarray(r.length) <= 8).all()


def test_random_groups_reach_fewer_corners():
    found = explore(short_and_formed, budget=600)
    rng = np.random.default_rng(0)
    n = len(found.cells)
    r = Rollouts(rng.integers(0, 2, (n, 3)) * 1.0, rng.integers(0, 9, (n, 3)) * 1.0, 8.0,
                 fields={"format": rng.integers(0, 9, (n, 3)) / 8})  # fmt: skip
    reached = np.unique(grid().cells(placed(r, found.reward)[:, 0]))
    assert len(reached) < 0.7 * n


def test_what_has_no_corners_is_said():
    nothing = unasked(lambda correct: correct * np.nan, [], budget=100)
    assert (nothing.reached, nothing.rejected >= 100) == (0, True)
    with pytest.raises(ValueError, match="NaN on all"):
        diverse_rollouts(lambda correct: correct * np.nan, budget=100)
    with pytest.raises(ValueError, match="reads texts"):
        unasked(lambda completions: [0.0 for _ in completions], [])
    with pytest.raises(ValueError, match="rollouts\\(needs="):
        unasked("step_clip_delta()", [])
    constant = unasked(lambda correct: 0 * correct, [], budget=100)
    assert {c.reward for c in constant.corners} == {0.0}
