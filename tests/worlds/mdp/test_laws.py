"""Every broken law has a sentence of its own that names the place; sound processes have none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from scipy.sparse import csr_array

from toyrl.testing import mdps
from toyrl.worlds.mdp.laws import broken_laws
from toyrl.worlds.mdp.model import (
    MDP,
    policy_matrix,
)
from toyrl.worlds.mdp.random import corridor, random_mdp
from toyrl.worlds.mdp.rewards import expected_reward, expected_rewards, paid_by_pairs


def sound(**changes):
    """Fields of a sound process: 3 states, 2 actions, the last state terminal."""
    P = np.zeros((3, 2, 3))
    P[0, 0] = [0.5, 0.5, 0]
    P[0, 1] = [0, 0.25, 0.75]
    P[1] = [[0, 0, 1], [0.1, 0, 0.9]]
    P[2, :, 2] = 1
    fields = {
        "transitions": P,
        "reward": np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]]),
        "discount": 0.9,
        "start": np.array([1.0, 0, 0]),
        "terminal": np.array([False, False, True]),
    }
    return {**fields, **changes}


def spoil(name, place, value):
    """The sound fields with one number changed."""
    fields = sound()
    array = fields[name].copy()
    array[place] = value
    return {**fields, name: array}


def sparse(fields):
    """The same fields with sparse transitions."""
    P = fields["transitions"]
    return {**fields, "transitions": csr_array(P.reshape(-1, P.shape[-1]))}


BROKEN = {
    "row sum": (
        spoil("transitions", (1, 1, 2), 0.4),
        r"transitions\[1, 1\] sums to 0\.5, not to 1",
    ),
    "negative": (
        spoil("transitions", (0, 1, 0), -0.25),
        r"transitions\[0, 1, 0\] = -0\.25: a prob",
    ),
    "NaN": (
        spoil("transitions", (0, 0, 1), np.nan),
        r"transitions\[0, 0, 1\] = nan: a probability",
    ),
    "leak": (
        spoil("transitions", (2, 0), [0.25, 0, 0.75]),
        r"terminal state 2 leaks: its action 0 leaves with probability 0\.25",
    ),
    "half a loop": (spoil("transitions", (2, 1, 2), 0.5), "terminal state 2 leaks: its action 1"),
    "terminal pays": (spoil("reward", (2, 1), 3.0), "reward is paid in terminal state 2"),
    "reward": (spoil("reward", (1, 0), np.inf), r"reward\[1, 0\] is not finite"),
    "discount": (sound(discount=1.5), r"discount=1\.5 must lie in \[0, 1\]"),
    "discount NaN": (sound(discount=np.nan), "discount=nan must lie"),
    "start sum": (sound(start=np.array([0.5, 0.2, 0.1])), r"start sums to 0\.8, not to 1"),
    "start sign": (sound(start=np.array([1.5, -0.5, 0])), r"start\[1\] = -0\.5: a probability"),
    "no action": (
        sound(available=np.array([[True, True], [False, False], [True, True]])),
        "available leaves no action in state 1",
    ),
    "endless": (
        {**spoil("transitions", (0, 0), [1.0, 0, 0]), "discount": 1.0},
        "a policy can stay within state 0 for ever",
    ),
    "never ends": (sound(discount=1.0, terminal=None), "discount=1 needs terminal states"),
    "start shape": (sound(start=np.ones(2) / 2), r"start has shape \(2,\); it must be \(3,\)"),
    "terminal shape": (sound(terminal=np.zeros(2)), r"terminal has shape \(2,\)"),
    "mask shape": (sound(available=np.ones((2, 3))), r"available has shape \(2, 3\)"),
    "reward shape": (sound(reward=np.zeros((2, 3))), r"reward has shape \(2, 3\); for 3 states"),
}


@pytest.mark.parametrize(("fields", "said"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("form", [dict, sparse], ids=["dense", "sparse"])
def test_every_broken_law_has_its_sentence(fields, said, form):
    with pytest.raises(ValueError, match=said) as caught:
        MDP(**form(fields))
    broken = str(caught.value).splitlines()[1:]
    spoils_its_sum = said.startswith("transitions") and "a prob" in said
    assert len(broken) == 1 + spoils_its_sum, broken  # nothing else is blamed


def test_the_sound_fields_break_none():
    assert MDP(**sound()).validate() == ()
    assert MDP(**sparse(sound())).validate() == ()
    assert MDP(**sound(discount=1.0)).validate(every_state_reachable=True) == ()


@pytest.mark.parametrize(
    ("transitions", "said"),
    [
        (np.ones((3, 2)), r"shape \(3, 2\); it must be \(S, A, S\)"),
        (np.ones((3, 2, 4)), r"shape \(3, 2, 4\); it must be"),
        (np.zeros((0, 2, 0)), "S, A >= 1"),
        (csr_array(np.ones((5, 3))), r"sparse transitions has shape \(5, 3\)"),
        ([csr_array(np.eye(2)), csr_array(np.eye(3))], "matrices by action have shapes"),
    ],
)
def test_transitions_of_another_shape(transitions, said):
    with pytest.raises(ValueError, match=said):
        MDP(transitions, np.zeros(3), 0.9)


def test_all_broken_laws_are_told_at_once_with_counts():
    P = np.full((4, 2, 4), 0.2)
    with pytest.raises(ValueError, match="3 laws broken") as caught:
        MDP(P, np.zeros(4), -1.0, start=np.zeros(4))
    said = str(caught.value)
    assert (
        "transitions[0, 0] sums to 0.8, [0, 1] sums to 0.8, [1, 0] sums to 0.8 and 5 more" in said
    )
    assert "discount=-1" in said
    assert "start sums to 0" in said


def test_unreachable_and_absorbing_states_are_told_not_refused():
    P = np.zeros((3, 1, 3))
    P[0, 0, 0] = P[1, 0, 0] = P[2, 0, 0] = 1
    mdp = MDP(P, np.zeros(3), 0.9, start=np.array([1.0, 0, 0]))
    lost, stays = mdp.validate()
    assert "no policy reaches states 1, 2 from the start" in lost
    assert "state 0 can't be left and is not declared terminal" in stays
    with pytest.raises(ValueError, match="no policy reaches states 1, 2"):
        mdp.validate(every_state_reachable=True)


def test_improper_policies_have_to_be_said():
    fields = {**spoil("transitions", (0, 0), [1.0, 0, 0]), "discount": 1.0}
    assert MDP(**fields, improper=True).validate() == ()
    fields["transitions"] = fields["transitions"].copy()
    fields["transitions"][0, 1] = [1.0, 0, 0]
    with pytest.raises(ValueError, match="no policy reaches a terminal state from state 0"):
        MDP(**fields, improper=True)


def test_some_policy_must_end_with_certainty():
    """State 0's only action may fall into a trap: a terminal state is reachable but not surely."""
    P = np.zeros((3, 1, 3))
    P[0, 0] = [0, 0.5, 0.5]
    P[1, 0, 1] = P[2, 0, 2] = 1
    terminal = np.array([False, False, True])
    with pytest.raises(ValueError, match="from states 0, 1"):
        MDP(P, np.zeros(3), 1.0, terminal=terminal, improper=True)
    with pytest.raises(ValueError, match="from states 0, 1"):
        MDP(csr_array(P[:, 0]), np.zeros(3), 1.0, terminal=terminal, improper=True)


def test_proper_is_judged_alike_on_large_and_small_processes():
    assert corridor(200, discount=0.9, episodic=True).n_states == 200
    assert corridor(200, discount=1.0, episodic=True).discount == 1  # slips end every policy
    with pytest.raises(ValueError, match="a policy can stay within states 0, 1, 2 and 196 more"):
        corridor(200, discount=1.0, slip=0.0, episodic=True)
    small = MDP(
        corridor(40, slip=0.1, episodic=True).dense, np.zeros(40), 1.0, terminal=np.arange(40) > 38
    )
    assert small.validate() == ()


def test_unavailable_rows_are_emptied_and_never_read():
    rng = np.random.default_rng(0)
    base = random_mdp(rng, 4, 3)
    available = rng.random((4, 3)) < 0.6
    available[:, 0] = True
    dense = base.with_(available=available)
    assert not dense.transitions[~available].any()
    thin = MDP(base.pairs, base.reward, 0.9, available=available)
    assert np.array_equal(thin.dense, dense.dense)
    assert not dense.pair_reward[~available].any()
    assert base.transitions.all()  # the given array is left alone


def test_a_given_sparse_array_is_left_alone():
    """Half of a probability twice, in no order, and an explicit zero."""
    data, columns = np.array([0.5, 0.5, 0.0, 1.0]), np.array([1, 1, 0, 0])
    given = csr_array((data, columns, np.array([0, 3, 4])), shape=(2, 2))
    mdp = MDP(given, np.zeros(2), 0.9)
    assert mdp.dense.tolist() == [[[0, 1]], [[1, 0]]]
    assert mdp.pairs.nnz == 2
    assert (given.data.tolist(), given.indices.tolist()) == ([0.5, 0.5, 0, 1], [1, 1, 0, 0])


@given(mdps(masked=True))
def test_drawn_processes_are_sound(mdp):
    assert broken_laws(mdp) == []


@given(mdps(masked=True, sparse=True))
def test_drawn_sparse_processes_are_sound(mdp):
    assert broken_laws(mdp) == []
    assert mdp.pairs.has_canonical_format


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (np.ones((2, 2)) / 2, r"policy has shape \(2, 2\)"),
        (np.array([0, 2, 0]), r"policy\[1\] = 2 is no action; actions are 0\.\.1"),
        (
            np.array([[0.5, 0.4], [1, 0], [1, 0]]),
            r"policy\[0\] = \[0\.5 0\.4\] must be non-negative",
        ),
        (np.array([[1.5, -0.5], [1, 0], [1, 0]]), "must be non-negative"),
        (np.array([[0, 1], [0, 1], [1, 0]]), r"policy\[1, 1\] = 1, but action 1 can't be taken"),
    ],
)
def test_policies_that_are_none(policy, said):
    mdp = MDP(**sound(available=np.array([[True, True], [True, False], [True, True]])))
    with pytest.raises(ValueError, match=said):
        policy_matrix(mdp, policy)


def test_rewards_in_the_place_of_the_own_one():
    mdp = MDP(**sound())
    with pytest.raises(
        ValueError, match=r"shape \(2,\); one reward is \(3,\), \(3, 2\), \(3, 2, 3\)"
    ):
        expected_reward(mdp, np.zeros(2))
    with pytest.raises(ValueError, match="state 1, action 0 is not finite"):
        expected_reward(mdp, np.array([[0, 0], [np.nan, 0], [0, 0]]))
    with pytest.raises(ValueError, match=r"shape \(2, 3\); one reward"):
        expected_reward(mdp, csr_array(np.zeros((2, 3))))
    with pytest.raises(ValueError, match="not both"):
        paid_by_pairs(mdp, np.zeros(3), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(4, 3\); a batch is \(\.\.\., 3, 2\)"):
        paid_by_pairs(mdp, rewards=np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"by transition they are \(\.\.\., 3, 2, 3\)"):
        expected_rewards(mdp, np.zeros((4, 3, 2)))
    batch = np.arange(24.0).reshape(4, 3, 2)
    assert np.array_equal(paid_by_pairs(mdp, rewards=batch)[:, :2], batch[:, :2])
    assert not paid_by_pairs(mdp, rewards=batch)[:, 2].any()  # the last state is terminal


@pytest.mark.parametrize("form", [dict, sparse], ids=["dense", "sparse"])
def test_batches_by_transition_are_each_alone(form):
    mdp = MDP(**form(sound()))
    batch = np.random.default_rng(0).normal(size=(2, 4, 3, 2, 3))
    found = expected_rewards(mdp, batch)
    for i, j in np.ndindex(2, 4):
        np.testing.assert_allclose(found[i, j], expected_reward(mdp, batch[i, j]), atol=1e-15)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reward": np.zeros((4, 2))}, ["reward has shape"]),
        ({"reward": np.zeros((4, 2)), "discount": 1.5}, ["reward has shape", "discount=1.5 must"]),
        (
            {"transitions": np.ones((3, 2)), "discount": np.nan, "start": [0.5, -0.5, 0.5]},
            ["transitions has shape", "discount=nan must", "start[1] = -0.5", "start sums to 0.5"],
        ),
        ({"reward": np.zeros((4, 2)), "start": np.ones((3, 1))}, ["reward has", "start has shape"]),
    ],
)
def test_sizes_that_do_not_fit_hide_neither_the_discount_nor_the_start(changes, said):
    sound = {"transitions": np.ones((3, 2, 3)) / 3, "reward": np.zeros(3), "discount": 0.9}
    with pytest.raises(ValueError, match="shape") as caught:
        MDP(**{**sound, **changes})
    places = [str(caught.value).find(text) for text in said]
    assert -1 not in places, str(caught.value)
    assert places == sorted(places)  # sizes first
    assert "sums to" not in str(caught.value) or "start" in changes
