"""What can't be compared is refused with its reason; what is allowed but odd has a convention."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from toyrl.theory.distance import (
    PRESETS,
    canonicalise,
    distance,
    distance_matrix,
    worst_case_regret,
)
from toyrl.worlds.mdp.model import MDP

S, A = 4, 3
RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.ones(S), size=(S, A))
R, Q = RNG.normal(size=(2, S, A, S))
HALF = P.copy()
HALF[1, 2] *= 0.5
NEGATIVE = P.copy()
NEGATIVE[0, 1] = [-0.5, 0.5, 0.5, 0.5]
NAN = P.copy()
NAN[2, 0, 3] = np.nan
ENDS = np.arange(S) == S - 1

PROCESSES = [
    ((HALF, R, 0.9), {}, r"transitions\[1, 2\] sums to 0.5, not to 1"),
    ((NEGATIVE, R, 0.9), {}, r"transitions\[0, 1, 0\] = -0.5"),
    ((NAN, R, 0.9), {}, r"transitions\[2, 0, 3\] = nan"),
    ((P[:, :, :3], R, 0.9), {}, r"transitions has shape \(4, 3, 3\)"),
    ((P.transpose(1, 0, 2), R, 0.9), {}, r"transitions has shape \(3, 4, 4\)"),
    ((P, R.transpose(1, 0, 2), 0.9), {}, r"reward has shape \(3, 4, 4\)"),
    ((P, R, 1.2), {}, r"discount=1.2 must lie in \[0, 1\]"),
    ((P, R, -0.1), {}, r"discount=-0.1 must lie in \[0, 1\]"),
    ((P, R, 1.0), {}, "discount=1 needs terminal states"),
    ((P, R, 0.9), {"start": np.full(S, 0.5)}, "start sums to 2, not to 1"),
]


@pytest.mark.parametrize(("fields", "more", "said"), PROCESSES)
def test_no_process_no_distance(fields, more, said):
    with pytest.raises(ValueError, match=said):
        distance(MDP(*fields, **more), None, R)


REWARDS = [
    (np.zeros((A, S)), r"reward has shape \(3, 4\); one reward is \(4,\), \(4, 3\)"),
    (np.zeros((S, S, A)), r"reward has shape \(4, 4, 3\)"),
    (np.zeros((S * A, S)), r"reward has shape \(12, 4\)"),
    (np.array(1.0), r"reward has shape \(\)"),
    (np.full(S, np.nan), r"reward\[0\] is not finite"),
    (np.where(np.arange(S * A).reshape(S, A) == 7, np.inf, 0), r"reward\[2, 1\] is not finite"),
    (csr_array(np.zeros((A * S, A))), r"reward has shape \(12, 3\)"),
]


@pytest.mark.parametrize(("reward", "said"), REWARDS)
def test_no_reward_no_distance(reward, said):
    mdp = MDP(P, R, 0.9)
    for metric in PRESETS:
        with pytest.raises(ValueError, match=said):
            distance(mdp, reward, R, metric)
    with pytest.raises(ValueError, match=said):
        distance_matrix(mdp, [R, reward])
    with pytest.raises(ValueError, match=said):
        worst_case_regret(mdp, R, reward)


def test_constant_rewards_order_nothing():
    """0/0 by convention: 0 between two of them, 1 to any other."""
    mdp = MDP(P, R, 0.9)
    constants = [np.zeros(S), np.full((S, A), -3.0), np.full((S, A, S), 1e9)]
    for metric in ("starc", "val", "minimal", "npec", "epic", "dard", "val_potential"):
        D = distance_matrix(mdp, [*constants, R], metric=metric)
        assert D[:3, :3] == pytest.approx(0, abs=0)
        assert D[:3, 3] == pytest.approx(1, abs=1e-12)
    # of a reward that pays for time a process with an end is no constant: longer is better
    ending = MDP(np.where(ENDS[:, None, None], 0.0, P), np.zeros(S), 0.9, terminal=ENDS)
    assert distance(ending, np.where(ENDS, 0.0, 1.0), np.zeros(S)) == pytest.approx(1)


def test_a_graph_in_two_pieces():
    """Each piece has potentials of its own; the scale is one for both."""
    pieces = np.zeros((S, A, S))
    pieces[:2, :, :2] = RNG.dirichlet(np.ones(2), size=(2, A))
    pieces[2:, :, 2:] = RNG.dirichlet(np.ones(2), size=(2, A))
    mdp = MDP(pieces, R, 0.9)
    lifted = R + np.array([5.0, 5.0, -7.0, -7.0])[:, None, None]
    scaled = R * np.array([1.0, 1.0, 3.0, 3.0])[:, None, None]
    for metric in ("starc", "val", "minimal"):
        assert distance(mdp, R, lifted, metric) < 1e-12
        assert distance(mdp, R, scaled, metric) > 0.1
    assert worst_case_regret(mdp, R, lifted).regret == pytest.approx(0, abs=1e-7)
    assert worst_case_regret(mdp, R, scaled).regret > 0.01
    # started in one piece alone, the other is never seen
    start = np.array([0.5, 0.5, 0, 0])
    assert distance(mdp.with_(start=start), R, scaled) < 1e-12


def test_rows_that_cannot_be_taken_are_not_read():
    barred = np.ones((S, A), dtype=bool)
    barred[2, 1] = False
    mdp = MDP(P, R, 0.9, available=barred)
    other = R.copy()
    other[2, 1] = 1e6
    for metric in PRESETS:
        assert distance(mdp, R, other, metric) == pytest.approx(0, abs=1e-12)


def test_swapped_axes_do_not_pass_where_states_and_actions_are_as_many():
    """S = A: an (S, A) reward and its transpose are different rewards."""
    square = RNG.dirichlet(np.ones(3), size=(3, 3))
    mdp = MDP(square, np.zeros(3), 0.9)
    r = RNG.normal(size=(3, 3))
    assert distance(mdp, r, r.T) > 0.1
    c = canonicalise(mdp, r, "val").form.values
    assert c.mean(1) == pytest.approx(0, abs=1e-12)
    assert abs(c.mean(0)).max() > 1e-3
