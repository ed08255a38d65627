"""Every broken law is told, with its place, all of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE
from toyrl.pytree import activate
from toyrl.testing import trees
from toyrl.worlds.tree.build import complete_tree, from_parents
from toyrl.worlds.tree.model import Tree, normalised
from toyrl.worlds.tree.values import value

HALF = np.log(0.5)
# root -> (a, b), a -> (c, d)
SOUND: dict[str, Any] = {
    "parent": [-1, 0, 0, 1, 1],
    "token": [-1, 0, 1, 0, 1],
    "log_prob": [0, HALF, HALF, HALF, HALF],
    "reward": [0.0, 0, 1, 0, 1],
}


def put(name: str, place: int, entry: Any) -> dict[str, Any]:
    """A sound tree's array with one entry changed."""
    out = list(SOUND[name])
    out[place] = entry
    return {name: out}


BROKEN = {
    "size": ({"token": [0, 1]}, r"token has shape \(2,\); it must be \(5,\)"),
    "one node": ({k: v[:1] for k, v in SOUND.items()}, r"parent has shape \(1,\); .* N >= 2"),
    "fractions": (put("parent", 1, 0.5), "parent holds float64 numbers; .* whole numbers"),
    "no root": (put("parent", 0, 4), "no root"),
    "two roots": (put("parent", 2, -1), "nodes 0, 2 have parent -1"),
    "no such parent": (put("parent", 4, 9), r"parent\[4\] = 9: no such node; nodes are 0..4"),
    "cycle": (
        {"parent": [-1, 0, 0, 4, 3]},
        r"cycle [34] -> [34] -> [34] .*: no path leads from the root to nodes 3, 4",
    ),
    "own parent": (put("parent", 3, 3), r"cycle 3 -> 3 .*: no path leads from the root to node 3"),
    "parent late": (
        {"parent": [-1, 0, 4, 1, 0]},
        "node 2 before its parent 4: parents come first; from_parents reorders",
    ),
    "not in layers": (
        {"parent": [-1, 0, 1, 1, 0]},
        "parent falls at node 4, from 1 to 0: nodes stand in layers",
    ),
    "twins": (put("token", 4, 0), "token 0 leads twice from node 1: the same prefix is one node"),
    "negative token": (put("token", 4, -2), r"token\[4\] = -2: a token is 0 or more"),
    "siblings' sum": (
        put("log_prob", 3, np.log(0.4)),
        r"log_prob: probabilities of the children of node 1 sum to 0\.9, not to 1",
    ),
    "probability above 1": (put("log_prob", 3, 0.1), r"log_prob\[3\] = 0\.1: a log-probability"),
    "NaN probability": (put("log_prob", 3, np.nan), r"log_prob\[3\] = nan"),
    "infinite reward": (put("reward", 3, np.inf), r"reward\[3\] = inf is not finite"),
    "reward at the root": (put("reward", 0, 2.0), r"reward\[0\] = 2 is paid at the root"),
    "reward inside": (put("reward", 1, 2.0), "reward is paid at inner node 1: .* dense=True"),
    "discount": ({"discount": 1.5}, r"discount=1.5 must lie in \[0, 1\]"),
    "cut inside": ({"truncated": [0, 1, 0, 0, 0]}, "truncated at inner node 1"),
    "chance above 1": ({"correct": [0, 0, 2, 0, 1]}, r"correct\[2\] = 2 must lie in \[0, 1\]"),
    "NaN chance": ({"correct": [0, 0, np.nan, 0, 1]}, r"correct\[2\] = nan must lie"),
    "right though cut": (
        {"truncated": [0, 0, 1, 0, 0], "correct": [0, 0, 1, 0, 1]},
        "correct at truncated node 2",
    ),
    "field's size": ({"fields": {"judge": np.zeros(3)}}, r"fields\['judge'\] has shape \(3,\)"),
    "NaN field": (
        {"fields": {"judge": [0, np.nan, 0, 0, 0]}},
        r"fields\['judge'\] is NaN at node 1",
    ),
}


@pytest.mark.parametrize(("change", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_each_law(change, said):
    with pytest.raises(ValueError, match=said) as info:
        Tree(**{**SOUND, **change})
    assert str(info.value).startswith("Tree: 1 law broken\n  - ")


def test_all_at_once():
    with pytest.raises(ValueError, match="Tree: 4 laws broken") as info:
        Tree(**SOUND | put("token", 4, 0) | put("reward", 1, np.nan) | {"discount": -1.0})
    # a reward that is NaN is one, too, that an inner node may not pay
    assert str(info.value).count("\n  - ") == 4


def test_many_places_are_counted():
    with pytest.raises(ValueError, match=r"reward\[1\] = nan, .*reward\[3\] = nan and 1 more"):
        Tree(**SOUND | {"reward": [0] + [np.nan] * 4})


def test_dense_rewards_have_to_be_said():
    tree = Tree(**SOUND | put("reward", 1, 2.0), dense=True)
    assert value(tree)[0] == 0.5 * (2 + 0.5) + 0.5


def test_entry_0_is_not_read_but_for_its_reward():
    tree = Tree(**SOUND | put("token", 0, 7) | put("log_prob", 0, -3.0))
    assert value(tree)[0] == value(Tree(**SOUND))[0]


@given(trees())
def test_trusted_trees_are_sound(tree):
    tree.validate()
    assert (tree.depth[1:] == tree.depth[tree.parent[1:]] + 1).all()
    assert sum(len(x.parents) for x in tree.layers) == len(tree.inner)
    assert tree.height == tree.depth.max()
    assert set(tree.leaves) | set(tree.inner) == set(range(tree.n_nodes))


@given(trees(), st.binary(min_size=40, max_size=40))
def test_any_order_is_brought_into_layers(tree, keys):
    order = np.argsort(np.frombuffer(keys, np.uint8)[: tree.n_nodes], kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    above = np.where(tree.parent[order] < 0, -1, place[tree.parent[order]])
    options = {"discount": tree.discount, "dense": tree.dense}
    again, moved = from_parents(
        above,
        tree.token[order],
        tree.log_prob[order],
        tree.reward[order],
        correct=tree.correct[order],
        fields={"judge": order},
        **options,
    )
    back = again.fields["judge"]
    assert np.array_equal(back[moved], order)
    assert [again.prefix(n) for n in range(again.n_nodes)] == [tree.prefix(n) for n in back]
    np.testing.assert_allclose(value(again), value(tree)[back], **CLOSE)


def test_from_parents_refuses_cycles():
    with pytest.raises(ValueError, match="from_parents: cycle"):
        from_parents([-1, 2, 1], [0, 0, 0], [0, 0, 0])
    with pytest.raises(ValueError, match="whole numbers"):
        from_parents([0.5], [0], [0])


def test_prefixes_are_found():
    tree = complete_tree(np.zeros(3), 3, end=0)
    for n in range(tree.n_nodes):
        assert tree.find(tree.prefix(n)) == n
    with pytest.raises(KeyError, match=r"no prefix \[1, 7\]: after \[1\] the tree goes on with"):
        tree.find([1, 7])
    with pytest.raises(KeyError, match="goes on with nothing"):
        tree.find([0, 0])


def test_success_needs_chances():
    tree = Tree(**SOUND | put("reward", 4, 3.0))
    with pytest.raises(ValueError, match="rewards of leaves reach from 0 to 3"):
        _ = tree.success
    cut = Tree(**SOUND, truncated=[0, 0, 1, 0, 0])
    assert cut.success.tolist() == [0, 0, 1]


def test_logits_are_normalised_among_siblings():
    tree = Tree(**SOUND).with_logits([9, 800, 801, -np.inf, -900])
    np.testing.assert_allclose(np.exp(tree.log_prob)[1:3].sum(), 1, rtol=1e-15)
    assert tree.log_prob[3:].tolist() == [-np.inf, 0]
    batch = normalised(tree, np.zeros((2, 5)))
    assert batch[:, 1:].tolist() == [[HALF] * 4] * 2
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="children of node 1 have the maximum"):
            normalised(tree, [0, 0, 0, wrong, 0])
    with pytest.raises(ValueError, match="children of node 1 have the maximum -inf"):
        normalised(tree, [0, 0, 0, -np.inf, -np.inf])
    with pytest.raises(ValueError, match="logits has shape"):
        normalised(tree, [0, 0])


def test_values_by_leaf_fit_the_leaves():
    tree = Tree(**SOUND)
    assert tree.at_leaves([[1, 2, 3]]).tolist() == [[0, 0, 1, 2, 3]]
    with pytest.raises(ValueError, match="the tree has 3 leaves"):
        tree.at_leaves([1.0])


def test_pytree_leaves_are_the_fields():
    jax = pytest.importorskip("jax")
    activate()
    tree = Tree(**SOUND)
    leaves, how = jax.tree_util.tree_flatten(tree)
    assert np.array_equal(value(jax.tree_util.tree_unflatten(how, leaves)), value(tree))
