"""Worst-case regret: the linear programme, its dual, all deterministic policies, samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from tests.theory.distance import slow
from tests.theory.distance.slow import bandit, equivalent, paid
from toyrl.testing import mdps
from toyrl.theory.distance import distance
from toyrl.theory.distance.regret import (
    optimisation_regret,
    range_bound,
    regret_bounds,
    return_range,
    worst_case_regret,
)
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import garnet, gridworld
from toyrl.worlds.mdp.solve import policy_return

CLOSE = 1e-8  # HiGHS's feasibility tolerance of 1e-7 on rewards of size 1, relative to the range


def returns(mdp, rewards):
    """(A^S, n) returns of all deterministic policies."""
    every = itertools.product(range(mdp.n_actions), repeat=mdp.n_states)
    return np.array([[policy_return(mdp, np.array(p), R) for R in rewards] for p in every])


def enumerated(J):
    """Largest gain in column 0 over mixtures of pairs of policies that don't gain in column 1."""
    gaps = (J[:, None] - J[None]).reshape(-1, 2)
    corners = gaps[ConvexHull(gaps).vertices]
    best = corners[corners[:, 1] <= 0][:, 0].max()
    for p, q in itertools.combinations(corners, 2):
        if p[1] * q[1] < 0:  # the edge crosses "no gain"
            best = max(best, p[0] + (q[0] - p[0]) * p[1] / (p[1] - q[1]))
    return best / np.ptp(J[:, 0])


@pytest.mark.parametrize("seed", range(4))
def test_three_routes(seed):
    mdp, R, Q, rng = slow.random_case(seed, S=4, A=3)
    Q = R + (0.3 if seed % 2 else 3.0) * Q
    J = returns(mdp, [R, Q])
    want = enumerated(J)
    for method in ("lp", "dual"):
        found = worst_case_regret(mdp, R, Q, method=method)
        assert found.method == method
        assert found.regret == pytest.approx(want, abs=CLOSE)
        x, y = found.better, found.worse
        assert policy_return(mdp, y, Q) >= policy_return(mdp, x, Q) - 1e-7
        gap = policy_return(mdp, x, R) - policy_return(mdp, y, R)
        assert gap == pytest.approx(found.regret * np.ptp(J[:, 0]), abs=1e-6)
    assert return_range(mdp, R) == pytest.approx(np.ptp(J[:, 0]), abs=1e-9)
    drawn = rng.dirichlet(np.full(3, 0.3), size=(100, 4))
    K = np.array([[policy_return(mdp, p, T) for T in (R, Q)] for p in drawn])
    gaps = K[:, None] - K[None]
    seen = gaps[gaps[..., 1] <= 0][:, 0].max() / np.ptp(J[:, 0])
    assert 0 < seen <= want
    mine = optimisation_regret(mdp, R, Q)
    best = J[J[:, 1].argmax(), 0]
    assert mine == pytest.approx((J[:, 0].max() - best) / np.ptp(J[:, 0]), abs=1e-9)
    assert mine <= want + 1e-9


@given(mdps(states=(2, 4), masked=True), st.integers(0, 99))
def test_programme_and_dual_agree_and_the_bounds_hold(mdp, seed):
    rng = np.random.default_rng(seed)
    S, A = mdp.n_states, mdp.n_actions
    R, Q = rng.normal(size=(2, S, A))
    one, two = (worst_case_regret(mdp, R, Q, method=m).regret for m in ("lp", "dual"))
    assert one == pytest.approx(two, abs=1e-6)
    low, high = regret_bounds(mdp, distance(mdp, R, Q))
    assert low <= one + 1e-6
    assert one <= high + 1e-6
    assert one <= range_bound(mdp, R, Q) + 1e-6


@pytest.mark.slow
@given(mdps(rewards=("sas",)), st.integers(0, 99))
def test_equivalent_rewards_cost_nothing_and_opposite_ones_everything(mdp, seed):
    other = equivalent(mdp, mdp.reward, np.random.default_rng(seed))
    assert worst_case_regret(mdp, None, other, method="lp").regret == pytest.approx(0, abs=1e-6)
    assert worst_case_regret(mdp, None, other, method="dual").regret == pytest.approx(0, abs=1e-6)
    scale = return_range(mdp)
    opposite = worst_case_regret(mdp, None, -mdp.reward)
    assert opposite.regret == pytest.approx(1 if scale else 0, abs=1e-9)


def test_bandit_in_closed_form():
    c, length = np.array([[1.0, 1, 0, 0]]), np.array([[2.0, 6, 3, 5]])
    mdp = bandit(1, 4)
    for lam, method in itertools.product((0.1, 0.2, 0.3, 0.5), ("lp", "dual")):
        found = worst_case_regret(mdp, paid(c), paid(c - lam * length), method=method)
        assert found.regret == pytest.approx(min(1, 4 * lam / (1 + lam)), abs=CLOSE)


def test_dividing_each_prompt_by_its_own_std_costs_what_the_paper_says():
    a = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0]])
    each = a / a.std(-1, keepdims=True)
    for method in ("lp", "dual"):
        found = worst_case_regret(bandit(2, 4), paid(a), paid(each), method=method)
        assert found.regret == pytest.approx(0.0670, abs=1e-4)


def test_unsound_forms_call_equal_what_costs_everything():
    mdp, R, N, _ = slow.random_case(1)
    N -= (N * mdp.dense).sum(-1, keepdims=True)
    r = (R * mdp.dense).sum(-1)[..., None]
    assert worst_case_regret(mdp, 1e3 * N + r, 1e3 * N - r).regret == pytest.approx(1, abs=1e-9)
    assert distance(mdp, 1e3 * N + r, 1e3 * N - r, "epic") < 0.01


def test_the_same_optimal_policy_may_still_cost():
    mdp = bandit(1, 3)
    R, Q = np.array([[1.0, 0.5, 0.0]]), np.array([[1.0, 0.0, 0.5]])
    assert optimisation_regret(mdp, paid(R), paid(Q)) == 0
    assert worst_case_regret(mdp, paid(R), paid(Q)).regret > 0.3


def test_rewards_that_order_nothing():
    mdp, R, _, _ = slow.random_case(2)
    flat = np.ones(4)
    assert worst_case_regret(mdp, flat, R).regret == 0
    assert worst_case_regret(mdp, R, flat).regret == pytest.approx(1)
    assert worst_case_regret(mdp, flat, flat).regret == 0
    assert range_bound(mdp, flat, R) == 0
    assert range_bound(mdp, R, flat) >= 1
    assert return_range(mdp, flat) == 0
    assert optimisation_regret(mdp, flat, R) == 0


def test_grids_and_sparse_processes():
    rng = np.random.default_rng(4)
    grid = gridworld(["S...", ".#X.", "...G"], slip=0.2, discount=0.95)
    other = grid.pair_reward + 0.1 * rng.normal(size=grid.pair_reward.shape)
    one, two = (worst_case_regret(grid, None, other, method=m).regret for m in ("lp", "dual"))
    assert one == pytest.approx(two, abs=1e-6)
    large = garnet(rng, 2000, 3)  # 6000 pairs: its dual is taken
    other = large.pair_reward + 0.3 * rng.normal(size=large.pair_reward.shape)
    found = worst_case_regret(large, None, other)
    assert found.method == "dual"
    assert 0.05 < found.regret < 0.9
    assert policy_return(large, found.worse, other) == pytest.approx(
        float(policy_return(large, found.better, other)), abs=1e-5
    )


def test_refusals():
    mdp, R, _, _ = slow.random_case(3)
    with pytest.raises(ValueError, match="method='simplex' is unknown"):
        worst_case_regret(mdp, R, R, method="simplex")
    stuck = MDP(
        np.array([[[0.0, 1.0], [1.0, 0.0]], [[0, 1], [0, 1]]]),
        np.zeros(2),
        1.0,
        terminal=[False, True],
        improper=True,
    )
    with pytest.raises(ValueError, match="every policy to end"):
        worst_case_regret(stuck, np.array([[1.0, -1.0], [0.0, 0.0]]), None)
