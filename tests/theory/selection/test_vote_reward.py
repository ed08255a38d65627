"""The vote as a reward in random groups: closed form, all subsets, and simulation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.rollouts import Rollouts
from toyrl.shapers.label_free.vote import Majority
from toyrl.theory.selection.majority import majority_of_counts
from toyrl.theory.selection.vote_reward import VoteLaw, vote_reward

FIELDS = tuple(name for name in VoteLaw.__dataclass_fields__ if name != "sizes")


def answers(counts, none) -> np.ndarray:
    return np.repeat([*range(len(counts)), -1], [*counts, none]).astype(float)


def paid(groups: np.ndarray) -> dict[str, Any]:
    """What the shaper itself pays groups (N, G) of answers, and what follows; 0 is right."""
    right = (groups == 0) * 1.0
    r = Rollouts(right, np.ones(groups.shape), 2.0, fields={"answer": groups})
    reward = np.asarray(Majority().reward(r))
    size = groups.shape[1]
    leads, others = (right * reward).max(1), ((1 - right) * reward).max(1)
    leaders = [len(set(a[v > 0])) for a, v in zip(groups, reward, strict=True)]
    covariance = (reward * right).mean(1) - reward.mean(1) * right.mean(1)
    return {
        "right": leads * (1 - others),
        "tied": leads * others,
        "wrong": (1 - leads) * others,
        "none": (groups < 0).all(1),
        "won": leads / np.maximum(leaders, 1),
        "one": (groups == groups[:, :1]).all(1) & (groups[:, 0] >= 0),
        "alike": np.ptp(reward, axis=1) == 0,
        "drift": covariance * size / (size - 1) if size > 1 else np.full(len(groups), np.nan),
    }


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=4), none=st.integers(0, 3))
def test_the_law_is_the_shaper_on_all_subsets(counts, none):
    n = sum(counts) + none
    if n == 0 or n > 10:
        return
    found, pool = vote_reward(counts, none), answers(counts, none)
    for i, size in enumerate(found.sizes):
        groups = pool[np.array(list(itertools.combinations(range(n), size)))]
        for name, values in paid(groups).items():
            got = getattr(found, name)[i]
            assert got == pytest.approx(values.mean(), abs=1e-12, nan_ok=True), (name, size)


def test_it_is_the_mean_over_drawn_groups():
    counts, none, draws = [9, 8, 5, 1, 1], 3, 20_000
    rng, pool = np.random.default_rng(0), answers(counts, none)
    groups = rng.permuted(np.tile(pool, (draws, 1)), axis=1)[:, :4]
    found = vote_reward(counts, none, [4])
    for name, values in paid(groups).items():
        sem = values.std() / draws**0.5
        assert abs(getattr(found, name)[0] - values.mean()) <= 4 * sem, name


def test_it_agrees_with_the_vote_of_a_pool_and_with_formulas_for_pairs():
    counts = [20, 15, 10] + [1] * 19
    found = vote_reward(counts)
    for size in (1, 2, 7, 33, 64):
        want = majority_of_counts(counts, size)[0]
        assert found.won[size - 1] == pytest.approx(want, abs=1e-10)
    total = found.right + found.tied + found.wrong + found.none
    np.testing.assert_allclose(total, 1, atol=1e-10)
    # Two rollouts that differ are both leaders and paid alike: only silence makes a pair teach.
    pair = vote_reward([3, 4], 2, [2])
    assert pair.one[0] == pytest.approx((3 + 6) / 36)
    assert pair.alike[0] == pytest.approx((36 - 7 * 2) / 36)
    assert pair.drift[0] == pytest.approx(3 * 2 / 36 * (1 / 2))


def test_more_voters_make_a_wrong_favourite_worse_and_a_right_one_better():
    sizes = [3, 9, 27, 81]
    good, bad = vote_reward([60, 40], 0, sizes), vote_reward([40, 60], 0, sizes)
    assert (np.diff(good.wrong) < 0).all()
    assert (np.diff(bad.wrong) > 0).all()
    np.testing.assert_allclose(good.drift, -bad.drift, atol=1e-12)
    assert (good.drift > 0).all()


def test_large_pools_stay_finite():
    found = vote_reward([2000, 3000, 10, 1], 100, [1, 4, 200])
    for name in FIELDS:
        assert np.isfinite(getattr(found, name)[1:]).all()
    assert found.wrong[0] == pytest.approx(3011 / 5111)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: vote_reward([0, 0]), "one above"),
        (lambda: vote_reward([1, -1]), "at least 0"),
        (lambda: vote_reward([1.5, 1]), "whole numbers"),
        (lambda: vote_reward([2, 1], 0, [4]), r"sizes=\[4\] must be whole numbers in 1..3"),
        (lambda: vote_reward([2, 1], 0, []), "sizes"),
        (lambda: vote_reward([2, np.nan]), "whole numbers"),
    ],
)
def test_what_is_no_pool_is_refused(made, said):
    with pytest.raises(ValueError, match=said):
        made()
