"""The potential test and the worst-case regret, held to enumeration and to their laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.testing import mdps, policies
from toyrl.theory.shaping.potential import (
    expected_potential_term,
    free_choice,
    look_ahead_term,
    on_transitions,
    potential_term,
    potential_test,
)
from toyrl.theory.shaping.regret import witness, worst_regret
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import garnet, gridworld, random_mdp
from toyrl.worlds.mdp.solve import advantage, policy_return, q_values

TABLES = mdps(states=(2, 4), actions=(1, 3), discounts=(0.5, 0.9), masked=True)


def numbers(mdp: MDP) -> st.SearchStrategy[np.ndarray]:
    """(S,) of eighths."""
    S = mdp.n_states
    return st.lists(st.integers(-16, 16), min_size=S, max_size=S).map(lambda x: np.array(x) / 8)


def returns(mdp: MDP, term: np.ndarray) -> np.ndarray:
    """(N,) returns of every deterministic policy."""
    choices = [np.flatnonzero(u) if u.any() else np.array([0]) for u in mdp.usable]
    return np.array([policy_return(mdp, np.array(p), term) for p in itertools.product(*choices)])


@given(st.data())
def test_a_potential_is_found_and_changes_no_advantage(data: st.DataObject):
    mdp = data.draw(TABLES)
    phi, pi = data.draw(numbers(mdp)), data.draw(policies(mdp))
    phi = np.where(mdp.is_terminal, 0.0, phi)
    F = potential_term(mdp, phi)
    for level in ("transitions", "pairs"):
        test = potential_test(mdp, F, level=level)
        assert test.holds
        # condition of the fit: at most (1 + g) / (1 - g) for rows that sum to one sign
        assert test.potential == pytest.approx(phi, abs=1e-9)
    f = expected_potential_term(mdp, phi)
    paid = mdp.pair_reward + f
    assert advantage(mdp, pi, paid) == pytest.approx(advantage(mdp, pi), abs=1e-10)
    moved = q_values(mdp, pi, paid) - q_values(mdp, pi)
    assert moved == pytest.approx(np.where(mdp.usable, -phi[:, None], 0.0), abs=1e-10)
    assert worst_regret(mdp, f).value == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
@given(st.data())
def test_the_worst_regret_by_enumeration_its_laws_and_its_witness(data: st.DataObject):
    mdp = data.draw(TABLES)
    S, A = mdp.n_states, mdp.n_actions
    term = np.array(data.draw(st.lists(st.integers(-8, 8), min_size=S * A, max_size=S * A)))
    term = np.where(mdp.usable, term.reshape(S, A) / 4, 0.0)
    found = worst_regret(mdp, term)
    want = np.ptp(returns(mdp, term))
    assert found.value == pytest.approx(want, abs=1e-8)
    assert worst_regret(mdp, -3 * term).value == pytest.approx(3 * want, abs=1e-7)
    more = term + expected_potential_term(mdp, data.draw(numbers(mdp)))
    assert worst_regret(mdp, more).value == pytest.approx(want, abs=1e-8)
    other = np.where(mdp.usable, data.draw(numbers(mdp))[:, None], 0.0)
    total = worst_regret(mdp, other).value
    assert worst_regret(mdp, term + other).value <= want + total + 1e-8
    seen = witness(mdp, more, share=0.75)
    assert seen.regret == pytest.approx(0.75 * want, abs=1e-8)
    spoiled = returns(mdp, seen.reward + more)
    truth = returns(mdp, seen.reward)
    chosen = spoiled >= spoiled.max() - 1e-9
    assert truth.max() - truth[chosen].max() <= 0.75 * want + 1e-7


@given(st.data())
def test_the_residual_is_linear_orthogonal_and_follows_relabelling(data: st.DataObject):
    mdp = data.draw(mdps(states=(2, 4), actions=(2, 3), discounts=(0.5, 0.9), ends=("never",)))
    S = mdp.n_states
    first, second = data.draw(numbers(mdp)), data.draw(numbers(mdp))
    a, b = (potential_test(mdp, x) for x in (first, second))
    both = potential_test(mdp, 2 * first - second)
    assert both.residual == pytest.approx(2 * a.residual - b.residual, abs=1e-9)
    against = expected_potential_term(mdp, second)
    assert float((a.residual * against).sum()) == pytest.approx(0, abs=1e-8)
    order = np.roll(np.arange(S), 1)
    moved = MDP(mdp.dense[order][:, ::-1, order],
                np.zeros(S), mdp.discount)  # fmt: skip
    again = potential_test(moved, first[order])
    assert again.size == pytest.approx(a.size, abs=1e-9)
    assert again.potential == pytest.approx(a.potential[order], abs=1e-9)


def test_levels_by_hand():
    P = np.array([[[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]] * 2)  # S = 2, A = 3
    mdp = MDP(P, np.zeros(2), 0.9)
    noise = np.zeros((2, 3, 2))
    noise[:, 0] = [1.0, -1.0]
    assert potential_test(mdp, noise).holds
    step = potential_test(mdp, noise, level="transitions")
    assert not step.holds
    assert step.worst[1] == 0
    assert step.size > 0.1
    assert worst_regret(mdp, noise).value == 0


def test_free_choice_bounds_every_law_of_the_next_state():
    """Noise of mean 0 costs nothing here; under deterministic laws it does, at most W there."""
    P = np.full((3, 2, 3), 1 / 3)
    mdp = MDP(P, np.zeros(3), 0.8)
    noise = np.random.default_rng(0).normal(size=(3, 2, 3))
    noise -= noise.mean(-1, keepdims=True)
    assert worst_regret(mdp, noise).value == pytest.approx(0, abs=1e-9)
    graph, paid = free_choice(mdp, noise)
    assert paid.shape == (3, 6)
    most = worst_regret(graph, paid).value
    found = []
    for ends in itertools.product(range(3), repeat=6):
        law = np.eye(3)[np.array(ends).reshape(3, 2)]
        found.append(worst_regret(mdp.with_(transitions=law), noise).value)
    assert max(found) > 0.1
    assert max(found) <= most + 1e-9
    phi = np.array([1.0, -2.0, 0.5])
    assert worst_regret(*free_choice(mdp, potential_term(mdp, phi))).value < 1e-9


def test_a_bonus_on_one_pair_by_hand():
    """One state for ever, two actions: the term is paid always or never."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros(1), 0.75)
    found = worst_regret(mdp, np.array([[0.0, 2.0]]))
    assert found.value == pytest.approx(2 / (1 - 0.75), rel=1e-12)
    assert found.most.tolist() == [[0, 1]]
    assert found.least.tolist() == [[1, 0]]


@pytest.mark.parametrize("discount", [0.5, 0.99])
def test_large_graphs_take_another_way_to_the_same_answer(discount: float):
    rng = np.random.default_rng(0)
    mdp = garnet(rng, 2400, 3, 5, discount=discount)
    phi = rng.normal(size=mdp.n_states)
    test = potential_test(mdp, potential_term(mdp, phi), level="transitions")
    assert test.method.startswith("krylov")
    assert test.holds
    assert test.potential == pytest.approx(phi, abs=1e-8)
    assert not potential_test(mdp, mdp.reward).holds


def test_only_what_is_reached():
    P = np.zeros((3, 2, 3))
    P[0, :, 1] = P[1, :, 0] = P[2, :, 2] = 1.0
    mdp = MDP(P, np.zeros(3), 0.9, start=[1.0, 0.0, 0.0])
    term = np.zeros((3, 2))
    term[2, 1] = 1.0  # two actions of a state that is never reached
    assert not potential_test(mdp, term).holds
    assert potential_test(mdp, term, reachable=True).holds
    assert worst_regret(mdp, term).value == pytest.approx(0, abs=1e-12)


def test_look_ahead_moves_q_by_the_potential_of_actions():
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, 4, 3, reward="sa")
    pi, phi = rng.dirichlet(np.ones(3), size=4), rng.normal(size=(4, 3))
    paid = mdp.pair_reward + look_ahead_term(mdp, phi, pi)
    assert q_values(mdp, pi, paid) == pytest.approx(q_values(mdp, pi) - phi, abs=1e-10)


def test_forms_of_a_term_agree():
    mdp = gridworld(["S..", ".#G", "..X"], slip=0.2)
    S, A = mdp.n_states, mdp.n_actions
    by_state = np.arange(float(S)) * ~mdp.is_terminal
    forms = [by_state, np.repeat(by_state[:, None], A, 1),
             np.broadcast_to(by_state[:, None, None], (S, A, S))]  # fmt: skip
    found = [potential_test(mdp, f, level="transitions").size for f in forms]
    assert found == pytest.approx([found[0]] * 3, abs=1e-12)
    places, paid = on_transitions(mdp, forms[2])
    assert (mdp.dense[tuple(places.T)] > 0).all()
    assert len(places) == (mdp.dense[~mdp.is_terminal] > 0).sum()
    assert paid == pytest.approx(by_state[places[:, 0]])


def test_what_is_refused():
    mdp = random_mdp(np.random.default_rng(0), 3, 2)
    with pytest.raises(ValueError, match=r"level='all' is unknown; choose from transitions, pairs"):
        potential_test(mdp, np.zeros(3), level="all")
    with pytest.raises(ValueError, match=r"term has shape \(2,\)"):
        potential_test(mdp, np.zeros(2), level="transitions")
    with pytest.raises(ValueError, match="not finite"):
        potential_test(mdp, np.full((3, 2), np.nan), level="transitions")
    with pytest.raises(ValueError, match=r"phi has shape \(3, 2\)"):
        potential_term(mdp, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"phi\[1\] is not finite"):
        potential_term(mdp, np.array([0, np.inf, 0]))
    with pytest.raises(ValueError, match=r"phi has shape \(3,\)"):
        look_ahead_term(mdp, np.zeros(3))
    with pytest.raises(ValueError, match=r"share=1 must lie in \(0, 1\)"):
        witness(mdp, np.zeros(3), share=1)
