"""Tabular learners: Q-learning and SARSA against a loop, soft values against their equation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.dynamics.tabular.experience import random_steps
from toyrl.dynamics.tabular.q_learning import RULES, learn
from toyrl.dynamics.tabular.soft import soft_optimal
from toyrl.testing import mdps
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP, uniform_policy
from toyrl.worlds.mdp.random import corridor, gridworld, random_mdp
from toyrl.worlds.mdp.solve import policy_return
from toyrl.worlds.tree.build import random_tree
from toyrl.worlds.tree.control import tilted
from toyrl.worlds.tree.convert import to_mdp

TABLES = mdps(states=(2, 4), actions=(1, 3), masked=True)


def by_hand(mdp, steps, rate, start, rule):
    table = np.array(start, dtype=float)
    for i in range(len(steps)):
        s, a, t = steps.state[i], steps.action[i], steps.next_state[i]
        ahead = 0.0
        if not steps.ended[i]:
            best = np.where(mdp.usable[t], table[t], -np.inf).max()
            ahead = best if rule == "q_learning" else table[t, steps.next_action[i]]
        table[s, a] += rate[i] * (steps.reward[i] + mdp.discount * ahead - table[s, a])
    return table


@given(TABLES, st.integers(0, 99), st.sampled_from(RULES))
def test_learning_is_the_rule_step_by_step(mdp: MDP, seed: int, rule: str):
    rng = np.random.default_rng(seed)
    steps = random_steps(mdp, rng, 40)
    rate, start = rng.random(40), rng.normal(size=(mdp.n_states, mdp.n_actions))
    found = learn(mdp, steps, rate=rate, start=start, rule=rule)
    assert found == pytest.approx(by_hand(mdp, steps, rate, start, rule), abs=1e-12)
    parts = learn(mdp, steps, rate=rate, start=start, rule=rule, every=15)
    assert parts.shape == (3, mdp.n_states, mdp.n_actions)
    assert np.array_equal(parts[-1], found)


@pytest.mark.parametrize("rule", RULES)
def test_a_potential_is_a_first_table(rule: str):
    rng = np.random.default_rng(1)
    mdp = gridworld(["S..X", ".#.G"], slip=0.3, discount=0.9)
    steps, phi = random_steps(mdp, rng, 3000), rng.normal(size=mdp.n_states)
    term = 0.9 * np.where(steps.ended, 0, phi[steps.next_state]) - phi[steps.state]
    shaped = learn(mdp, replace(steps, reward=steps.reward + term), rate=0.2, rule=rule)
    first = learn(mdp, steps, rate=0.2, rule=rule, start=np.repeat(phi[:, None], 4, axis=1))
    live = ~mdp.is_terminal
    assert (shaped + phi[:, None])[live] == pytest.approx(first[live], abs=1e-12)


def test_it_learns():
    mdp = corridor(8, discount=0.9, episodic=True)
    steps = random_steps(mdp, np.random.default_rng(0), 200_000)
    table = learn(mdp, steps, rate=0.02)
    assert table == pytest.approx(optimal(mdp).q, abs=0.05)  # sd of a step times sqrt(rate / 2)


@given(TABLES, st.integers(0, 99))
def test_steps_are_possible_and_pay_what_they_should(mdp: MDP, seed: int):
    steps = random_steps(mdp, np.random.default_rng(seed), 60)
    assert mdp.usable[steps.state, steps.action].all()
    assert (mdp.dense[steps.state, steps.action, steps.next_state] > 0).all()
    assert np.array_equal(steps.ended, mdp.is_terminal[steps.next_state])
    going = ~steps.ended
    assert mdp.usable[steps.next_state, steps.next_action][going].all()


def test_the_law_of_steps():
    rng = np.random.default_rng(0)
    mdp = random_mdp(rng, 3, 2)
    steps = random_steps(mdp, rng, 60_000)
    count = np.zeros((3, 2, 3))
    np.add.at(count, (steps.state, steps.action, steps.next_state), 1)
    want = mdp.dense / 6
    assert np.abs(count / 60_000 - want).max() < 4 * np.sqrt(0.25 / 60_000)
    paid = mdp.reward[steps.state, steps.action, steps.next_state]
    assert np.array_equal(steps.reward, paid)


# -- soft values -----------------------------------------------------------------------------------
@given(TABLES, st.sampled_from([0.05, 1.0, 30.0]))
def test_soft_values_solve_their_equation_and_no_policy_is_better(mdp: MDP, lam: float):
    found = soft_optimal(mdp, lam)
    z = np.where(mdp.usable, found.q / lam, -np.inf)
    live = ~mdp.is_terminal
    want = lam * np.logaddexp.reduce(z[live], axis=-1)
    assert found.value[live] == pytest.approx(want, abs=1e-9 * max(1, lam))

    def worth(pi):
        h = -(pi * np.log(np.where(pi > 0, pi, 1))).sum(-1)
        return policy_return(mdp, pi, mdp.pair_reward + lam * h[:, None])

    top = worth(found.policy)
    for other in (uniform_policy(mdp), optimal(mdp).policy):
        for share in (0.01, 1.0):
            mixed = (1 - share) * found.policy + share * other
            assert worth(mixed) <= top + 1e-9 * max(1, lam)


def test_limits_and_a_reference():
    mdp = random_mdp(np.random.default_rng(0), 4, 3)
    cold = soft_optimal(mdp, 1e-4)
    assert cold.value == pytest.approx(optimal(mdp).value, abs=1e-4 * np.log(3) / 0.1 + 1e-9)
    assert soft_optimal(mdp, 1e6).policy == pytest.approx(np.full((4, 3), 1 / 3), abs=1e-4)
    ref = np.random.default_rng(1).dirichlet(np.ones(3), size=4)
    assert soft_optimal(mdp, 1e6, reference=ref).policy == pytest.approx(ref, abs=1e-4)


def test_a_tree_is_tilted_alike():
    tree = random_tree(np.random.default_rng(3), 4, 3)
    laid = to_mdp(tree)
    found = soft_optimal(laid.mdp, 0.5, reference=laid.policy())
    want = tilted(tree, 0.5)
    assert found.value[0] == pytest.approx(want.value[0], abs=1e-10)


def test_what_is_refused():
    mdp = random_mdp(np.random.default_rng(0), 3, 2)
    steps = random_steps(mdp, np.random.default_rng(0), 5)
    with pytest.raises(ValueError, match="rule='td' is unknown"):
        learn(mdp, steps, rate=0.1, rule="td")
    with pytest.raises(ValueError, match=r"rate=2 must lie in \[0, 1\]"):
        learn(mdp, steps, rate=2)
    with pytest.raises(ValueError, match="start must be finite"):
        learn(mdp, steps, rate=0.1, start=np.nan)
    with pytest.raises(ValueError, match="every=0"):
        learn(mdp, steps, rate=0.1, every=0)
    with pytest.raises(ValueError, match="step 0 has a state"):
        learn(mdp, replace(steps, state=steps.state + 5), rate=0.1)
    with pytest.raises(ValueError, match="n=0 must be"):
        random_steps(mdp, np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match="temperature=0 must be a finite number > 0"):
        soft_optimal(mdp, 0)
    with pytest.raises(RuntimeError, match="residual"):
        soft_optimal(mdp, 0.1, limit=1)
