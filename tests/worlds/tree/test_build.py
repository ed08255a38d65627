"""Builders: complete trees of a policy, random trees."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.policies import softmax
from toyrl.worlds.tree.build import complete_tree, random_tree
from toyrl.worlds.tree.values import leaf_law


def test_complete_trees_multiply_the_softmax():
    logits = np.array([0.3, -1.0, 2.0])
    tree = complete_tree(logits, 3)
    assert (tree.n_nodes, tree.n_leaves, tree.height) == (40, 27, 3)
    p = softmax(logits)
    np.testing.assert_allclose(leaf_law(tree), np.prod(p[tree.sequences], axis=-1), rtol=1e-14)
    assert tree.truncated is None


def test_logits_by_place():
    logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    tree = complete_tree(logits, 2)
    wanted = np.multiply.outer(softmax(logits[0]), softmax(logits[1])).ravel()
    np.testing.assert_allclose(leaf_law(tree), wanted, rtol=1e-14)


def test_a_policy_as_a_function_of_the_prefix_and_an_end_token():
    """Token 0 ends; a text of n tokens 1 goes on with probability 1/(n + 2)."""

    def policy(prefixes):
        n = (prefixes == 1).sum(-1)
        return np.log(np.stack([1 - 1 / (n + 2), 1 / (n + 2)], axis=1))

    tree = complete_tree(policy, 3, end=0, reward=lambda y: (y == 1).sum(-1) / 3)
    assert tree.sequences.tolist() == [[0, -1, -1], [1, 0, -1], [1, 1, 0], [1, 1, 1]]
    np.testing.assert_allclose(leaf_law(tree), [1 / 2, 1 / 3, 1 / 8, 1 / 24])
    assert tree.truncated is not None
    assert tree.truncated[tree.leaves].tolist() == [False, False, False, True]
    assert tree.reward[tree.leaves].tolist() == [0, 1 / 3, 2 / 3, 1]
    again = complete_tree(policy, 3, end=0, reward=[0, 1 / 3, 2 / 3, 1])
    assert np.array_equal(again.reward, tree.reward)


def test_a_vocabulary_of_the_end_alone():
    tree = complete_tree([0.0], 4, end=0)
    assert (tree.n_nodes, tree.height) == (2, 1)


def test_refusals():
    with pytest.raises(ValueError, match="height=0 is not a whole number >= 1"):
        complete_tree([0.0], 0)
    with pytest.raises(ValueError, match=r"logits has shape \(3, 2\); give \(V,\), \(2, V\)"):
        complete_tree(np.zeros((3, 2)), 2)
    with pytest.raises(ValueError, match=r"end=2 is no token; tokens are 0\.\.1"):
        complete_tree(np.zeros(2), 2, end=2)
    with pytest.raises(ValueError, match="more than limit=100 nodes"):
        complete_tree(np.zeros(10), 2, limit=100)
    with pytest.raises(ValueError, match=r"logits of 1 prefixes have shape \(3,\)"):
        complete_tree(lambda _: np.zeros(3), 2)
    with pytest.raises(ValueError, match="reward='r' is not one of binary, normal, dense"):
        random_tree(np.random.default_rng(0), 2, reward="r")
    with pytest.raises(ValueError, match="more than limit=50 nodes at depth"):
        random_tree(np.random.default_rng(0), 9, 3, stop=0.0, limit=50)


@pytest.mark.parametrize("reward", ["binary", "normal", "dense"])
def test_random_trees(reward):
    tree = random_tree(np.random.default_rng(1), 5, 3, reward=reward)
    again = random_tree(np.random.default_rng(1), 5, 3, reward=reward)
    assert np.array_equal(tree.log_prob, again.log_prob)
    assert tree.height <= 5
    inner = tree.reward[tree.inner]
    assert inner.any() == (reward == "dense")
    if reward == "binary":
        assert set(tree.reward[tree.leaves]) == {0.0, 1.0}
    thin = random_tree(np.random.default_rng(0), 3, 3, concentration=1e-3, reward=reward)
    thin.validate()


def test_random_trees_end_where_they_may():
    assert random_tree(np.random.default_rng(0), 4, 2, stop=1.0).height == 1
    full = random_tree(np.random.default_rng(0), 4, 1, stop=0.0)
    assert full.parent.tolist() == [-1, 0, 1, 2, 3]
