"""The law of the best of k against enumeration, and where floating point ends."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.policies import kl
from toyrl.theory.selection import best_of_k as theory

INF = math.inf


@st.composite
def tables(draw):
    """(B, K) probabilities, some 0, rewards with ties and a truth; B and K differ."""
    K = draw(st.integers(1, 5))
    B = draw(st.sampled_from([b for b in (1, 2, 3) if b != K]))
    raw = draw(st.lists(st.integers(0, 6), min_size=B * K, max_size=B * K))
    p = np.array(raw, dtype=float).reshape(B, K)
    p[:, -1] += p.sum(-1) == 0
    values = st.lists(st.integers(-2, 2), min_size=B * K, max_size=B * K)
    reward, truth = (np.array(draw(values), dtype=float).reshape(B, K) for _ in range(2))
    return p / p.sum(-1, keepdims=True), reward, truth


def enumerated(p, reward, k):
    """(K,) law over all K^k draws; ties share the pick."""
    out = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=k):
        top = max(reward[i] for i in draw)
        winners = [i for i in draw if reward[i] == top]
        np.add.at(out, winners, p[list(draw)].prod() / len(winners))
    return out


@given(tables(), st.integers(1, 4))
def test_rows_and_sizes_are_done_at_once(table, k):
    p, reward, _ = table
    found = theory.best_of_k(p, reward, [[1, k], [k, 2]])
    assert found.shape == (2, 2, *p.shape)
    for b in range(len(p)):
        want = enumerated(p[b], reward[b], k)
        np.testing.assert_allclose(found[0, 1, b], want, atol=1e-12)
        np.testing.assert_allclose(found[1, 0, b], want, atol=1e-12)
        np.testing.assert_allclose(found[0, 0, b], p[b], atol=1e-12)


@given(tables(), st.integers(1, 4))
def test_curves_and_kl_are_those_of_the_law(table, k):
    p, reward, truth = table
    shares = np.arange(1.0, len(p) + 1)
    shares /= shares.sum()
    gold, proxy, nats = theory.curves(p, reward, truth, [1, k], shares)
    law = np.array([enumerated(a, r, k) for a, r in zip(p, reward, strict=True)])
    assert gold[1] == pytest.approx((law * truth).sum(-1) @ shares, abs=1e-12)
    assert proxy[1] == pytest.approx((law * reward).sum(-1) @ shares, abs=1e-12)
    assert nats[1] == pytest.approx(kl(law, p) @ shares, abs=1e-12)
    assert theory.best_of_k_kl(p, reward, k) == pytest.approx(kl(law, p), abs=1e-12)
    assert (theory.best_of_k_kl(p, reward, k) <= theory.kl_bound(k) + 1e-12).all()


@given(tables(), st.integers(1, 4))
def test_win_rate_by_enumeration(table, k):
    p, reward, _ = table
    found = theory.win_rate(p, reward, k)
    for b in range(len(p)):
        order = np.sign(reward[b][:, None] - reward[b])
        want = enumerated(p[b], reward[b], k) @ ((1 + order) / 2) @ p[b]
        assert found[b] == pytest.approx(want, abs=1e-12)
        assert found[b] <= k / (k + 1) + 1e-12


@given(tables())
def test_larger_k_and_other_scales_of_the_reward(table):
    """Paid more, further away, by a rising factor; a rising map of the reward is no change."""
    p, reward, truth = table
    k = np.array([1, 2, 5, 30, 1e6, INF])
    _, proxy, nats = theory.curves(p, reward, truth, k)
    assert (np.diff(proxy) >= -1e-12).all()
    assert (np.diff(nats) >= -1e-12).all()
    found = theory.best_of_k(p, reward, k)
    assert found.sum(-1) == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(theory.best_of_k(p, np.exp(reward) * 1e300, k), found, atol=1e-12)
    for b in range(len(p)):
        some = np.flatnonzero(p[b] > 0)
        ratio = (found[:, b] / np.where(p[b] > 0, p[b], 1))[:, some[np.argsort(reward[b][some])]]
        assert (np.diff(ratio, axis=-1) >= -1e-9).all()


@pytest.mark.parametrize("rare", [1e-20, 1e-300])
def test_a_rare_best_class_drawn_very_often(rare):
    """1 - (1-p)^k is k p where that is tiny, to the relative precision of a float."""
    p, k = np.array([1 - rare, rare]), 1e9
    found = theory.best_of_k(p, [0.0, 1.0], k)
    assert found[1] == pytest.approx(1e9 * rare, rel=1e-12)
    assert found[0] == pytest.approx(1 - 1e9 * rare, rel=1e-15)
    gold = theory.curves(p[None], [[0.0, 1.0]], [[0.0, 1.0]], [k])[0]
    assert gold[0] == pytest.approx(found[1], rel=1e-12)
    # q log(q/p) - q + ...: to first order in q.
    want = 1e9 * rare * (math.log(1e9) - 1)
    assert theory.best_of_k_kl(p, [0.0, 1.0], k) == pytest.approx(want, rel=1e-7)


def test_a_rare_class_in_the_middle_and_at_the_bottom():
    """Against exact fractions: F_l^k - F_(l-1)^k where neither can be told from 1 or from 0."""
    p = [Fraction(1, 10**30), 1 - Fraction(3, 10**30), Fraction(1, 10**30), Fraction(1, 10**30)]
    k = 7
    upto = [sum(p[: i + 1]) for i in range(4)]
    below = [Fraction(0), *upto[:-1]]
    want = [float(a**k - b**k) for a, b in zip(upto, below, strict=True)]
    found = theory.best_of_k([float(x) for x in p], range(4), k)
    np.testing.assert_allclose(found, want, rtol=1e-12)


def test_endless_draws_keep_the_best_class_and_its_kl():
    p = np.array([0.4, 0.3, 0.2, 0.08, 0.02])
    found = theory.best_of_k(p, [1, 2, 3, 4, 4], INF)
    assert found == pytest.approx([0, 0, 0, 0.8, 0.2])
    assert theory.best_of_k_kl(p, [1, 2, 3, 4, 4], [1e6, INF]) == pytest.approx(-math.log(0.1))
    assert theory.kl_bound([1e12, INF])[1] == INF


def test_extremes_of_the_reward_and_one_class():
    p = [0.5, 0.5, 0.0]
    assert theory.best_of_k(p, [1e308, -1e308, math.nan], 2) == pytest.approx([0.75, 0.25, 0])
    gold, *_ = theory.curves([p], [[1e308, -1e308, 0]], [[1e308, -1e308, 0]], [1, 2])
    assert gold == pytest.approx([0, 5e307])
    assert theory.best_of_k([1.0], [3.0], [1, 1e9]).tolist() == [[1.0], [1.0]]
    tied = theory.best_of_k([0.2, 0.8], [1.0, 1.0], [1, 1e9, INF])
    np.testing.assert_allclose(tied, [[0.2, 0.8]] * 3)
    assert theory.best_of_k_kl([0.2, 0.8], [1.0, 1.0], 1e9) == 0


def test_quantiles_of_the_gold_by_enumeration():
    p, u, g = np.array([0.4, 0.3, 0.2, 0.1]), np.array([1, 2, 2, 3]), np.array([0.5, 1, 0, -1.0])
    law = enumerated(p, u, 3)
    found = theory.gold_quantiles(p, u, g, [3], [0.0, 0.05, law[3] + 1e-9, 0.5, 1.0])[0]
    drawn = np.sort(np.repeat(g, np.round(law * 1e6).astype(int)))
    place = [0, 0.05, law[3] + 1e-6, 0.5, 1 - 1e-6]
    assert found.tolist() == [drawn[int(q * len(drawn))] for q in place]


@pytest.mark.parametrize(
    ("prob", "reward", "k", "said"),
    [
        ([0.5, 0.6], [0, 1], 2, "prob must"),
        ([1.5, -0.5], [0, 1], 2, "prob must"),
        ([0.5, 0.5], [0, math.nan], 2, "NaN"),
        ([0.5, 0.5], [0, 1], 0.5, "k=0.5"),
        ([0.5, 0.5], [0, 1], math.nan, "k=nan"),
    ],
)
def test_what_is_refused(prob, reward, k, said):
    with pytest.raises(ValueError, match=said):
        theory.best_of_k(prob, reward, k)


def test_a_million_classes_in_blocks():
    """Blocks change nothing: the same as a few thousand distinct levels, each in 250 pieces."""
    K, k = 4000, np.array([1, 10, 1e4])
    p = np.full(K, 1 / K)
    u = np.sin(np.arange(K))
    many = theory.curves(np.repeat(p / 250, 250)[None], np.repeat(u, 250)[None],
                         np.repeat(u**2, 250)[None], k)  # fmt: skip
    few = theory.curves(p[None], u[None], u[None] ** 2, k)
    np.testing.assert_allclose(many, few, rtol=1e-9)
