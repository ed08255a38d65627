"""Q-learning along its own episodes: against dynamic programming, with and without a potential."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.tabular.episodes import learn_by_acting
from toyrl.stats import picked
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP


def corridor() -> MDP:
    """Four states in a row: action 1 leads on, 0 back; the end pays 1."""
    moves = np.zeros((4, 2, 4))
    for s in range(3):
        moves[s, 0, max(s - 1, 0)] = moves[s, 1, s + 1] = 1.0
    pays = np.zeros((4, 2))
    pays[2, 1] = 1.0
    start, end = np.eye(4)[0], np.eye(4)[3] > 0
    return MDP(moves, pays, 0.9, start=start, terminal=end)


@pytest.mark.parametrize("phi", [None, np.array([0.0, 0.2, 0.7, 5.0])])
def test_table_is_the_optimal_one_less_the_potential(phi: np.ndarray | None):
    mdp, rng = corridor(), np.random.default_rng(0)
    table, reached = learn_by_acting(mdp, rng, 3000, horizon=40, rate=0.5, epsilon=0.5,
                                     potential=phi)  # fmt: skip
    value = np.array([0.81, 0.9, 1.0])
    assert np.asarray(optimal(mdp).value)[:3] == pytest.approx(value)
    back, on = 0.9 * value[[0, 0, 1]], np.array([0.81, 0.9, 1.0])
    moved = 0 if phi is None else phi[:3, None]
    assert table[:3] == pytest.approx(np.stack([back, on], 1) - moved, abs=1e-9)
    assert reached[-100:].mean() > 0.9


def test_what_it_does_not_take_is_told():
    with pytest.raises(ValueError, match="epsilon=2"):
        learn_by_acting(corridor(), np.random.default_rng(0), 1, horizon=1, rate=0.5, epsilon=2)


def test_uniform_numbers_pick_by_law_and_never_what_has_no_chance():
    law = np.array([[0.0, 2.0, 0.0, 6.0, 0.0]])  # not normed
    u = np.array([0.0, 0.2499, 0.25, 1 - 2.0**-53])
    assert picked(law, u).tolist() == [1, 1, 3, 3]
    assert picked(np.broadcast_to(law, (2, 3, 5)), np.full((2, 3), 0.5)).tolist() == [[3] * 3] * 2
