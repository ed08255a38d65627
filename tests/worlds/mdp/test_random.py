"""Generators: laws hold, the generator decides alone, shapes and edges."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.mdp.random import corridor, garnet, gridworld, random_mdp


@pytest.mark.parametrize("reward", ["s", "sa", "sas"])
def test_random_processes(reward):
    mdp = random_mdp(np.random.default_rng(0), 5, 3, reward=reward, concentration=0.01)
    again = random_mdp(np.random.default_rng(0), 5, 3, reward=reward, concentration=0.01)
    assert mdp.transitions.shape == (5, 3, 5)
    assert mdp.reward.shape == {"s": (5,), "sa": (5, 3), "sas": (5, 3, 5)}[reward]
    assert np.array_equal(mdp.transitions, again.transitions)


def test_garnets():
    mdp = garnet(np.random.default_rng(0), 50, 4, 5)
    assert mdp.is_sparse
    assert np.diff(mdp.pairs.indptr).max() <= 5
    assert mdp.pairs.nnz > 0.9 * 50 * 4 * 5 * (1 - 2 / 50)
    one = garnet(np.random.default_rng(0), 7, 2, 1)
    assert set(one.pairs.data) == {1.0}


def test_corridors():
    mdp = corridor(4, slip=0.25)
    assert mdp.dense[1].tolist() == [[0.75, 0, 0.25, 0], [0.25, 0, 0.75, 0]]
    assert mdp.dense[0, 0].tolist() == [1, 0, 0, 0] or mdp.dense[0, 0].tolist() == [
        0.75,
        0.25,
        0,
        0,
    ]
    end = corridor(4, episodic=True, slip=0.0)
    assert end.pair_reward.tolist() == [[0, 0], [0, 0], [0, 1], [0, 0]]


def test_grids():
    mdp = gridworld(["S#", ".G"], slip=0.2, step_reward=-0.5)
    assert mdp.n_states == 3
    # down from the start, or into the wall and the edge
    assert mdp.dense[0, 1].tolist() == [0.2, 0.8, 0]
    assert mdp.dense[0, 0].tolist() == [1, 0, 0]
    np.testing.assert_allclose(mdp.pair_reward[1], [-0.4, -0.4, -0.5, 0.3])


def test_refusals():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="reward='r' is not one of s, sa, sas"):
        random_mdp(rng, 3, 2, reward="r")
    with pytest.raises(ValueError, match="branching=0 is not a whole number >= 1"):
        garnet(rng, 3, 2, 0)
    with pytest.raises(ValueError, match="n_states=1 is not a whole number >= 2"):
        corridor(1)
    with pytest.raises(ValueError, match="must be of one length and hold a start"):
        gridworld(["..", "G"])
