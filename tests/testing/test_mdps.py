"""The strategies of tabular processes shrink to the smallest, and draw what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings

from toyrl.testing import mdps, policies
from toyrl.worlds.mdp.model import policy_matrix
from toyrl.worlds.mdp.structure import endless

FIND = settings(max_examples=2000, database=None, derandomize=True, deadline=None)


def positive(mdp):
    return (mdp.pair_reward > 0).any()


def cyclic(mdp):
    """Two states that lead to one another."""
    P = mdp.dense.max(1)
    return any(P[s, t] > 0 and P[t, s] > 0 for s in range(len(P)) for t in range(s))


# fault -> what the smallest process with it looks like
FAULTS = {
    "two states, a positive reward": (
        lambda m: m.n_states >= 2 and positive(m),
        lambda m: (
            (m.n_states, m.n_actions, np.count_nonzero(m.pair_reward)) == (2, 1, 1)
            and m.pair_reward.max() == 1 / 8
        ),
    ),
    "two actions that differ": (
        lambda m: bool(np.ptp(m.pair_reward, axis=1).max() > 0),
        lambda m: (m.n_states, m.n_actions) == (1, 2) and abs(m.pair_reward).sum() == 1 / 8,
    ),
    "a cycle of two": (
        cyclic,
        lambda m: (m.n_states, m.n_actions) == (2, 1) and not m.pair_reward.any(),
    ),
    "three states within reach": (
        lambda m: m.reachable.sum() >= 3 and positive(m),
        lambda m: (m.n_states, m.n_actions) == (3, 1) and np.count_nonzero(m.pair_reward) == 1,
    ),
    "a terminal state": (
        lambda m: bool(m.is_terminal.any()),
        lambda m: (m.n_states, m.n_actions) == (2, 1) and not m.pair_reward.any(),
    ),
    "discount 1": (
        lambda m: m.discount == 1 and positive(m),
        lambda m: (m.n_states, m.n_actions) == (2, 1) and m.pair_reward.max() == 1 / 8,
    ),
    "discount 0": (
        lambda m: m.discount == 0,
        lambda m: (m.n_states, m.n_actions) == (1, 1) and not m.pair_reward.any(),
    ),
}


@pytest.mark.parametrize(("fault", "smallest"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_shrinks_to_the_smallest_process(fault, smallest):
    found = find(mdps(states=(1, 5)), fault, settings=FIND)
    assert smallest(found), found


@given(mdps(states=(2, 3), actions=(1, 2), discounts=(0.7,), ends=("surely",), rewards=("s",)))
def test_the_options_are_kept(mdp):
    assert mdp.n_states in (2, 3)
    assert mdp.n_actions in (1, 2)
    assert mdp.discount == 1
    assert mdp.reward.shape == (mdp.n_states,)
    assert not endless(mdp).any()


def test_what_is_promised_is_drawn():
    """Each ugly kind turns up: a strategy that never draws one proves nothing of it."""
    kinds = {
        "unreachable": lambda m: not m.reachable.all(),
        "ties": lambda m: m.n_actions > 1 and bool((m.dense[:, 0] == m.dense[:, 1]).all(-1).any()),
        "cycle": cyclic,
        "by transition": lambda m: np.ndim(m.reward) == 3,
        "masked": lambda m: not m.available.all(),
        "terminal, discounted": lambda m: bool(m.is_terminal.any()) and 0 < m.discount < 1,
        "discount 1": lambda m: m.discount == 1,
        "S = A": lambda m: m.n_states == m.n_actions == 3,
    }
    seen = set()

    @given(mdps(masked=True))
    @settings(max_examples=200)
    def look(mdp):
        seen.update(name for name, kind in kinds.items() if kind(mdp))

    look()
    assert seen == set(kinds)


@given(mdps(masked=True).flatmap(lambda m: policies(m).map(lambda p: (m, p))))
def test_policies_are_policies(case):
    mdp, policy = case
    assert np.array_equal(policy_matrix(mdp, policy), policy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"states": (0, 3)}, r"states=\(0, 3\) and actions"),
        ({"rewards": ("r",)}, r"\['r'\] unknown; rewards are of"),
        ({"ends": ("sometimes",)}, r"\['sometimes'\] unknown"),
    ],
)
def test_refusals(options, said):
    with pytest.raises(ValueError, match=said):
        mdps(**options)
