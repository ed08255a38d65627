"""Rules of credit: mean and variance of the update against every sequence, autodiff and draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE, discounted, scores, sequences, update, values
from tests.worlds.tree.test_values import with_policy
from toyrl.testing.strategies import rewards
from toyrl.worlds.tree.build import random_tree
from toyrl.worlds.tree.credit import (
    expected_update,
    gae,
    leaf_update,
    outcome,
    policy_gradient,
    reward_to_go,
    segments,
    true_advantage,
    update_variance,
)
from toyrl.worlds.tree.model import normalised
from toyrl.worlds.tree.values import policy_return, sample_leaves, value


def check(tree, policy, credit, rule):
    """A rule's closed update against the same rule written for one sequence."""
    mean, variance = update(tree, policy, rule)
    np.testing.assert_allclose(expected_update(tree, credit, policy), mean, **CLOSE)
    # second moments of sums of credit: below 3 * 12^2 for rewards in [-2, 2], so 1e-13 of that
    np.testing.assert_allclose(update_variance(tree, credit, policy), variance, atol=4e-11, rtol=0)
    # the same from a table by sequence, as an estimator gives it
    table = np.zeros((tree.n_leaves, tree.height))
    for row, path in zip(table, sequences(tree), strict=True):
        row[: len(path)] = rule(path)
    for found, wanted in zip(leaf_update(tree, table, policy), (mean, variance), strict=True):
        np.testing.assert_allclose(found, wanted, atol=4e-11, rtol=0)


@given(with_policy(), st.data())
def test_outcome(case, data):
    tree, policy = case
    gain = discounted(tree.reward, tree.discount)
    b = float(data.draw(rewards((1,)))[0])
    check(tree, policy, outcome(tree, policy=policy), lambda y: [gain(y)] * len(y))
    shifted = outcome(tree, policy=policy, baseline=b)
    check(tree, policy, shifted, lambda y: [gain(y) - b] * len(y))


@given(with_policy(), st.data())
def test_reward_to_go(case, data):
    tree, policy = case
    gain = discounted(tree.reward, tree.discount)
    b = data.draw(rewards((tree.n_nodes,)))
    credit = reward_to_go(tree, policy=policy, baseline=b)
    check(
        tree, policy, credit, lambda y: [gain(y[t:]) - b[tree.parent[n]] for t, n in enumerate(y)]
    )


@given(with_policy())
def test_true_advantage(case):
    tree, policy = case
    v = values(tree, policy, tree.reward)
    q = tree.reward + tree.discount * v
    credit = true_advantage(tree, policy=policy)
    check(tree, policy, credit, lambda y: [q[n] - v[tree.parent[n]] for n in y])


@given(with_policy(), st.data())
def test_gae_with_any_critic(case, data):
    tree, policy = case
    critic = data.draw(rewards((tree.n_nodes,)))
    lam = data.draw(st.sampled_from((0.0, 0.5, 1.0)))
    v = np.where(tree.is_leaf, 0.0, critic)
    delta = tree.reward + tree.discount * v - v[np.maximum(tree.parent, 0)]
    gain = discounted(delta, tree.discount * lam)
    credit = gae(tree, critic, lam, policy=policy)
    check(tree, policy, credit, lambda y: [gain(y[t:]) for t in range(len(y))])


@given(with_policy(), st.data())
def test_segments(case, data):
    tree, policy = case
    cuts = data.draw(rewards((tree.n_nodes,))) > 0
    v = values(tree, policy, tree.reward)
    gain = discounted(tree.reward, tree.discount)

    def rule(y):
        out, start = [], 0
        for t, n in enumerate(y):
            if cuts[n] or t == len(y) - 1:
                step = y[start : t + 1]
                rise = gain(step) + tree.discount ** len(step) * v[n] - v[tree.parent[step[0]]]
                out += [rise] * len(step)
                start = t + 1
        return out

    check(tree, policy, segments(tree, cuts, policy=policy), rule)


@given(with_policy())
def test_segments_between_the_two_extremes(case):
    tree, policy = case
    every = segments(tree, np.ones(tree.n_nodes, bool), policy=policy)
    token = true_advantage(tree, policy=policy)
    np.testing.assert_allclose(every.mean, token.mean, **CLOSE)
    assert not every.variance.any()
    none = segments(tree, np.zeros(tree.n_nodes, bool), policy=policy)
    whole = outcome(tree, policy=policy, baseline=policy_return(tree, policy=policy))
    np.testing.assert_allclose(none.mean, whole.mean, **CLOSE)
    np.testing.assert_allclose(none.variance, whole.variance, **CLOSE)


@given(with_policy(discounts=(1.0,)), st.data())
def test_at_discount_one_all_rules_have_the_gradient_of_the_return(case, data):
    tree, policy = case
    exact = policy_gradient(tree, policy=policy)
    cuts = data.draw(rewards((tree.n_nodes,))) > 0
    critic = data.draw(rewards((tree.n_nodes,)))
    rules = (
        outcome(tree, policy=policy, baseline=0.5),
        reward_to_go(tree, policy=policy, baseline=critic),
        true_advantage(tree, policy=policy),
        gae(tree, critic, 1.0, policy=policy),
        gae(tree, value(tree, policy=policy), 0.3, policy=policy),
        segments(tree, cuts, policy=policy),
    )
    for credit in rules:
        np.testing.assert_allclose(expected_update(tree, credit, policy), exact, **CLOSE)


def test_control_a_wrong_critic_bends_the_update():
    tree = random_tree(np.random.default_rng(0), 3, 3, stop=0.0)
    bent = expected_update(tree, gae(tree, np.arange(tree.n_nodes) / 10, 0.0))
    assert abs(bent - policy_gradient(tree)).max() > 0.01


@given(with_policy())
def test_the_true_advantage_has_the_smallest_spread_of_unbiased_credit_at_a_token(case):
    """Given the token, reward to go less V has the advantage as its mean, and more spread."""
    tree, policy = case
    v = value(tree, policy=policy)
    noisy, exact = (
        reward_to_go(tree, policy=policy, baseline=v),
        true_advantage(tree, policy=policy),
    )
    np.testing.assert_allclose(noisy.mean, exact.mean, **CLOSE)
    more = update_variance(tree, noisy, policy) - update_variance(tree, exact, policy)
    assert more.min() > -4e-11


@pytest.mark.parametrize("discount", [1.0, 0.7])
def test_the_gradient_is_that_of_the_return_by_jax_and_by_differences(discount):
    jax = pytest.importorskip("jax")
    tree = random_tree(np.random.default_rng(3), 4, 3, reward="dense", discount=discount)
    logits = np.random.default_rng(4).normal(size=tree.n_nodes)
    policy = normalised(tree, logits)
    exact = policy_gradient(tree, policy=policy)
    with jax.enable_x64(True):
        import jax.numpy as jnp

        gains = jnp.asarray([discounted(tree.reward, discount)(y) for y in sequences(tree)])
        above, paths = jnp.asarray(np.maximum(tree.parent, 0)), jnp.asarray(tree.paths)

        @jax.jit
        def expected(theta):
            weight = jnp.exp(theta).at[0].set(0.0)
            p = weight / jnp.zeros_like(theta).at[above].add(weight)[above]
            return jnp.where(paths >= 0, p[paths], 1.0).prod(-1) @ gains

        by_jax = np.asarray(jax.grad(expected)(jnp.asarray(logits)))
    np.testing.assert_allclose(exact[1:], by_jax[1:], **CLOSE)
    for n in (1, tree.n_nodes // 2, tree.n_nodes - 1):
        step = 1e-5 * (np.arange(tree.n_nodes) == n)
        up, down = (policy_return(tree, policy=normalised(tree, logits + s)) for s in (step, -step))
        # the third derivative is below 6 times the largest return, 10: h^2 = 1e-10 of that
        assert exact[n] == pytest.approx((up - down) / 2e-5, abs=1e-8)


def test_simulated_updates_have_these_means_and_variances():
    tree = random_tree(np.random.default_rng(5), 3, 3, reward="dense")
    credit = reward_to_go(tree)
    n = 40_000
    drawn = np.bincount(sample_leaves(tree, np.random.default_rng(6), n), minlength=tree.n_leaves)
    gain = discounted(tree.reward, 1.0)
    moves = np.stack(
        [
            np.array([gain(y[t:]) for t in range(len(y))]) @ scores(tree, tree.log_prob, y)
            for y in sequences(tree)
        ]
    )
    mean = drawn @ moves / n
    variance = update_variance(tree, credit)
    assert (abs(mean - expected_update(tree, credit)) <= 4.5 * np.sqrt(variance / n) + 1e-12).all()
    total = (drawn @ (moves - mean) ** 2 / n).sum()
    # the s.e. of the total by its own draws
    each = ((moves - mean) ** 2).sum(-1)
    error = np.sqrt((drawn @ (each - total) ** 2) / n / n)
    assert abs(total - variance.sum()) < 4 * error


def test_refusals():
    tree = random_tree(np.random.default_rng(0), 2, 2)
    with pytest.raises(ValueError, match=r"lam=2 must lie in \[0, 1\]"):
        gae(tree, np.zeros(tree.n_nodes), 2.0)
    with pytest.raises(ValueError, match="credit has shape"):
        leaf_update(tree, np.zeros((1, 99)))
