"""Softmax selection and votes: every draw listed, limits, and random orders within their errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.policies import kl, tilt
from toyrl.theory.selection.best_of_k import best_of_k
from toyrl.theory.selection.majority import majority_of_counts, majority_vote, vote_of_pool
from toyrl.theory.selection.pools import best_of_pool
from toyrl.theory.selection.softmax_selection import (
    softmax_of_pool,
    softmax_selection,
    tilt_rate,
)

P, U = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.0, 1.0, 2.0, 2.5])


@st.composite
def laws(draw):
    K = draw(st.integers(1, 4))
    p = np.array(draw(st.lists(st.integers(0, 5), min_size=K, max_size=K)), dtype=float)
    p[0] += p.sum() == 0
    return p / p.sum(), np.array(draw(st.lists(st.integers(-2, 2), min_size=K, max_size=K)), float)


@given(laws(), st.integers(1, 4), st.sampled_from([1e-300, 0.05, 0.7, 3.0, 1e300]))
def test_softmax_selection_by_enumeration(law, k, T):
    p, u = law
    want = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=k):
        x = u[list(draw)]
        odds = np.exp((x - x.max()) / T)
        np.add.at(want, list(draw), p[list(draw)].prod() * odds / odds.sum())
    np.testing.assert_allclose(softmax_selection(p, u, k, T), want, atol=1e-12)


def test_rows_and_sizes_are_done_at_once_and_shifts_change_nothing():
    p = np.array([P, P[::-1], [1.0, 0, 0, 0]])
    found = softmax_selection(p, U, [[1, 3], [7, 2.5]], 0.7)
    assert found.shape == (2, 2, 3, 4)
    np.testing.assert_allclose(found[0, 1, 1], softmax_selection(P[::-1], U, 3, 0.7), rtol=1e-12)
    np.testing.assert_allclose(found[1, 0, 2], [1, 0, 0, 0], atol=1e-15)
    np.testing.assert_allclose(softmax_selection(P, U + 1e6, 3, 0.7), found[0, 1, 0], rtol=1e-8)
    assert not np.allclose(softmax_selection(P, 2 * U, 3, 0.7), found[0, 1, 0])  # a scale does


def test_its_limits():
    k = [1, 4, 1e9]
    np.testing.assert_allclose(softmax_selection(P, U, k, 0.0), best_of_k(P, U, k), atol=1e-14)
    np.testing.assert_allclose(softmax_selection(P, U, k, 1e-9), best_of_k(P, U, k), atol=1e-12)
    np.testing.assert_allclose(softmax_selection(P, U, k, math.inf), [P] * 3, atol=1e-14)
    many = softmax_selection(P, U, 1e12, 0.7)
    np.testing.assert_allclose(many, tilt(P, U, 1 / 0.7), atol=1e-11)


def test_a_rare_answer_of_huge_odds():
    """k p w/(w + k - 1) for one of probability p -> 0 against alike others."""
    for k, odds in ((4, math.exp(10)), (1000, math.exp(3))):
        found = softmax_selection([1e-300, 1.0], [math.log(odds), 0.0], k, 1.0)
        assert found[0] == pytest.approx(1e-300 * k * odds / (odds + k - 1), rel=1e-10)


def test_the_rate_towards_the_tilt():
    # 1/k^2, against the 1/k that holds for every law: paper 57's collection.
    k = np.array([160, 2560])
    found = k**2 * kl(softmax_selection(P, U, k, 0.7), tilt(P, U, 1 / 0.7))
    assert found[0] == pytest.approx(1.0140, abs=5e-5)
    assert tilt_rate(P, U, 0.7) == pytest.approx(0.991696, abs=5e-7)
    assert found[1] == pytest.approx(tilt_rate(P, U, 0.7), rel=2e-3)  # the next order is 1/k


@given(laws(), st.integers(1, 5))
def test_majority_by_enumeration(law, k):
    p, _ = law
    want = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=k):
        votes = np.bincount(draw, minlength=len(p))
        want += p[list(draw)].prod() * (votes == votes.max()) / (votes == votes.max()).sum()
    np.testing.assert_allclose(majority_vote(p, k), want, atol=1e-12)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=4), st.data())
def test_majority_of_subsets(counts, data):
    pool = np.repeat(np.arange(len(counts)), counts)
    if not len(pool):
        return
    k = data.draw(st.integers(1, len(pool)))
    want = []
    for s in itertools.combinations(pool, k):
        votes = np.bincount(s, minlength=len(counts))
        want.append((votes == votes.max()) / (votes == votes.max()).sum())
    np.testing.assert_allclose(majority_of_counts(counts, k), np.mean(want, 0), atol=1e-12)


def test_a_large_vote_is_stable():
    found = majority_vote(np.full(4, 0.25), 200)
    np.testing.assert_allclose(found, 0.25, rtol=1e-10)
    assert majority_vote([0.6, 0.4], 199)[0] > 0.99


def mean_over_subsets(n, k, value):
    return np.mean([value(list(s)) for s in itertools.combinations(range(n), k)])


def test_random_orders_are_unbiased_for_all_subsets():
    """6 samples, 4,000 orders: each k within 4 standard errors of the mean over all subsets."""
    u, g = np.array([0.0, 1, 1, 3, -1, 2]), np.array([1.0, 0, 1, 0, 1, 0])
    answer, w = np.array([0, 0, 1, 2, 2, -1]), np.array([1.0, 2, 0.5, 4, 0, 3])

    def soft(s):
        odds = np.exp(u[s] / 0.8)
        return odds @ g[s] / odds.sum()

    def vote(weight):
        def of(s):
            names = [a for a in set(answer[s]) if a >= 0]
            cast = np.array([weight[[i for i in s if answer[i] == a]].sum() for a in names])
            if not len(cast) or cast.max() == 0:
                return 0.0
            best = [a for a, c in zip(names, cast, strict=True) if c == cast.max()]
            return np.mean([np.mean([g[i] for i in s if answer[i] == a]) for a in best])

        return of

    orders = 4000
    found = {
        "soft": (softmax_of_pool(u[None], g[None], 0.8, orders=orders), soft),
        "vote": (vote_of_pool(answer[None], g[None], orders=orders), vote(np.ones(6))),
        "weighted": (vote_of_pool(answer[None], g[None], w[None], orders=orders), vote(w)),
    }
    for name, (curve, of) in found.items():
        for k in range(1, 7):
            want = mean_over_subsets(6, k, of)
            # A mean of numbers in [0, 1]: its error is at most 0.5/sqrt(orders).
            assert curve[0, k - 1] == pytest.approx(want, abs=4 * 0.5 / orders**0.5), (name, k)
        assert curve[0, -1] == pytest.approx(of(list(range(6))), abs=1e-12)


def test_prompts_of_a_vote_do_not_touch():
    """Names are a prompt's own, and blocks of prompts change nothing but the draws."""
    answer = np.array([[0, 0, 1], [7, 7, 7], [-1, -1, 2]])
    gold = np.array([[1.0, 1, 0], [0, 0, 0], [1, 1, 1]])
    found = vote_of_pool(answer, gold, orders=500)
    assert found[0, -1] == 1
    assert (found[1] == 0).all()
    assert found[2] == pytest.approx([1 / 3, 2 / 3, 1], abs=0.09)  # a vote is cast by one of three
    near = softmax_of_pool(U[None], P[None], 1e-9, orders=2000)
    np.testing.assert_allclose(near, best_of_pool(U[None], P[None]), atol=0.02)


def test_what_is_refused():
    for call, said in (
        (lambda: softmax_selection(P, U, 2, -1.0), r"temperature=-1\.0"),
        (lambda: softmax_selection(P, U, math.inf, 1.0), "k=inf"),
        (lambda: softmax_of_pool(U[None], P[None], 0.0), r"temperature=0\.0"),
        (lambda: majority_vote(P, 0), "k=0"),
        (lambda: majority_of_counts([1, 1], 3), "k=3"),
        (lambda: vote_of_pool([[0]], [[1.0]], [[-1.0]]), "weight"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
