"""The strategies of prefix trees shrink to the smallest, and draw what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import find, given, settings

from toyrl.testing import tree_policies, trees
from toyrl.worlds.tree.model import log_policy
from toyrl.worlds.tree.values import reach, value

FIND = settings(max_examples=4000, database=None, derandomize=True, deadline=None)


def chosen(tree):
    """Nodes with a choice between written tokens of different rewards."""
    p = np.exp(tree.log_prob)
    own = [np.flatnonzero((tree.parent == n) & (p > 0)) for n in tree.inner]
    return any(len(set(tree.reward[c])) > 1 for c in own)


# fault -> what the smallest tree with it looks like
FAULTS = {
    "any tree": (
        lambda t: t.n_nodes > 0,
        lambda t: t.n_nodes == 2 and not t.reward.any() and t.discount == 1,
    ),
    "a positive reward": (
        lambda t: (t.reward > 0).any(),
        lambda t: t.n_nodes == 2 and t.reward[1] == 1 / 8,
    ),
    "two tokens that differ": (
        chosen,
        lambda t: t.n_nodes == 3 and abs(t.reward).sum() == 1 / 8,
    ),
    "a second token": (lambda t: t.height >= 2, lambda t: t.parent.tolist() == [-1, 0, 1]),
    "a third token worth something": (
        lambda t: t.height == 3 and value(t)[t.inner[-1]] > 0,
        lambda t: t.parent.tolist() == [-1, 0, 1, 2],
    ),
    "reward on the way": (
        lambda t: t.reward[t.inner].any(),
        lambda t: t.parent.tolist() == [-1, 0, 1] and abs(t.reward).sum() == 1 / 8,
    ),
    "discount 0": (lambda t: t.discount == 0, lambda t: t.n_nodes == 2),
}


@pytest.mark.parametrize(("fault", "smallest"), FAULTS.values(), ids=FAULTS.keys())
def test_a_planted_fault_shrinks_to_the_smallest_tree(fault, smallest):
    found = find(trees(), fault, settings=FIND)
    assert smallest(found), found


def test_what_is_promised_is_drawn():
    """Each ugly kind turns up: a strategy that never draws one proves nothing of it."""
    kinds = {
        "never written": lambda t: not reach(t).all(),
        "ties": lambda t: any(np.ptp(t.log_prob[t.parent == n]) == 0 for n in t.inner),
        "leaves at different depths": lambda t: np.ptp(t.depth[t.leaves]) > 0,
        "no choice": lambda t: t.n_leaves == 1 and t.height > 1,
        "dense": lambda t: bool(t.reward[t.inner].any()),
        "complete": lambda t: t.n_nodes > 25,
        "discount 0": lambda t: t.discount == 0,
        "discount 1": lambda t: t.discount == 1,
    }
    seen = set()

    @given(trees())
    @settings(max_examples=200)
    def look(tree):
        seen.update(name for name, kind in kinds.items() if kind(tree))

    look()
    assert seen == set(kinds)


@given(trees(height=2, branching=4, discounts=(0.7,), dense=False))
def test_the_options_are_kept(tree):
    assert tree.height <= 2
    assert np.bincount(tree.parent[1:]).max() <= 4
    assert tree.discount == 0.7
    assert not tree.reward[tree.inner].any()


@given(trees().flatmap(lambda t: tree_policies(t).map(lambda p: (t, p))))
def test_policies_are_policies(case):
    tree, policy = case
    assert log_policy(tree, policy) is policy


def test_refusals():
    with pytest.raises(ValueError, match="height=0, branching=3: at least 1"):
        trees(height=0)
    with pytest.raises(ValueError, match="1,000 nodes"):
        trees(height=9)
