"""The chain as a process: class probabilities, values, occupancies of the chain's own engines."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds.mdp.routes import by_simulating
from toyrl import parse
from toyrl.dynamics.chain import exact
from toyrl.theory.distance import distance
from toyrl.worlds.chain.classes import ClassSpace
from toyrl.worlds.chain.edges import edge_table
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import ACTIONS, Chain
from toyrl.worlds.mdp.chain import LABELS, from_chain
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.solve import advantage, occupancy, policy_return, value
from toyrl.worlds.mdp.structure import structure

CHAINS = {
    "hello": Chain(max_actions=20),
    "slips": Chain(max_actions=12, slip=0.1, actions=("STEP", "FILL", "CHECK", "ANSWER")),
    "all actions, noisy flag": Chain(
        difficulties=(1, 3, 4), shares=(0.2, 0.5, 0.3), max_actions=9, actions=ACTIONS,
        slip=0.15, repair=0.4, guess=0.1, flag_noise=0.2,
    ),
    "exact flag": Chain(max_actions=10, difficulties=(3,), shares=(1.0,), flag_noise=0.0),
    "deeper": Chain(max_actions=8, difficulties=(2,), shares=(1.0,), depth=5, progress=1.0),
}  # fmt: skip
# sums of at most 20 * 2000 products of probabilities, each rounded to 1e-16 of a total of 1
EQUAL = 1e-12


@pytest.fixture(params=CHAINS.values(), ids=CHAINS.keys())
def chain(request):
    return request.param


def logits(chain, seed=0):
    return np.random.default_rng(seed).normal(size=chain.policy_shape)


def test_class_probabilities_are_those_of_the_class_engine(chain):
    theta = logits(chain)
    laid = from_chain(chain)
    prob = laid.class_probabilities(occupancy(laid.mdp, laid.policy(theta)))
    np.testing.assert_allclose(prob, class_probabilities(chain, theta), rtol=0, atol=EQUAL)
    np.testing.assert_allclose(prob.sum(-1), 1, atol=EQUAL)


@pytest.mark.parametrize(
    ("name", "counters", "cap"),
    [
        ("hello", ("fillers",), 3),
        ("slips", ("fillers", "repeats"), 20),  # no REPEAT here; nothing saturates
        ("all actions, noisy flag", ("repeats", "steps"), 2),
    ],
)
def test_counters_are_those_of_the_class_engine(name, counters, cap):
    chain = CHAINS[name]
    theta = logits(chain, 1)
    space = ClassSpace(chain, counters, cap)
    reward = np.random.default_rng(2).normal(size=(len(chain.shares), space.n_classes))
    laid = from_chain(chain, reward, counters=counters, cap=cap)
    policy = laid.policy(theta)
    prob = space.probabilities(theta)
    found = laid.class_probabilities(occupancy(laid.mdp, policy))
    np.testing.assert_allclose(found, prob, rtol=0, atol=EQUAL)
    expected = np.asarray(chain.shares) @ (prob * reward).sum(-1)
    assert laid.mdp.start @ value(laid.mdp, policy) == pytest.approx(expected, abs=EQUAL)
    assert policy_return(laid.mdp, policy) == pytest.approx(expected, abs=EQUAL)


def test_values_advantages_and_occupancies_are_those_of_the_edge_table(chain):
    theta = logits(chain, 3)
    reward = np.random.default_rng(4).normal(size=chain.n_classes)
    laid = from_chain(chain, reward)
    policy = laid.policy(theta)
    v, a = value(laid.mdp, policy), advantage(laid.mdp, policy)
    d = occupancy(laid.mdp, policy).sum(-1)
    b, t, p, e, m, z = laid.labels.T
    for i, difficulty in enumerate(chain.difficulties):
        table = edge_table(chain, theta, difficulty, reward)
        here = np.flatnonzero(b == i)
        at = (t[here], p[here], e[here], m[here], z[here])
        law = table.occupancy[at] * chain.shares[i]
        np.testing.assert_allclose(d[here], law, rtol=0, atol=EQUAL)
        np.testing.assert_allclose(a[here], table.advantage[at], rtol=0, atol=EQUAL)
        mean = (table.value[at[:-1]] * policy[here]).sum(-1)
        np.testing.assert_allclose(v[here], mean, rtol=0, atol=EQUAL)


def test_discounted_values_are_those_of_the_edge_table():
    chain, theta = CHAINS["slips"], logits(CHAINS["slips"], 5)
    reward = np.random.default_rng(6).normal(size=chain.n_classes)
    laid = from_chain(chain, reward, discount=0.9)
    q = advantage(laid.mdp, laid.policy(theta))
    table = edge_table(chain, theta, chain.difficulties[0], reward, discount=0.9)
    here = np.flatnonzero(laid.labels[:, 0] == 0)
    _, t, p, e, m, z = laid.labels[here].T
    np.testing.assert_allclose(q[here], table.advantage[t, p, e, m, z], rtol=0, atol=EQUAL)


def test_class_probabilities_are_those_of_exact_training(chain):
    """The compiled training loop drops 1e-13 of mass per tail."""
    theta = logits(chain, 7)
    laid = from_chain(chain)
    prob = laid.class_probabilities(occupancy(laid.mdp, laid.policy(theta)))
    found = exact.class_probabilities(exact.Batch.of(chain), theta)[0]
    np.testing.assert_allclose(prob, found, rtol=0, atol=EQUAL)
    success = prob[:, : chain.H].sum(-1) @ np.asarray(chain.shares)
    assert policy_return(laid.mdp, laid.policy(theta)) == pytest.approx(success, abs=EQUAL)


def test_the_process_is_sound_acyclic_and_has_no_state_out_of_reach(chain):
    laid = from_chain(chain)
    assert laid.mdp.validate(every_state_reachable=chain.guess < 1) == ()
    assert np.array_equal(structure(laid.mdp).order, np.arange(laid.mdp.n_states))
    assert laid.labels.shape == (laid.mdp.n_states - 3, len(LABELS))


def test_simulation_of_the_process_agrees():
    chain, theta = CHAINS["all actions, noisy flag"], logits(CHAINS["all actions, noisy flag"])
    laid = from_chain(chain)
    policy = laid.policy(theta)
    draws = by_simulating(laid.mdp, policy, np.random.default_rng(8), 10_000, chain.H)
    assert abs(draws.mean() - policy_return(laid.mdp, policy)) < 4 * draws.std() / 100


def test_the_optimum_bounds_every_policy_of_the_chain(chain):
    laid = from_chain(chain)
    best = optimal(laid.mdp)
    assert best.method in ("sweep", "policy_iteration")
    top = laid.mdp.start @ best.value
    for seed in range(3):
        assert policy_return(laid.mdp, laid.policy(logits(chain, seed))) <= top + EQUAL


def test_the_best_policy_that_sees_everything():
    """Progress is sure: the best is to step d times and answer, right with certainty."""
    laid = from_chain(CHAINS["deeper"])
    best = optimal(laid.mdp)
    assert laid.mdp.start @ best.value == 1.0
    # answering at once is right by luck alone
    first = int(laid.mdp.start.argmax())
    answer = CHAINS["deeper"].actions.index("ANSWER")
    assert best.q[first, answer] == CHAINS["deeper"].guess


def test_refusals():
    with pytest.raises(
        ValueError, match=r"reward has shape \(3,\); it must be \(41,\) or \(2, 41\)"
    ):
        from_chain(CHAINS["hello"], np.zeros(3))
    with pytest.raises(ValueError, match=r"counters=\['words'\] are unknown; choose from"):
        from_chain(CHAINS["hello"], counters=("words",))


def test_catalogue_rewards_on_the_process():
    """The policy's return is what the classes pay; theory takes the array like any other."""
    chain = CHAINS["all actions, noisy flag"]
    laid = from_chain(chain)
    shaper = parse("outcome() - 0.5*linear_length()")
    found = laid.shaper_reward(shaper)
    assert found.shape == (laid.mdp.n_states, len(chain.actions))
    pi = laid.policy(logits(chain))
    prob = class_probabilities(chain, logits(chain))
    paid = chain.class_correct() - 0.5 * chain.class_length() / chain.max_length
    want = float(chain.shares @ (prob @ paid))
    assert policy_return(laid.mdp.with_(reward=found), pi) == pytest.approx(want, abs=EQUAL)
    assert distance(laid.mdp, laid.shaper_reward(parse("outcome()")), None) < 1e-6
    assert 0 < distance(laid.mdp, found, None) < 1
    with pytest.raises(ValueError, match="looks at its group"):
        laid.shaper_reward(parse("kimi()"))
    with pytest.raises(ValueError, match="carry counters"):
        from_chain(chain, counters=("fillers",)).shaper_reward(shaper)
