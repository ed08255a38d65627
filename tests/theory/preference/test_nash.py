"""Win tables and scores, two sampling policies: least squares, cycles, finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from toyrl.theory.policies import softmax
from toyrl.theory.preference import nash

SEED = st.integers(0, 2**32 - 1)


def table(rng: np.random.Generator, k: int) -> np.ndarray:
    """A random win table, P + P^T = 1."""
    odds = rng.normal(0, 1.5, (k, k))
    return 1 / (1 + np.exp(odds.T - odds))


def odds(P: np.ndarray) -> np.ndarray:
    return np.log(P / (1 - P))


@given(SEED, st.integers(2, 6))
def test_scores_are_the_least_squares_fit(seed: int, k: int):
    P = table(np.random.default_rng(seed), k)
    rows = [(i, j) for i, j in itertools.combinations(range(k), 2)]
    design = np.array([np.eye(k)[i] - np.eye(k)[j] for i, j in rows])
    want = np.linalg.lstsq(design, [odds(P)[i, j] for i, j in rows], rcond=None)[0]
    s = nash.explaining_scores(P)
    assert s == pytest.approx(want - want.mean(), abs=1e-10)
    assert s.sum() == pytest.approx(0, abs=1e-10)


@given(SEED, st.integers(2, 6))
def test_the_cyclic_share_counts_triangles(seed: int, k: int):
    """The residual is what runs round triangles: sum over i < j < l of (flow round it)^2 / K."""
    P = table(np.random.default_rng(seed), k)
    y = odds(P)
    round_ = sum((y[i, j] + y[j, m] + y[m, i]) ** 2
                 for i, j, m in itertools.combinations(range(k), 3))  # fmt: skip
    total = (y**2).sum() / 2
    assert nash.cyclic_share(P) == pytest.approx(round_ / k / total, abs=1e-10)


@given(st.lists(st.integers(-400, 400), min_size=2, max_size=6))
def test_scores_explain_their_own_table(scores: list[int]):
    s = np.array(scores) / 100
    P = 1 / (1 + np.exp(s[None] - s[:, None]))
    assert nash.cyclic_share(P) == pytest.approx(0, abs=1e-12)
    assert nash.explaining_scores(P) == pytest.approx(s - s.mean(), abs=1e-10)


@pytest.mark.parametrize(("size", "strength"), [(3, 0.4), (5, 0.2), (7, 0.49)])
def test_cycles_have_no_score_and_a_uniform_winner(size: int, strength: float):
    P = nash.cyclic_preference(size, strength)
    assert np.array_equal(P + P.T, np.ones((size, size)))
    assert nash.cyclic_share(P) == pytest.approx(1)
    assert nash.explaining_scores(P) == pytest.approx(0, abs=1e-12)
    even = np.full(size, 1 / size)
    assert nash.exploitability(P, even) == pytest.approx(0, abs=1e-12)
    assert nash.minimax_winner(P) == pytest.approx(even, abs=1e-9)
    # A reward of scores is indifferent; the win rate against an uneven policy is not.
    uneven = softmax(np.arange(size) / 2)
    assert np.ptp(nash.win_rate(P, uneven)) > 0.01
    assert P[0, 1] > 0.5 > P[1, 0]
    best = (P > 0.5).sum(1)
    assert (best == size // 2).all()


@pytest.mark.parametrize("P", [np.array([[0.5, 1.0], [0.0, 0.5]]), np.full((2, 2), 0.6)])
def test_tables_without_log_odds_or_symmetry_are_refused(P: np.ndarray):
    for call in (nash.explaining_scores, nash.cyclic_share):
        with pytest.raises(ValueError, match=r"P must lie in \(0, 1\) with P \+ P\^T = 1"):
            call(P)
    for size, strength in ((4, 0.1), (1, 0.1), (3, 0.7)):
        with pytest.raises(ValueError, match="take an odd size"):
            nash.cyclic_preference(size, strength)


# -- pairs from two policies -----------------------------------------------------------------------
@given(SEED, st.integers(2, 5))
def test_the_loss_is_the_mean_over_pairs_from_both_policies(seed: int, k: int):
    rng = np.random.default_rng(seed)
    P, theta, eta = table(rng, k), rng.normal(size=k), rng.uniform(0.2, 3)
    pi, mu, other = (rng.dirichlet(np.full(k, 2.0)) + 1e-3 for _ in range(3))
    pi, mu, other = pi / pi.sum(), mu / mu.sum(), other / other.sum()
    h, r = eta * (np.log(softmax(theta)) - np.log(pi)), P @ pi
    sig = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    want = -sum(
        mu[i] * other[j] * (sig(r[i] - r[j]) * np.log(sig(h[i] - h[j]))
                            + sig(r[j] - r[i]) * np.log(sig(h[j] - h[i])))
        for i in range(k) for j in range(k)
    )  # fmt: skip
    assert nash.dno_loss(theta, P, pi, eta, mu, other) == pytest.approx(want, rel=1e-10)
    assert nash.dno_loss(theta, P, pi, eta, other, mu) == pytest.approx(want, rel=1e-10)
    both = nash.dno_loss(theta, P, pi, eta, mu, mu)
    assert nash.dno_loss(theta, P, pi, eta, mu) == pytest.approx(both)
    step, grad = 1e-6, nash.dno_gradient(theta, P, pi, eta, mu, other)
    for i in range(k):
        move = step * np.eye(k)[i]
        up, down = (nash.dno_loss(theta + s * move, P, pi, eta, mu, other) for s in (1, -1))
        # Rounding of a loss near 1 over 2 step.
        assert grad[i] == pytest.approx((up - down) / (2 * step), abs=1e-8)


def test_the_minimiser_is_the_next_policy_whoever_draws_the_pairs():
    rng = np.random.default_rng(3)
    P, pi, eta = table(rng, 4), rng.dirichlet(np.ones(4)), 0.7
    want = nash.step(P, pi, eta)
    for mu, other in ((np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.1, 0.1, 0.7])),
                      (pi, np.full(4, 0.25))):  # fmt: skip
        args = (P, pi, eta, mu, other)
        found = minimize(nash.dno_loss, np.zeros(4), args, jac=nash.dno_gradient, tol=1e-12)
        assert softmax(found.x) == pytest.approx(want, abs=1e-5)
        assert nash.dno_gradient(np.log(want), *args) == pytest.approx(0, abs=1e-12)


def test_a_policy_without_some_answer_is_refused():
    for call in (nash.dno_loss, nash.dno_gradient):
        with pytest.raises(ValueError, match="must be positive everywhere"):
            call(np.zeros(2), np.full((2, 2), 0.5), [1.0, 0.0], 1.0, [0.5, 0.5])
