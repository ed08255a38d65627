"""A tree as a process and as rollouts: three ways to the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE
from tests.worlds.tree.test_values import with_policy
from toyrl.estimators.tokens import Gae, ReturnsToGo
from toyrl.shapers.potential import PotentialShaping
from toyrl.testing.strategies import rewards
from toyrl.worlds.mdp import solve
from toyrl.worlds.tree.build import complete_tree, random_tree
from toyrl.worlds.tree.convert import on_tokens, reward_parts, to_mdp, tree_rollouts
from toyrl.worlds.tree.credit import (
    expected_update,
    gae,
    leaf_update,
    policy_gradient,
    reward_to_go,
    true_advantage,
    update_variance,
)
from toyrl.worlds.tree.values import (
    advantage,
    leaf_law,
    occupancy,
    policy_return,
    q_values,
    sample_leaves,
    token_entropy,
    value,
)


# -- processes ------------------------------------------------------------------------------------
@given(with_policy())
def test_the_process_has_the_same_values_and_occupancies(case):
    tree, policy = case
    p = to_mdp(tree)
    pi = p.policy(policy)
    assert p.mdp.validate() == ()
    np.testing.assert_allclose(solve.value(p.mdp, pi), value(tree, policy=policy), **CLOSE)
    for f, g in ((solve.q_values, q_values), (solve.advantage, advantage)):
        np.testing.assert_allclose(p.by_edge(f(p.mdp, pi)), g(tree, policy=policy), **CLOSE)
    taken = p.by_edge(solve.occupancy(p.mdp, pi))
    np.testing.assert_allclose(taken, occupancy(tree, policy), **CLOSE)
    assert solve.evaluate(p.mdp, pi).method in ("sweep", "dense")


def test_a_large_process_is_swept():
    tree = random_tree(np.random.default_rng(0), 12, 3, reward="dense", discount=0.9)
    p = to_mdp(tree)
    found = solve.evaluate(p.mdp, p.policy())
    assert found.method == "sweep"
    np.testing.assert_allclose(found.value, value(tree), rtol=0, atol=1e-12)


def test_other_rewards_on_the_process():
    tree = complete_tree([0.0, 1.0], 2, reward=[0, 0, 0, 1.0])
    other = tree.at_leaves([1.0, 0, 0, 0])
    p = to_mdp(tree, other)
    assert solve.value(p.mdp, p.policy())[0] == pytest.approx(policy_return(tree, other))


# -- rollouts -------------------------------------------------------------------------------------
@given(with_policy())
def test_gae_with_the_exact_critic_gives_the_true_advantage(case):
    tree, policy = case
    r, parts = tree_rollouts(tree, policy=policy), reward_parts(tree)
    r.validate()
    a, _ = Gae(gamma=tree.discount, lam=0.0, whitened=False).apply(parts, r)
    law = leaf_law(tree, policy)[:, None]
    exact = on_tokens(tree, advantage(tree, policy=policy))
    np.testing.assert_allclose(a[0], exact * (law > 0), **CLOSE)


@given(with_policy(), st.data())
def test_expected_updates_of_token_estimators_by_enumeration(case, data):
    tree, policy = case
    critic = data.draw(rewards((tree.n_nodes,)))
    lam = data.draw(st.sampled_from((0.0, 0.5, 1.0)))
    r, parts = tree_rollouts(tree, policy=policy, critic=critic), reward_parts(tree)
    own = {"gamma": tree.discount, "whitened": False}
    for estimator, credit in (
        (Gae(lam=lam, **own), gae(tree, critic, lam, policy=policy)),
        (ReturnsToGo(**own), reward_to_go(tree, policy=policy)),
    ):
        a, _ = estimator.apply(parts, r)
        mean, variance = leaf_update(tree, a[0], policy)
        np.testing.assert_allclose(mean, expected_update(tree, credit, policy), **CLOSE)
        exact = update_variance(tree, credit, policy)
        np.testing.assert_allclose(variance, exact, rtol=0, atol=4e-11)


@given(with_policy(discounts=(1.0,)), st.data())
def test_potential_shaping_leaves_the_expected_update(case, data):
    tree, policy = case
    phi = data.draw(rewards((tree.n_nodes,)))
    r = tree_rollouts(tree, policy=policy, fields={"potential": phi})
    shaped = {**reward_parts(tree), **PotentialShaping().apply(r).parts}
    a, _ = ReturnsToGo(whitened=False).apply(shaped, r)
    mean, _ = leaf_update(tree, a[0], policy)
    np.testing.assert_allclose(mean, policy_gradient(tree, policy=policy), **CLOSE)


def test_what_rollouts_carry():
    tree = complete_tree([0.0, 1.0], 2, end=1, reward=[1.0, 0.0, 0.5])
    tree = tree.with_(
        fields={"step_scores": np.arange(5) / 8, "judge": np.arange(5), "mine": np.arange(5)}
    )
    r = tree_rollouts(tree, max_length=7)
    assert r.shape == (1, 3)
    assert r.group_size == np.inf
    assert r.length.tolist() == [[1, 2, 2]]
    assert r.cut.tolist() == [[False, True, False]]
    assert r.max_length == 7
    assert r.mask is not None
    assert r.mask.tolist() == [[[1, 0], [1, 1], [1, 1]]]
    assert r.fields["judge"].tolist() == [[2, 3, 4]]  # per rollout: of the leaf
    assert r.fields["step_scores"].tolist() == [[[2 / 8, 0], [1 / 8, 3 / 8], [1 / 8, 4 / 8]]]
    v, h = value(tree), token_entropy(tree)
    assert r.fields["values"].tolist() == [[[v[0], 0], [v[0], v[1]], [v[0], v[1]]]]
    assert r.fields["entropy"].tolist() == [[[h[0], 0], [h[0], h[1]], [h[0], h[1]]]]
    assert "mine" not in r.fields
    np.testing.assert_allclose(r.w.sum(), 1)
    np.testing.assert_allclose(np.exp(r.fields["logprobs"].sum(-1)), r.w)


def test_drawn_groups_and_their_mean_update():
    tree = random_tree(np.random.default_rng(0), 3, 2, reward="dense", stop=0.0)
    index = sample_leaves(tree, np.random.default_rng(1), 8_000).reshape(1000, 8)
    r, parts = tree_rollouts(tree, index), reward_parts(tree, index)
    assert r.shape == (1000, 8)
    assert r.group_size is None
    a, _ = Gae(lam=0.0, whitened=False).apply(parts, r)
    np.testing.assert_allclose(a, on_tokens(tree, advantage(tree))[index], **CLOSE)
    # the mean over drawn sequences, a plain loop over the first token
    credit = true_advantage(tree)
    exact, variance = expected_update(tree, credit), update_variance(tree, credit)
    first = np.flatnonzero(tree.parent == 0)
    p, token = np.exp(tree.log_prob), tree.paths[index, 0]
    for n in first:
        moves = a[..., 0] * ((token == n) - p[n])
        assert abs(moves.mean() - exact[n]) <= 4 * np.sqrt(variance[n] / index.size) + 1e-15


def test_refusals():
    tree = complete_tree([0.0, 1.0], 2)
    with pytest.raises(KeyError, match=r"fields=\['nonsense'\] are not registered"):
        tree_rollouts(tree, fields={"nonsense": np.zeros(7)})
