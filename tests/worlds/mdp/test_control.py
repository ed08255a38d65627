"""Optimal control: enumeration of policies, every method, ties, known optima, batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worlds.mdp.routes import deterministic
from tests.worlds.mdp.test_solve import bound, layered
from toyrl.testing import mdps, rewards
from toyrl.worlds.mdp.batched import batched_value_iteration
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import corridor, garnet, gridworld, random_mdp
from toyrl.worlds.mdp.solve import policy_return, q_from_value, value


@given(mdps(states=(1, 3), actions=(1, 2), masked=True))
@settings(max_examples=100)
def test_the_optimum_is_the_best_of_all_deterministic_policies(mdp):
    found = optimal(mdp)
    every = [value(mdp, actions) for actions in deterministic(mdp)]
    best = np.max(every, axis=0)
    np.testing.assert_allclose(found.value, best, rtol=0, atol=bound(mdp))
    assert found.error <= 1e-9
    assert abs(found.value - best).max() <= found.error + bound(mdp)


@given(mdps(masked=True))
def test_bellman_optimality_and_ties(mdp):
    found = optimal(mdp)
    q = q_from_value(mdp, found.value)
    live = ~mdp.is_terminal
    best = np.where(mdp.usable, q, -np.inf).max(-1)
    np.testing.assert_allclose(found.value[live], best[live], rtol=0, atol=bound(mdp))
    assert found.ties[live].any(-1).all()
    assert not found.ties[~mdp.usable].any()
    # any mixture of tied actions is optimal
    for policy in (found.policy, found.mixed_policy):
        np.testing.assert_allclose(value(mdp, policy), found.value, rtol=0, atol=bound(mdp))
    # rewards are multiples of 1/8: an action that is left out of the ties is worse by more
    out = mdp.usable & ~found.ties
    assert (q < found.value[:, None] - found.error)[out].all()


@given(mdps(masked=True, discounts=(0.5, 0.9), ends=("never", "may")))
def test_modified_policy_iteration_within_its_bound(mdp):
    exact = optimal(mdp, method="policy_iteration")
    for tolerance in (1e-2, 1e-9):
        found = optimal(mdp, method="modified_policy_iteration", tolerance=tolerance)
        assert abs(found.value - exact.value).max() <= found.error + exact.error
        size = abs(mdp.pair_reward).max() / (1 - mdp.discount)
        assert abs(found.value - exact.value).max() <= tolerance * size + exact.error


@pytest.mark.parametrize("self_loops", [False, True])
@pytest.mark.parametrize("discount", [0.95, 1.0])
def test_sweep_equals_policy_iteration(self_loops, discount):
    mdp = layered(np.random.default_rng(3), discount=discount, self_loops=self_loops)
    a, b = optimal(mdp, method="sweep"), optimal(mdp, method="policy_iteration")
    # values are sums of a few numbers of order 1
    np.testing.assert_allclose(a.value, b.value, atol=1e-12)
    assert np.array_equal(a.actions, b.actions)


@pytest.mark.parametrize(
    ("mdp", "method"),
    [
        (garnet(np.random.default_rng(0), 800, 4), "modified_policy_iteration"),
        (corridor(700), "modified_policy_iteration"),
        (corridor(300), "policy_iteration"),
        (layered(np.random.default_rng(0), layers=150), "sweep"),
        (corridor(600, episodic=True, discount=1.0), "policy_iteration"),
    ],
    ids=["garnet", "corridor", "small", "layers", "discount 1"],
)
def test_the_method_follows_size_and_structure(mdp, method):
    found = optimal(mdp)
    assert found.method == method
    rival = "policy_iteration" if method != "policy_iteration" else "modified_policy_iteration"
    if mdp.discount < 1:
        other = optimal(mdp, method=rival)
        assert abs(found.value - other.value).max() <= found.error + other.error
    # Krylov's residual or the span bound; values of garnets are of a few hundred
    np.testing.assert_allclose(value(mdp, found.policy), found.value, atol=max(1e-6, found.error))


def test_ties_are_found_and_the_first_is_taken():
    mdp = gridworld(["S..", "...", "..G"], discount=0.9)
    found = optimal(mdp)
    assert found.ties[0].tolist() == [False, True, False, True]  # down or right
    assert found.actions[0] == 1
    assert found.mixed_policy[0].tolist() == [0, 0.5, 0, 0.5]
    assert found.value[0] == pytest.approx(0.9**3, rel=1e-14)  # four steps, paid at the fourth


@pytest.mark.parametrize(("other", "tied"), [(0.3, True), (0.3 - 1e-12, False)])
def test_rounding_breaks_no_tie_and_makes_none(other, tied):
    """0.1 + 0.2 is one bit above 0.3."""
    P = np.zeros((2, 2, 2))
    P[:, :, 1] = 1
    rewards = [[0.1 + 0.2, other], [0, 0]]
    found = optimal(MDP(P, rewards, 0.9, [1, 0], terminal=[False, True]))
    assert found.ties[0].tolist() == [True, tied]


def test_the_corridor_has_a_closed_form():
    """Without slips the value of state i is discount^(S - 1 - i) / (1 - discount)."""
    S = 30
    found = optimal(corridor(S, slip=0.0, discount=0.9))
    np.testing.assert_allclose(found.value, 0.9 ** np.arange(S - 1, -1, -1) / 0.1, rtol=1e-13)
    assert (found.actions[:-1] == 1).all()


@given(mdps(masked=True), st.data())
def test_shaping_keeps_the_optimal_actions(mdp, data):
    phi = np.where(mdp.is_terminal, 0.0, data.draw(rewards((mdp.n_states,))))
    own = np.reshape(mdp.reward, np.shape(mdp.reward) + (1,) * (3 - np.ndim(mdp.reward)))
    shaped = np.broadcast_to(own, mdp.dense.shape) + mdp.discount * phi - phi[:, None, None]
    a, b = optimal(mdp), optimal(mdp, shaped)
    np.testing.assert_allclose(b.value, a.value - phi, rtol=0, atol=bound(mdp))
    assert np.array_equal(a.ties, b.ties)


@given(mdps(), st.data())
def test_the_range_of_returns_holds_every_policy(mdp, data):
    reward = data.draw(rewards((mdp.n_states, mdp.n_actions)))
    high = mdp.start @ optimal(mdp, reward).value
    low = -mdp.start @ optimal(mdp, -reward).value
    for actions in [mdp.usable.argmax(-1), None]:
        j = policy_return(mdp, actions, reward)
        assert low - bound(mdp) <= j <= high + bound(mdp)


def test_refusals():
    mdp = random_mdp(np.random.default_rng(0), 4, 2)
    with pytest.raises(ValueError, match="method='lp' is unknown; choose from auto, sweep"):
        optimal(mdp, method="lp")
    with pytest.raises(ValueError, match=r"reward has shape \(3, 4, 2\)"):
        optimal(mdp, np.zeros((3, 4, 2)))
    with pytest.raises(ValueError, match="without cycles"):
        optimal(mdp, method="sweep")
    end = corridor(5, episodic=True, discount=1.0)
    with pytest.raises(ValueError, match="no stopping rule at discount 1"):
        optimal(end, method="modified_policy_iteration")
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    loop = MDP(P, [1.0, 0.0], 1.0, [1, 0], terminal=[False, True], improper=True)
    with pytest.raises(ValueError, match="every policy to end"):
        optimal(loop)


# -- batches --------------------------------------------------------------------------------------
@given(
    st.lists(
        mdps(states=(3, 3), actions=(2, 2), ends=("never",), masked=True), min_size=1, max_size=4
    )
)
@settings(max_examples=50)
def test_a_batch_is_each_alone(several):
    P = np.stack([np.where(m.usable[..., None], m.dense, 0) for m in several])
    r = np.stack([m.pair_reward for m in several])
    g = np.array([m.discount for m in several])
    ok = np.stack([m.usable for m in several])
    found = batched_value_iteration(P, r, g, available=ok)
    for b, m in enumerate(several):
        alone = optimal(m)
        assert abs(found.value[b] - alone.value).max() <= found.error[b] + alone.error
        assert alone.ties[np.arange(3), found.actions[b]].all()


def test_batch_axes_broadcast():
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(4), size=(5, 1, 4, 2))
    r = rng.normal(size=(3, 4, 2))
    found = batched_value_iteration(P, r, 0.9)
    assert found.value.shape == found.actions.shape == (5, 3, 4)
    assert found.error.shape == found.iterations.shape == (5, 3)
    alone = optimal(MDP(P[4, 0], r[2], 0.9))
    assert abs(found.value[4, 2] - alone.value).max() <= found.error[4, 2] + alone.error


def test_batch_refusals():
    P, r = np.full((2, 3, 1, 3), 1 / 3), np.zeros((2, 3, 1))
    with pytest.raises(ValueError, match=r"must be \(\.\.\., S, A, S\) and"):
        batched_value_iteration(P[..., 0], r, 0.9)
    with pytest.raises(ValueError, match=r"discount=1\.0 must lie in \[0, 1\)"):
        batched_value_iteration(P, r, 1.0)
    with pytest.raises(ValueError, match=r"transitions\[0, 0, 0\] is no law"):
        batched_value_iteration(P / 2, r, 0.9)
    with pytest.raises(ValueError, match=r"reward\[1, 2, 0\] is not finite"):
        batched_value_iteration(P, np.where(np.arange(6).reshape(2, 3, 1) == 5, np.nan, 0), 0.9)
    with pytest.raises(ValueError, match="with an action in each state"):
        batched_value_iteration(P, r, 0.9, available=np.zeros((2, 3, 1)))
    mdp = corridor(60)
    with pytest.raises(RuntimeError, match="after limit=2 steps"):
        batched_value_iteration(mdp.dense, mdp.pair_reward, 0.99, limit=2)
