"""Shaping along paths, and what estimators of groups make of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import registry
from toyrl.estimators.group import PRESETS
from toyrl.theory.shaping import episodes, groups
from toyrl.theory.shaping.regret import worst_regret
from toyrl.worlds.tree.build import random_tree
from toyrl.worlds.tree.convert import to_mdp

PATHS = st.lists(st.floats(-3, 3), min_size=2, max_size=6).map(np.array)
SHARE = st.sampled_from([0.0, 0.3, 0.9, 1.0])


@given(PATHS, SHARE)
def test_the_total_telescopes_and_what_is_left_of_it(phi, g):
    n = len(phi) - 1
    assert episodes.shaping_total(phi, g) == pytest.approx(-phi[0], abs=1e-12)
    kept = episodes.shaping_total(phi, g, terminal=False)
    assert kept == pytest.approx(episodes.end_reward(phi[-1], n, g) - phi[0], abs=1e-12)
    summed = episodes.shaping_total(phi, g, weight=1.0)
    # between the first state and the end; the last of these is not discounted twice
    assert summed == pytest.approx(episodes.hidden_bias(phi, g) - phi[0], abs=1e-12)


@given(PATHS, st.sampled_from([0.3, 0.9, 1.0]))
def test_look_back_leaves_the_last_action(phi, g):
    n = len(phi)
    total = (episodes.look_back_terms(phi, g) * g ** np.arange(n)).sum()
    assert total == pytest.approx(g ** (n - 1) * phi[-1], abs=1e-11)


def test_a_potential_that_changes():
    left, reached = np.array([1.0, 2.0, 5.0]), np.array([2.0, 5.0, 0.0])
    same = (episodes.dynamic_terms(left, reached, 0.5) * 0.5 ** np.arange(3)).sum()
    assert same == pytest.approx(-1.0)
    anew = (
        episodes.dynamic_terms(left + np.array([0, 1, 0]), reached, 0.5) * 0.5 ** np.arange(3)
    ).sum()
    assert anew == pytest.approx(-1.0 - 0.5)


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"discount=1.5 is not a number in \[0, 1\]"):
        episodes.shaping_total(np.zeros(3), 1.5)
    with pytest.raises(ValueError, match="weight=-1"):
        episodes.shaping_total(np.zeros(3), 0.5, weight=-1)
    with pytest.raises(ValueError, match="discount=0 leaves"):
        episodes.look_back_terms(np.zeros(3), 0.0)


# -- groups ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["grpo", "rloo", "dr_grpo", "rloo_normalized", "opo"])
def test_centred_by_group_sees_no_constant_of_the_prompt(name: str):
    rng = np.random.default_rng(0)
    e = registry.get("estimator", name).target
    reward, phi = rng.normal(size=(3, 4, 6)), rng.normal(size=(3, 4, 1))
    e = e if not isinstance(e, type) else e()
    assert groups.advantage_change(e, reward, phi) == pytest.approx(np.zeros((3, 4, 6)), abs=1e-10)


def test_the_std_of_the_batch_sees_it_by_the_closed_form():
    rng = np.random.default_rng(1)
    from dataclasses import replace

    e = replace(PRESETS["grpo_batch"], eps=0.0)
    reward, phi = rng.normal(size=(3, 5)), rng.normal(size=3)
    base = groups.advantage_change(e, 0 * reward, reward)
    moved = groups.advantage_change(e, reward, -phi[:, None])
    ratio = groups.batch_scale_ratio(reward, phi)
    assert moved == pytest.approx((ratio - 1) * base, abs=1e-12)
    assert np.abs(moved).max() > 0.01
    assert groups.batch_scale_ratio(reward, np.full(3, 7.0)) == pytest.approx(1)
    assert np.isnan(groups.batch_scale_ratio(np.ones((3, 5)), phi))
    stacked = groups.batch_scale_ratio(np.stack([reward, 2 * reward]), np.stack([phi, phi]))
    assert stacked[0] == pytest.approx(ratio)


def test_token_estimators_are_refused():
    with pytest.raises((ValueError, KeyError)):
        groups.advantage_change(registry.get("estimator", "gae").make(), np.ones((2, 3)), 0.0)


def test_spreads():
    totals = np.array([[1.0, 4.0, np.nan], [2.0, 2.0, 2.0], [np.nan] * 3])
    found = groups.spread_of_totals(totals)
    assert found[:2].tolist() == [3.0, 0.0]
    assert np.isnan(found[2])


@given(st.integers(0, 2**32 - 1))
def test_a_tree_by_totals_and_by_optimal_control(seed: int):
    rng = np.random.default_rng(seed)
    tree = random_tree(rng, 4)
    term = rng.normal(size=(2, tree.n_nodes))
    term[:, 0] = 0.0
    want = []
    for x in term:
        laid = to_mdp(tree, x)
        want.append(worst_regret(laid.mdp, laid.mdp.reward).value)
    assert groups.tree_worst_regret(tree, term) == pytest.approx(want, abs=1e-9)
