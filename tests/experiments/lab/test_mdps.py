"""Regrets of many rewards at once against one at a time, and what makes a copy equivalent."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.experiments.core.work import counted
from toyrl.experiments.lab.mdps import (
    PROGRAMME,
    redistribution,
    shaping,
    swapped_regrets,
    worst_case,
)
from toyrl.theory.distance import optimisation_regret, worst_case_regret
from toyrl.worlds.mdp.random import random_mdp


def test_regrets_at_once_are_those_of_each_pair():
    rng = np.random.default_rng(0)
    mdp = random_mdp(rng, 5, 3, discount=0.8)
    R, others = rng.normal(size=(5, 3, 5)), rng.normal(size=(4, 5, 3, 5))
    others[0] = R
    found = swapped_regrets(mdp, R, others)
    want = [(optimisation_regret(mdp, R, q) + optimisation_regret(mdp, q, R)) / 2 for q in others]
    # value iteration's own tolerance, 1e-9 of the largest value
    assert found == pytest.approx(want, abs=1e-7)
    assert found[0] == pytest.approx(0, abs=1e-7)
    assert found[1:].max() > 0.01


def test_equivalent_copies_cost_nothing():
    rng = np.random.default_rng(1)
    mdp = random_mdp(rng, 4, 3)
    R, phi, noise = mdp.reward, rng.normal(size=4), rng.normal(size=(4, 3, 4))
    same = R + shaping(mdp, phi) + redistribution(mdp, noise)
    assert worst_case(mdp, R, same) == pytest.approx(0, abs=1e-7)
    assert worst_case(mdp, R, R + shaping(mdp, phi, discount=1.0)) > 0.01
    assert (redistribution(mdp, noise) * mdp.dense).sum(-1) == pytest.approx(0, abs=1e-14)
    assert redistribution(mdp, noise).std() > 0.1


def test_work_is_counted():
    mdp = random_mdp(np.random.default_rng(2), 4, 3)
    with counted() as tally:
        value = worst_case(mdp, mdp.reward, -mdp.reward, "dual")
    assert tally.units == PROGRAMME
    assert value == worst_case_regret(mdp, mdp.reward, -mdp.reward, method="dual").regret
    with counted() as tally:
        swapped_regrets(mdp, mdp.reward, mdp.reward[None])
    assert tally.units > 0
