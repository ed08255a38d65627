"""Best and tilted policies against a search over sequences and the theory's tilt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE, chances, discounted, sequences
from tests.worlds.tree.test_values import with_policy
from toyrl.testing import tree_policies, trees
from toyrl.theory.policies import tilt
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.tree.build import complete_tree, random_tree
from toyrl.worlds.tree.control import best, tilted
from toyrl.worlds.tree.convert import to_mdp
from toyrl.worlds.tree.model import log_policy
from toyrl.worlds.tree.values import leaf_law, policy_return, rest_kl, value


@given(trees())
def test_the_best_policy_takes_the_best_sequence(tree):
    found = best(tree)
    gains = [discounted(tree.reward, tree.discount)(y) for y in sequences(tree)]
    np.testing.assert_allclose(found.value[0], max(gains), **CLOSE)
    np.testing.assert_allclose(policy_return(tree, policy=found.log_prob), max(gains), **CLOSE)
    np.testing.assert_allclose(value(tree, policy=found.log_prob), found.value, **CLOSE)
    process = optimal(to_mdp(tree).mdp)
    np.testing.assert_allclose(found.value, process.value, **CLOSE)


@given(trees(discounts=(1.0,)))
def test_all_that_ties_is_told(tree):
    # rewards on a grid of 1/8 at discount 1: sums are exact
    found, p = best(tree), to_mdp(tree)
    assert np.array_equal(p.by_edge(optimal(p.mdp).ties), found.ties)


@given(with_policy(discounts=(1.0,)), st.sampled_from((0.05, 0.5, 4.0)))
def test_the_tilted_policy_is_the_tilt_of_the_sequences(case, beta):
    tree, ref = case
    found = tilted(tree, beta, reference=ref)
    log_policy(tree, found.log_prob)  # a law over siblings
    gains = np.array([discounted(tree.reward, 1.0)(y) for y in sequences(tree)])
    base = chances(tree, ref)
    # exponents reach 6/0.05 = 120, each with a rounding of 120 eps: 3e-14 relative
    np.testing.assert_allclose(leaf_law(tree, found.log_prob), tilt(base, gains, 1 / beta), **CLOSE)
    got = policy_return(tree, policy=found.log_prob)
    price = beta * rest_kl(tree, ref, found.log_prob)[0]
    np.testing.assert_allclose(found.value[0], got - price, rtol=0, atol=1e-12)


@given(with_policy(discounts=(1.0,)), st.data())
def test_no_other_policy_is_worth_more(case, data):
    tree, ref = case
    other = data.draw(tree_policies(tree))
    worth = policy_return(tree, policy=other) - 0.5 * rest_kl(tree, ref, other)[0]
    assert worth <= tilted(tree, 0.5, reference=ref).value[0] + 1e-12


def test_between_the_reference_and_the_best():
    tree = random_tree(np.random.default_rng(0), 4, 3)
    cold = tilted(tree, 1e-3)
    assert cold.value[0] == pytest.approx(best(tree).value[0], abs=1e-3 * 20)  # beta log(1/p)
    hot = tilted(tree, 1e6)
    np.testing.assert_allclose(hot.log_prob, tree.log_prob, atol=1e-5)
    assert hot.value[0] == pytest.approx(value(tree)[0], abs=1e-6)


def test_what_the_reference_never_writes_stays_out():
    tree = complete_tree([0.0, -np.inf], 2, reward=[0.0, 0.0, 0.0, 50.0])
    found = tilted(tree, 0.1)
    assert leaf_law(tree, found.log_prob).tolist() == [1, 0, 0, 0]
    assert best(tree).value[0] == 50


def test_refusals():
    tree = complete_tree([0.0, 1.0], 2)
    with pytest.raises(ValueError, match="beta=0 must be above 0"):
        tilted(tree, 0.0)
    with pytest.raises(ValueError, match=r"discount=0\.5: the tilt is optimal at discount 1 alone"):
        tilted(tree.with_(discount=0.5), 1.0)
