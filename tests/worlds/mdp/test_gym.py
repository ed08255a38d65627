"""Gymnasium's tabular environments as processes with their known optima, and processes as such."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.gym import TabularMDP, from_gymnasium
from toyrl.worlds.mdp.random import corridor, gridworld
from toyrl.worlds.mdp.solve import policy_return


def successes(env, policy, episodes, seed):
    """Undiscounted returns of a deterministic policy."""
    out = np.zeros(episodes)
    for i in range(episodes):
        state, _ = env.reset(seed=seed + i)
        over = False
        while not over:
            state, reward, ended, cut, _ = env.step(int(policy[state]))
            out[i] += reward
            over = ended or cut
    return out


def test_frozen_lake_has_its_known_optimum():
    """0.5420 at discount 0.99: a textbook value for the slippery 4 by 4 lake."""
    mdp = from_gymnasium(gymnasium.make("FrozenLake-v1"))
    assert (mdp.n_states, mdp.n_actions, mdp.terminal.sum()) == (16, 4, 5)
    found = optimal(mdp)
    assert mdp.start @ found.value == pytest.approx(0.5420259, abs=5e-8)
    # ties aside, the well-known policy: left, up, up, up / left, -, left, - / up, down, left, - ...
    assert found.actions[[0, 1, 2, 3, 4, 6, 8, 9, 10, 13, 14]].tolist() == [
        0, 3, 3, 3, 0, 0, 3, 1, 0, 2, 1,
    ]  # fmt: skip


def test_frozen_lake_by_value_iteration_on_gymnasiums_own_table():
    env = gymnasium.make("FrozenLake-v1")
    v = np.zeros(16)
    for _ in range(3000):  # 0.99^3000 = 1e-13
        v = np.array([
            max(
                sum(p * (r + 0.99 * v[t] * (not end)) for p, t, r, end in env.unwrapped.P[s][a])
                for a in range(4)
            )
            for s in range(16)
        ])  # fmt: skip
    mdp = from_gymnasium(env)
    ours = optimal(mdp).value
    live = ~mdp.is_terminal
    np.testing.assert_allclose(ours[live], v[live], atol=1e-11)


def test_the_lake_without_slips_is_six_steps_long():
    mdp = from_gymnasium(gymnasium.make("FrozenLake-v1", is_slippery=False), discount=0.9)
    assert mdp.start @ optimal(mdp).value == pytest.approx(0.9**5, rel=1e-14)


def test_cliff_walking_takes_thirteen_steps():
    mdp = from_gymnasium(gymnasium.make("CliffWalking-v1"))
    best = -(1 - 0.99**13) / 0.01
    assert mdp.start @ optimal(mdp).value == pytest.approx(best, rel=1e-13)
    assert np.flatnonzero(mdp.terminal).tolist() == [47]


def test_taxi_gets_an_end_of_its_own():
    """Its last states are also entered without ending, from states that are never reached."""
    env = gymnasium.make("Taxi-v4")
    mdp = from_gymnasium(env)
    assert (mdp.n_states, np.flatnonzero(mdp.terminal).tolist()) == (501, [500])
    found = optimal(mdp)
    # every passenger is brought home: the return is 20 - 1 for each step before
    returns = successes(env, found.actions, 20, seed=0)
    assert (returns > 0).all()
    assert "no policy reaches" in mdp.validate()[0]


def test_undiscounted_success_by_simulation():
    """Discount 1 with a policy that ends: the exact return against Gymnasium's own steps."""
    env = gymnasium.make("FrozenLake-v1", max_episode_steps=2000)
    policy = optimal(from_gymnasium(env)).actions
    mdp = from_gymnasium(env, discount=1.0)
    exact = float(policy_return(mdp, policy))
    wins = successes(env, policy, 400, seed=0)
    assert abs(wins.mean() - exact) < 4 * np.sqrt(exact * (1 - exact) / 400)
    assert 0.7 < exact < 0.9


def test_an_environment_without_a_table_is_refused():
    with pytest.raises(TypeError, match=r"CartPoleEnv has no table P\[state\]\[action\]; only"):
        from_gymnasium(gymnasium.make("CartPole-v1"))


def test_a_process_as_an_environment():
    check_env(gymnasium.make("toyrl.worlds.mdp.gym:toyrl/MDP-v0").unwrapped, skip_render_check=True)
    mdp = gridworld(["S.X", "..G"], slip=0.2, step_reward=-0.125)
    policy = optimal(mdp).actions
    mdp = mdp.with_(discount=1.0, improper=True)
    env = TabularMDP(mdp)
    returns = successes(env, policy, 1000, seed=0)
    exact = float(policy_return(mdp, policy))
    assert abs(returns.mean() - exact) < 4 * returns.std(ddof=1) / np.sqrt(1000)


def test_rewards_by_pair_and_masks():
    mdp = corridor(4)
    env = TabularMDP(mdp.with_(available=[[True, True]] * 3 + [[True, False]]))
    env.reset(seed=0)
    env.state = 3
    with pytest.raises(ValueError, match="action=1 can't be taken in state 3"):
        env.step(1)
    _, reward, ended, cut, info = env.step(0)
    assert (reward, ended, cut) == (1.0, False, False)
    assert info["action_mask"].tolist() == env.mdp.usable[env.state].astype(int).tolist()
