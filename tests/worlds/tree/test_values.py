"""Sweeps against plain recursion, enumeration, simulation, and the process's solvers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE, chances, discounted, expectation, sequences, values
from toyrl.testing import tree_policies, trees
from toyrl.testing.strategies import rewards
from toyrl.theory.policies import kl
from toyrl.worlds.tree import sweeps
from toyrl.worlds.tree.build import complete_tree, random_tree
from toyrl.worlds.tree.values import (
    advantage,
    common_prefix,
    leaf_law,
    leaf_returns,
    length_moments,
    occupancy,
    policy_return,
    q_values,
    reach,
    rest_entropy,
    rest_kl,
    return_moments,
    sample_leaves,
    success,
    token_entropy,
    token_kl,
    value,
)


def with_policy(**options):
    """(tree, log-probabilities)."""
    return trees(**options).flatmap(lambda t: tree_policies(t).map(lambda p: (t, p)))


# -- three routes ---------------------------------------------------------------------------------
@given(with_policy())
def test_values_by_their_definition(case):
    tree, policy = case
    v = values(tree, policy, tree.reward)
    np.testing.assert_allclose(value(tree, policy=policy), v, **CLOSE)
    above = tree.parent[1:]
    q = tree.reward[1:] + tree.discount * v[1:]
    np.testing.assert_allclose(q_values(tree, policy=policy)[1:], q, **CLOSE)
    np.testing.assert_allclose(advantage(tree, policy=policy)[1:], q - v[above], **CLOSE)
    assert advantage(tree, policy=policy)[0] == q_values(tree, policy=policy)[0] == 0


@given(with_policy())
def test_reach_and_occupancy_by_enumeration(case):
    tree, policy = case
    p, every = chances(tree, policy), sequences(tree)
    through = np.zeros(tree.n_nodes)
    taken = np.zeros(tree.n_nodes)
    for chance, path in zip(p, every, strict=True):
        through[[0, *path]] += chance
        taken[path] += chance * tree.discount ** np.arange(len(path))
    np.testing.assert_allclose(reach(tree, policy), through, **CLOSE)
    np.testing.assert_allclose(leaf_law(tree, policy), p, **CLOSE)
    np.testing.assert_allclose(occupancy(tree, policy), taken, **CLOSE)
    gains = [discounted(tree.reward, tree.discount)(y) for y in every]
    np.testing.assert_allclose(leaf_returns(tree), gains, **CLOSE)
    got = occupancy(tree, policy) @ tree.reward
    np.testing.assert_allclose(got, policy_return(tree, policy=policy), **CLOSE)


@given(with_policy())
def test_moments_by_enumeration(case):
    tree, policy = case
    worth = discounted(tree.reward, tree.discount)
    mean, variance = return_moments(tree, policy=policy)
    long, spread = length_moments(tree, policy)
    right = tree.at_leaves(tree.success)
    wins = success(tree, policy)
    for n in range(tree.n_nodes):
        first = expectation(tree, policy, n, worth)
        second = expectation(tree, policy, n, lambda y, m=first: (worth(y) - m) ** 2)
        np.testing.assert_allclose([mean[n], variance[n]], [first, second], **CLOSE)
        steps = expectation(tree, policy, n, len)
        squares = expectation(tree, policy, n, lambda y, m=steps: (len(y) - m) ** 2)
        np.testing.assert_allclose([long[n], spread[n]], [steps, squares], **CLOSE)
        chance = expectation(tree, policy, n, lambda y, n=n: right[y[-1] if y else n])
        np.testing.assert_allclose(wins[n], chance, **CLOSE)


@given(with_policy(), st.data())
def test_entropy_and_divergence_of_the_rest_are_those_of_the_sequences(case, data):
    tree, p = case
    q = data.draw(tree_policies(tree))
    found = rest_kl(tree, q, p)
    with np.errstate(divide="ignore"):
        for n in range(tree.n_nodes):
            h = expectation(tree, p, n, lambda y: -float(p[y].sum()))
            np.testing.assert_allclose(rest_entropy(tree, p)[n], h, **CLOSE)
            d = expectation(tree, p, n, lambda y: float((p[y] - q[y]).sum()))
            np.testing.assert_allclose(found[n], d, **CLOSE)
    whole = kl(chances(tree, p), chances(tree, q))  # the theory's, over sequences
    np.testing.assert_allclose(found[0], whole, **CLOSE)
    assert not rest_kl(tree, p, p).any()
    for n in tree.inner:
        own = np.flatnonzero(tree.parent == n)
        one, other = np.exp(p[own]), np.exp(q[own])
        np.testing.assert_allclose(token_kl(tree, q, p)[n], kl(one, other), **CLOSE)
        some = one[one > 0]
        np.testing.assert_allclose(token_entropy(tree, p)[n], -(some * np.log(some)).sum(), **CLOSE)


def test_simulation_agrees_and_its_error_shrinks():
    tree = random_tree(np.random.default_rng(0), 4, 3, reward="dense", discount=0.8)
    gains = np.array([discounted(tree.reward, 0.8)(y) for y in sequences(tree)])
    exact, spread = (x[0] for x in return_moments(tree))
    errors = []
    for n in (4_000, 64_000):
        drawn = gains[sample_leaves(tree, np.random.default_rng(1), n)]
        errors.append(drawn.std(ddof=1) / np.sqrt(n))
        assert abs(drawn.mean() - exact) < 4 * errors[-1]
        # s.e. of a variance is at most sqrt(kurtosis/n) of it; the returns are bounded, 4 is ample
        assert abs(drawn.var() / spread - 1) < 4 * np.sqrt(4 / n)
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.1)


def test_sampling_never_takes_what_is_never_written():
    tree = complete_tree(np.array([-np.inf, 0.0, 0.0, -np.inf]), 5)
    drawn = sample_leaves(tree, np.random.default_rng(0), 20_000)
    law = leaf_law(tree)
    assert (law[drawn] > 0).all()
    counts = np.bincount(drawn, minlength=tree.n_leaves)[law > 0]
    # 32 sequences, each 1/32: chi-squared with 31 degrees of freedom, mean 31, s.d. 8
    assert ((counts - 625) ** 2 / 625).sum() < 31 + 4 * 8


class Extreme:
    """A generator that draws the ends of [0, 1) alone."""

    def __init__(self, drawn: float) -> None:
        self.drawn = drawn

    def random(self, n: int) -> np.ndarray:
        return np.full(n, self.drawn)


@pytest.mark.parametrize("drawn", [0.0, np.nextafter(1.0, 0.0)])
def test_sampling_at_the_ends_of_the_unit_interval(drawn):
    tree = complete_tree(np.array([-np.inf, 0.0, 0.0, -np.inf]), 5)
    for leaf in sample_leaves(tree, Extreme(drawn), 1):  # pyright: ignore[reportArgumentType]
        assert tree.sequences[leaf].tolist() == [1 + (drawn > 0)] * 5


@pytest.mark.parametrize("large", [sweeps.LARGE, 0])
def test_edges_of_weight_0_count_nothing_whatever_their_term(large, monkeypatch):
    monkeypatch.setattr(sweeps, "LARGE", large)
    tree = complete_tree(np.array([-np.inf, 0.0]), 3)
    term = np.where(np.exp(tree.log_prob) > 0, 1.0, np.inf)
    found = sweeps.backward(tree, np.exp(tree.log_prob), term)
    assert found[0] == 3


# -- forms ----------------------------------------------------------------------------------------
@given(with_policy(), st.data())
def test_a_batch_of_rewards_is_each_alone(case, data):
    tree, policy = case
    batch = data.draw(rewards((2, 3, tree.n_nodes)))
    batch[..., 0] = 0.0
    for f in (value, q_values, advantage, policy_return):
        whole = f(tree, batch, policy)
        for i, k in np.ndindex(2, 3):
            np.testing.assert_array_equal(whole[i, k], f(tree, batch[i, k], policy))


@given(with_policy(), st.data())
def test_compiled_sweeps_equal_those_by_layers(case, data):
    tree, policy = case
    batch = data.draw(rewards((2, tree.n_nodes)))
    batch[..., 0] = 0.0

    def numbers():
        return (
            value(tree, batch, policy),
            *return_moments(tree, batch, policy),
            reach(tree, policy),
            rest_kl(tree, tree.log_prob, policy),
            sweeps.forward(tree, 0.5, batch, root=1.0),
        )

    by_layers = numbers()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "LARGE", 0)
        compiled = numbers()
    for one, other in zip(by_layers, compiled, strict=True):
        np.testing.assert_allclose(other, one, **CLOSE)


@given(trees(), st.data())
def test_potential_shaping_leaves_advantages(tree, data):
    """Ng, Harada, Russell 1999, Theorem 1, with the potential 0 at every end."""
    phi = data.draw(rewards((tree.n_nodes,)))
    phi[tree.leaves] = 0.0
    shift = tree.discount * phi - phi[np.maximum(tree.parent, 0)]
    shift[0] = 0.0
    np.testing.assert_allclose(value(tree, tree.reward + shift), value(tree) - phi, **CLOSE)
    np.testing.assert_allclose(advantage(tree, tree.reward + shift), advantage(tree), **CLOSE)


def test_control_a_potential_that_ends_above_zero_changes_advantages():
    tree = random_tree(np.random.default_rng(0), 3, 2, stop=0.0)
    phi = np.where(tree.is_leaf, 0.1 * np.arange(tree.n_nodes), 0.0)
    shift = phi - phi[np.maximum(tree.parent, 0)]
    assert abs(advantage(tree, tree.reward + shift) - advantage(tree)).max() > 0.01


def test_common_prefixes():
    tree = complete_tree(np.zeros(2), 3)
    assert tree.sequences[:2].tolist() == [[0, 0, 0], [0, 0, 1]]
    assert common_prefix(tree, 0, np.arange(8)).tolist() == [3, 2, 1, 1, 0, 0, 0, 0]
    end = complete_tree(np.zeros(2), 3, end=1)  # 1, 01, 000, 001
    assert common_prefix(end, np.arange(4)[:, None], np.arange(4)).tolist() == [
        [1, 0, 0, 0],
        [0, 2, 1, 1],
        [0, 1, 3, 2],
        [0, 1, 2, 3],
    ]


# -- refusals -------------------------------------------------------------------------------------
def test_refusals():
    tree = complete_tree(np.zeros(2), 2)
    with pytest.raises(ValueError, match=r"reward has shape \(4,\); the tree has 7 nodes"):
        value(tree, np.ones(4))
    with pytest.raises(ValueError, match="0 at the root"):
        value(tree, np.ones(7))
    with pytest.raises(ValueError, match="children of node 0 sum to 2"):
        value(tree, policy=np.zeros(7))
    with pytest.raises(ValueError, match=r"policy has shape \(3,\)"):
        reach(tree, np.zeros(3))
