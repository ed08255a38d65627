"""Unanimous votes of a biased judge: enumeration of votes, simulation of the estimator."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.pairwise import Brpo, all_conditions
from toyrl.rollouts import Rollouts
from toyrl.theory.preference import votes as theory

GAP, BIAS = st.floats(-3, 3), st.floats(-3, 3)


@given(GAP, BIAS, st.integers(1, 3), st.sampled_from([-1.0, 0.0]))
def test_the_mean_sign_by_enumeration_of_all_votes(gap, bias, votes, inconsistent):
    chance = [1 / (1 + math.exp(-(gap + s * bias))) for s in (1, -1)] * votes
    mean = win = 0.0
    for outcome in itertools.product((0, 1), repeat=2 * votes):
        p = math.prod(c if o else 1 - c for c, o in zip(chance, outcome, strict=True))
        win += p * all(outcome)
        mean += p * (1 if all(outcome) else inconsistent if any(outcome) else -1)
    assert theory.unanimous_win(gap, bias, votes) == pytest.approx(win, rel=1e-9)
    found = theory.voted_sign(gap, bias, votes, inconsistent=inconsistent)
    assert found == pytest.approx(mean, abs=1e-12)


@given(GAP, BIAS)
def test_laws_of_votes(gap, bias):
    assert theory.voted_sign(0.0, bias) <= -0.5 + 1e-12  # never zero-mean
    assert theory.voted_sign(0.0, bias, inconsistent=0.0) == pytest.approx(0, abs=1e-12)
    odd = theory.voted_sign(gap, bias, inconsistent=0.0)
    assert theory.voted_sign(-gap, bias, inconsistent=0.0) == pytest.approx(-odd, abs=1e-12)
    assert theory.unanimous_win(gap, bias, 2) <= theory.unanimous_win(gap, bias)
    assert theory.unanimous_win(gap, bias) <= theory.unanimous_win(gap, 0.0) + 1e-12


@pytest.mark.parametrize("inconsistent", [-1.0, 0.0])
def test_the_estimator_under_a_noisy_judge(inconsistent: float):
    """Brpo with both orders as parts, many groups: means of signs within 4.5 standard errors."""
    rng = np.random.default_rng(7)
    n, bias, gap = 40_000, 0.8, np.array([0.0, 1.0, -1.0])
    # Against the reference (place 0) each order is a score of 1 for a win and -1 for a loss.
    parts = {}
    for name, side in (("first", bias), ("second", -bias)):
        won = rng.random((n, 3)) < 1 / (1 + np.exp(-(gap + side)))
        parts[name] = np.c_[np.zeros(n), 2.0 * won - 1]
    r = Rollouts(np.zeros((n, 4)), np.ones((n, 4)), 1.0)
    e = Brpo("first", math.inf, votes="all", inconsistent=inconsistent)
    found = e.apply(parts, r)[0][:, 1:]
    want = theory.voted_sign(gap, bias, inconsistent=inconsistent)
    error = found.std(0) / np.sqrt(n)
    assert (np.abs(found.mean(0) - want) < 4.5 * error).all()


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=3),
       st.sampled_from([-1.0, 0.0]))  # fmt: skip
def test_votes_as_parts_are_all_conditions(rows, inconsistent):
    scores = np.array(rows, dtype=float)
    r = Rollouts(np.zeros((1, 4)), np.ones((1, 4)), 1.0)
    parts = {f"vote {i}": row[None] for i, row in enumerate(scores)}
    e = Brpo("first", math.inf, votes="all", inconsistent=inconsistent)
    want = all_conditions(scores, 0, inconsistent=inconsistent)
    assert e.apply(parts, r)[0][0].tolist() == want.tolist()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="votes=0"):
        theory.unanimous_win(0.0, 0.0, 0)
