"""BRPO: its invariants, its edge cases, the average over references against all draws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.pairwise import Brpo, all_conditions
from toyrl.rollouts import Rollouts

FREE = Brpo(skew=math.inf)


def advantages(score, e=FREE, weight=None):
    score = np.atleast_2d(np.asarray(score, dtype=float))
    w = None if weight is None else np.atleast_2d(np.asarray(weight, dtype=float))
    r = Rollouts(score, np.ones_like(score), 1.0, weight=w)
    return np.asarray(e.apply({"q": score}, r)[0])[0]


def with_reference(score, j, e):
    """The published rule with rollout j as the reference, as BRPO with it in first place."""
    order = [j, *(i for i in range(len(score)) if i != j)]
    a = advantages(np.asarray(score)[order], e)
    out = np.empty(len(score))
    out[order] = a
    return out


@given(st.lists(st.integers(0, 5), min_size=2, max_size=8), st.sampled_from([0.0, 0.6, math.inf]))
def test_the_average_is_over_all_references(score, skew):
    first = Brpo(reference="first", skew=skew)
    mean = np.mean([with_reference(score, j, first) for j in range(len(score))], axis=0)
    assert advantages(score, Brpo(skew=skew)) == pytest.approx(mean, abs=1e-12)


@given(st.lists(st.integers(-20, 20), min_size=3, max_size=8, unique=True))
def test_signs_one_zero_and_parity(score):
    a = advantages(score, Brpo(reference="first", skew=math.inf))
    assert set(a) <= {-1.0, 0.0, 1.0}
    assert (a == 0).sum() == 1
    assert (a.sum() - (len(score) - 1)) % 2 == 0
    total = advantages(score).sum()
    assert total == pytest.approx(0, abs=1e-12)  # a strict judge gives a zero-sum tournament


@given(st.lists(st.integers(-20, 20), min_size=2, max_size=8))
def test_increasing_transforms_change_nothing(score):
    x = np.array(score, dtype=float)
    for e in (FREE, Brpo(), Brpo(reference="first")):
        assert (advantages(np.exp(x / 5), e) == advantages(x, e)).all()


@given(st.lists(st.integers(0, 6), min_size=2, max_size=7), st.data())
def test_a_better_score_never_lowers_its_advantage(score, data):
    i = data.draw(st.integers(0, len(score) - 1))
    better = list(score)
    better[i] += data.draw(st.integers(1, 5))
    assert advantages(better)[i] >= advantages(score)[i]


def test_worked_groups():
    assert advantages([3, 1, 2]).tolist() == pytest.approx([2 / 3, -2 / 3, 0])
    assert advantages([1.0] * 4, Brpo()).tolist() == [0.0] * 4  # all tied: dropped
    assert advantages([1.0] * 4).tolist() == [-0.75] * 4
    assert advantages([1.0] * 4, Brpo(ties=0.0, skew=math.inf)).tolist() == [0.0] * 4
    assert advantages([5.0]).tolist() == [0.0]
    assert advantages([2, 1], Brpo(reference="first")).tolist() == [0, -1]  # 0.5 <= 0.6: kept
    best_first = advantages([9, 1, 2, 3], Brpo(reference="first"))
    assert best_first.tolist() == [0.0] * 4  # |sum| = 3 > 2.4: dropped
    assert advantages([3, np.nan, 1])[1] == 0
    assert advantages([1e30, -1e30, 0]).tolist() == pytest.approx([2 / 3, -2 / 3, 0])


def test_the_population_limit_is_the_quantile():
    """E[A | quantile u] = 2u - 1."""
    k = 101
    score = np.linspace(0, 1, k)
    r = Rollouts(
        score[None], np.ones((1, k)), 1.0, weight=np.full((1, k), 1 / k), group_size=math.inf
    )
    a = np.asarray(FREE.apply({"q": score[None]}, r)[0])[0]
    u = (np.arange(k) + 0.5) / k
    assert a == pytest.approx(2 * u - 1, abs=0.011)  # ties with its own class: one in 101


def test_voting_conditions_can_only_take_wins():
    scores = np.array([[5, 3, 4], [5, 6, 4.0]])
    assert all_conditions(scores[:1], 2).tolist() == [1, -1, 0]
    assert all_conditions(scores, 2).tolist() == [1, -1, 0]
    assert all_conditions(scores, 0).tolist() == [0, -1, -1]
    assert all_conditions(np.array([[np.nan, 1.0]]), 1).tolist() == [-1, 0]
    # A judge of pairs gives the reference another score in each comparison.
    own, other = np.array([[5, 7, 5], [5, 6, 4.0]]), np.array([[4, 8, 5], [4, 4, 5.0]])
    assert all_conditions(own, 2, other).tolist() == [1, -1, 0]
    assert all_conditions(own, 2, other, inconsistent=0.0).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("bad", "said"),
    [({"reference": "best"}, "reference"), ({"ties": 1}, "ties"), ({"skew": -1}, "skew")],
)
def test_bad_fields_are_named(bad, said):
    with pytest.raises(ValueError, match=said):
        Brpo(**bad)


# -- a named reference, votes ----------------------------------------------------------------------
@given(st.lists(st.integers(0, 5), min_size=2, max_size=7), st.data())
def test_a_named_reference_is_that_rollout(score, data):
    j = data.draw(st.integers(0, len(score) - 1))
    x = np.array([score], dtype=float)
    drawn = (np.arange(len(score)) == j)[None] * 1.0
    r = Rollouts(x, np.ones_like(x), 1.0, fields={"reference": drawn})
    for skew in (0.6, math.inf):
        found = np.asarray(Brpo("named", skew).apply({"q": x}, r)[0])[0]
        assert found.tolist() == with_reference(score, j, Brpo("first", skew)).tolist()


def test_references_that_are_absent_or_missing():
    x = np.array([[3.0, 1.0, 2.0]] * 3)
    fields = {"reference": np.array([[0.0, 1, 1], [0, 0, 0], [1, 0, 0]])}
    r = Rollouts(x, np.ones_like(x), 1.0, fields=fields)
    e = Brpo("named", math.inf)
    assert e.apply({"q": x}, r)[0].tolist() == [[1, 0, 1], [0, 0, 0], [0, -1, -1]]
    gone = x.copy()
    gone[0, 1] = np.nan  # the first of the two marked is absent
    assert e.apply({"q": gone}, r)[0][0].tolist() == [1, 0, 0]
    with pytest.raises(KeyError, match="'reference'"):
        e.apply({"q": x}, r.with_(fields={}))


def test_votes_by_hand():
    parts = {"shown first": np.array([[5.0, 7, 5, 1]]), "shown second": np.array([[4.0, 5, 4, 9]])}
    r = Rollouts(np.zeros((1, 4)), np.ones((1, 4)), 1.0)

    def run(**more):
        return Brpo("first", math.inf, **more).apply(parts, r)[0][0].tolist()

    assert run() == [0, 1, -1, 1]  # the sum of both: 9 against 12, 9, 10
    assert run(votes="all") == [0, 1, -1, -1]
    assert run(votes="all", inconsistent=0.0) == [0, 1, -1, 0]
    assert run(votes="all", inconsistent=0.0, ties=0.0) == [0, 1, 0, 0]
    with pytest.raises(ValueError, match="votes='any'"):
        Brpo(votes="any")
    with pytest.raises(ValueError, match="inconsistent=1"):
        Brpo(inconsistent=1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_one_vote_is_the_judged_quality(score):
    for e in (FREE, Brpo(), Brpo("first")):
        assert advantages(score, replace(e, votes="all")).tolist() == advantages(score, e).tolist()
