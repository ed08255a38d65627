"""The unrolled chain against its class engine, its edge table and its paths."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds.tree.routes import CLOSE
from toyrl.worlds.chain.edges import edge_table
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import enumerate_paths
from toyrl.worlds.tree.chain import unrolled
from toyrl.worlds.tree.credit import outcome, true_advantage
from toyrl.worlds.tree.values import leaf_law, occupancy, policy_return, success, value

CHAINS = {
    "three actions": Chain(difficulties=(1, 2), shares=(0.5, 0.5), max_actions=5),
    "all of it": Chain(
        actions=("STEP", "FILL", "CHECK", "REPEAT", "END_THINK", "ANSWER"),
        difficulties=(1,),
        shares=(1.0,),
        max_actions=4,
        slip=0.2,
        repair=0.5,
        flag_noise=0.1,
    ),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_the_tree_is_the_chain(chain):
    rng = np.random.default_rng(0)
    theta = rng.normal(size=chain.policy_shape)
    reward = rng.normal(size=chain.n_classes)
    classes = class_probabilities(chain, theta)
    for b, d in enumerate(chain.difficulties):
        found = unrolled(chain, theta, d, reward)
        tree = found.tree
        np.testing.assert_allclose(found.class_probabilities(), classes[b], **CLOSE)
        np.testing.assert_allclose(policy_return(tree), classes[b] @ reward, **CLOSE)
        right = classes[b] @ chain.class_correct()
        np.testing.assert_allclose(success(tree)[0], right, **CLOSE)
        table = edge_table(chain, theta, d, reward)
        for credit in (true_advantage(tree), outcome(tree)):
            np.testing.assert_allclose(found.pooled(credit), table.gradient, **CLOSE)
        # values: those of the states, the flag not yet seen
        act = np.einsum("emz,pzma->pema", chain.flag_law(d), found.policy)
        v = (table.value * act).sum(-1)
        first = tree.children(np.arange(tree.n_nodes), np.minimum, empty=0)[tree.inner]
        phase, error, progress = found.labels[first, :3].T
        at = (tree.depth[tree.inner], phase, error, progress)
        np.testing.assert_allclose(value(tree)[tree.inner], v[at], **CLOSE)
        # occupancies pool to those of states, flags and actions
        pooled = np.zeros(table.advantage.shape)
        label = found.labels[1:].T
        np.add.at(pooled, (tree.depth[1:] - 1, *label), occupancy(tree)[1:])
        shares = found.policy.transpose(0, 2, 1, 3)[None, :, None]
        np.testing.assert_allclose(pooled, table.occupancy[..., None] * shares, **CLOSE)


def test_sequences_are_the_paths():
    chain = CHAINS["all of it"]
    theta = np.random.default_rng(1).normal(size=chain.policy_shape)
    paths = enumerate_paths(chain, theta, 1)
    law = leaf_law(unrolled(chain, theta, 1).tree)
    # a path leaves open what the last token's progress was, the tree has it
    assert len(law) >= len(paths)
    np.testing.assert_allclose(law.sum(), paths.prob.sum(), **CLOSE)
    np.testing.assert_allclose(
        law @ unrolled(chain, theta, 1).tree.success, paths.prob @ paths.correct
    )


def test_refusals():
    chain = CHAINS["three actions"]
    theta = np.zeros(chain.policy_shape)
    with pytest.raises(ValueError, match="more than limit=20 nodes; shorten the chain"):
        unrolled(chain, theta, 1, limit=20)
    with pytest.raises(ValueError, match=r"reward has shape \(3,\)"):
        unrolled(chain, theta, 1, np.zeros(3))
