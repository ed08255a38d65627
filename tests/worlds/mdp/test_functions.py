"""Rewards as functions of states, actions and next states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from toyrl.testing import mdps
from toyrl.theory.distance import distance, worst_case_regret
from toyrl.theory.shaping.potential import potential_test
from toyrl.worlds.mdp.random import garnet, gridworld
from toyrl.worlds.mdp.rewards import expected_reward, tabulated
from toyrl.worlds.mdp.solve import policy_return

GRID = gridworld(["S..", ".#G", "..X"], slip=0.2, discount=0.9)  # S = 8, A = 4


@given(mdps(states=(2, 4), actions=(1, 3), masked=True))
def test_each_kind_of_function_is_its_table(mdp):
    def number(s, a=0, t=0):
        return 100.0 * s + 10 * a + t

    by_state = expected_reward(mdp, lambda s: number(s))
    by_pair = expected_reward(mdp, lambda s, a: number(s, a))
    by_step = expected_reward(mdp, lambda s, a, t: number(s, a, t))
    for s, a in np.argwhere(mdp.usable):
        assert by_state[s, a] == number(s)
        assert by_pair[s, a] == number(s, a)
        want = sum(p * number(s, a, t) for t, p in enumerate(mdp.dense[s, a]))
        assert by_step[s, a] == pytest.approx(want)


def test_theory_takes_functions():
    height = np.arange(8.0) * ~GRID.is_terminal

    def shaped(s, a, t):
        return 2 * GRID.reward[s, a, t] + 0.9 * height[t] - height[s]

    assert distance(GRID, shaped) == pytest.approx(0, abs=1e-9)
    assert worst_case_regret(GRID, None, shaped).regret == pytest.approx(0, abs=1e-7)

    def between(s, _, t):
        return 0.9 * height[t] - height[s]

    for level in ("pairs", "transitions"):
        assert potential_test(GRID, between, level=level).holds
    assert not potential_test(GRID, lambda _, a: float(a == 1)).holds
    assert np.isfinite(policy_return(GRID, None, shaped))


def test_sparse_processes_get_sparse_tables():
    mdp = garnet(np.random.default_rng(0), 20, 3, 4)
    made = tabulated(mdp, lambda s, _a, t: float(s == t))
    assert made.shape == (60, 20)
    assert made.nnz == mdp.pairs.nnz


def test_functions_that_say_nothing_are_refused_with_their_place():
    for function, said in (
        (lambda: 1.0, "takes 0 arguments"),
        (lambda _s, _a: None, r"lambda>\(0, 0\) raised TypeError"),
        (lambda s: 1 / s, r"lambda>\(0,\) raised ZeroDivisionError"),
        (lambda _s, _a, _t: np.nan, "is nan; give a finite number"),
    ):
        with pytest.raises(ValueError, match=said):
            tabulated(GRID, function)
