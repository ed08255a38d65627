"""Values and occupancies: linear solve, sweep, Krylov, the defining sums and simulation agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from tests.worlds.mdp.routes import by_simulating, by_summing
from toyrl.testing import mdps, policies, rewards
from toyrl.worlds.mdp.linear import policy_system
from toyrl.worlds.mdp.model import MDP, policy_matrix
from toyrl.worlds.mdp.random import corridor, garnet, random_mdp
from toyrl.worlds.mdp.solve import (
    advantage,
    evaluate,
    occupancy,
    policy_return,
    q_values,
    value,
    visits,
)
from toyrl.worlds.mdp.structure import structure

EPS = np.finfo(float).eps


@st.composite
def cases(draw, **options):
    """A process and a policy of it."""
    mdp = draw(mdps(**options))
    return mdp, draw(policies(mdp))


def bound(mdp):
    """Rounding of a solve: condition (1 + discount) / (1 - discount), or the steps at discount 1.

    Drawn processes that surely end do so with probability 1/(1 + 3 S) or more at each step.
    """
    horizon = 1 / (1 - mdp.discount) if mdp.discount < 1 else 1 + 3 * mdp.n_states
    return 50 * mdp.n_states * EPS * horizon * (1 + 2 * horizon)  # rewards are at most 2


def close(a, b, mdp):
    np.testing.assert_allclose(a, b, rtol=0, atol=bound(mdp))


def layered(rng, layers=6, width=5, A=3, discount=0.95, self_loops=False):
    """A sparse process in layers: state i leads to the next layer (and, if asked, to itself)."""
    S = layers * width + 1
    P = np.zeros((S, A, S))
    for s in range(S - 1):
        first = (s // width + 1) * width
        after = np.arange(first, min(first + width, S)) if first < S - 1 else np.array([S - 1])
        P[s][:, after] = rng.dirichlet(np.ones(len(after)), size=A)
        if self_loops:
            P[s] *= 0.7
            P[s, :, s] = 0.3
    r = rng.normal(size=(S, A))
    r[-1] = 0
    terminal = np.arange(S) == S - 1
    order = rng.permutation(S)  # so that the order has to be found
    P, r, terminal = P[order][:, :, order], r[order], terminal[order]
    return MDP(csr_array(P.reshape(S * A, S)), r, discount, terminal=terminal)


# -- three routes ---------------------------------------------------------------------------------
@given(cases())
def test_value_and_occupancy_by_their_definition(case):
    mdp, policy = case
    # what is left after n steps: discount^n, or the chance of not having ended, (1 - 1/(1+3S))^n
    ratio = mdp.discount if mdp.discount < 1 else 1 - 1 / (1 + 3 * mdp.n_states)
    steps = 1 + (int(np.log(1e-17) / np.log(ratio)) if ratio else 0)
    v, d = by_summing(mdp, policy, steps)
    close(value(mdp, policy), v, mdp)
    close(occupancy(mdp, policy), d, mdp)


@pytest.mark.parametrize("self_loops", [False, True])
@pytest.mark.parametrize("discount", [0.9, 1.0])
def test_sweep_equals_solvers_and_the_defining_sum(self_loops, discount):
    rng = np.random.default_rng(1)
    mdp = layered(rng, layers=8, discount=discount, self_loops=self_loops)
    assert structure(mdp).order is not None
    policy = rng.dirichlet(np.ones(3), size=mdp.n_states)
    v, d = by_summing(mdp, policy, 200)
    for method in ("auto", "sweep", "dense", "lu"):
        found = evaluate(mdp, policy, method=method)
        assert found.method == {"auto": "sweep"}.get(method, method)
        # sums of 9 layers; values of a few units
        np.testing.assert_allclose(found.value, v, atol=1e-13)
        np.testing.assert_allclose(occupancy(mdp, policy, method=method), d, atol=1e-13)
    found = evaluate(mdp, policy, method="krylov", tolerance=1e-12)
    np.testing.assert_allclose(found.value, v, atol=1e-10)


def test_simulation_agrees_and_its_error_shrinks():
    rng = np.random.default_rng(2)
    mdp = random_mdp(rng, 5, 3, discount=0.8)
    policy = rng.dirichlet(np.ones(3), size=5)
    exact = float(policy_return(mdp, policy))
    errors = []
    for n in (4_000, 64_000):
        draws = by_simulating(mdp, policy, np.random.default_rng(3), n, 120)  # 0.8^120 = 2e-12
        errors.append(draws.std(ddof=1) / np.sqrt(n))
        assert abs(draws.mean() - exact) < 4 * errors[-1]
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.1)


def test_simulation_of_an_episodic_process():
    mdp = layered(np.random.default_rng(4), layers=3, width=3, discount=1.0)
    draws = by_simulating(mdp, None, np.random.default_rng(5), 20_000, 10)
    assert abs(draws.mean() - policy_return(mdp)) < 4 * draws.std(ddof=1) / np.sqrt(20_000)


# -- identities -----------------------------------------------------------------------------------
@given(cases(masked=True))
def test_bellman_identities(case):
    mdp, policy = case
    pi = policy_matrix(mdp, policy)
    v, q, a = value(mdp, policy), q_values(mdp, policy), advantage(mdp, policy)
    after = np.einsum("sat,t->sa", mdp.dense, v)
    close(q, np.where(mdp.usable, mdp.pair_reward + mdp.discount * after, 0), mdp)
    close((pi * q).sum(-1), v, mdp)
    close((pi * a).sum(-1), 0, mdp)
    assert not v[mdp.is_terminal].any()
    assert not q[~mdp.usable].any()


@given(cases(masked=True))
def test_returns_are_occupancies_times_rewards(case):
    mdp, policy = case
    d = occupancy(mdp, policy)
    close(policy_return(mdp, policy), mdp.start @ value(mdp, policy), mdp)
    close(policy_return(mdp, policy), (d * mdp.pair_reward).sum(), mdp)
    close(visits(mdp, policy), d.sum(-1), mdp)
    # what flows into a state is what is taken there: d_s = mu_s + discount sum d(s', a) P
    into = mdp.start + mdp.discount * np.einsum("sa,sat->t", d, mdp.dense)
    close(np.where(mdp.is_terminal, 0, into), visits(mdp, policy), mdp)


@given(cases(ends=("never",)))
def test_without_ends_the_mass_is_the_horizon(case):
    mdp, policy = case
    assert visits(mdp, policy).sum() == pytest.approx(1 / (1 - mdp.discount), rel=1e-12)
    assert visits(mdp, policy, normalised=True).sum() == pytest.approx(1, rel=1e-12)
    assert occupancy(mdp, policy, normalised=True).sum() == pytest.approx(1, rel=1e-12)


@given(cases(ends=("may",)) | cases(ends=("may",), sparse=True))
def test_continued_processes_have_the_same_values_and_the_full_mass(case):
    mdp, policy = case
    more = mdp.continued()
    policy = np.where(mdp.is_terminal[:, None], np.eye(mdp.n_actions)[0], policy)
    close(value(more, policy), value(mdp, policy), mdp)
    assert visits(more, policy).sum() == pytest.approx(1 / (1 - mdp.discount), rel=1e-12)
    live = ~mdp.is_terminal
    close(visits(more, policy)[live], visits(mdp, policy)[live], mdp)


@given(cases(masked=True), st.data())
def test_potential_shaping_shifts_values_and_leaves_advantages(case, data):
    """Ng, Harada, Russell 1999, Theorem 1: V' = V - Phi where Phi is 0 at the end."""
    mdp, policy = case
    phi = np.where(mdp.is_terminal, 0.0, data.draw(rewards((mdp.n_states,))))
    shift = mdp.discount * phi[None, None, :] - phi[:, None, None]
    own = np.broadcast_to(
        np.reshape(mdp.reward, np.shape(mdp.reward) + (1,) * (3 - np.ndim(mdp.reward))),
        mdp.dense.shape,
    )
    shaped = own + shift
    close(value(mdp, policy, shaped), value(mdp, policy) - phi * ~mdp.is_terminal, mdp)
    close(advantage(mdp, policy, shaped), advantage(mdp, policy), mdp)


def test_control_a_bonus_that_is_no_potential_changes_advantages():
    mdp = random_mdp(np.random.default_rng(0), 4, 2)
    bonus = mdp.reward + 0.3 * (np.arange(4) == 2)  # for arriving in state 2
    assert abs(advantage(mdp, None, bonus) - advantage(mdp)).max() > 0.01


# -- forms ----------------------------------------------------------------------------------------
@given(cases(masked=True))
def test_sparse_equals_dense(case):
    mdp, policy = case
    S, A = mdp.n_states, mdp.n_actions
    options = {"start": mdp.start, "available": mdp.available, "terminal": mdp.terminal}
    flat = csr_array(mdp.dense.reshape(S * A, S))
    reward = mdp.reward
    thin = MDP(flat, reward, mdp.discount, **options)
    by_action = MDP(
        [csr_array(mdp.dense[:, a]) for a in range(A)],
        csr_array(reward.reshape(S * A, S)) if reward.ndim == 3 else reward,
        mdp.discount,
        **options,
    )
    for other in (thin, by_action):
        assert np.array_equal(other.dense, mdp.dense)
        close(other.pair_reward, mdp.pair_reward, mdp)
        for method in ("auto", "lu", "krylov"):
            # Krylov's residual is 1e-10 of at most 2 sqrt(S) = 4, times a horizon of at most 13
            slack = 1e-8 if method == "krylov" else bound(mdp)
            found = value(other, policy, method=method)
            np.testing.assert_allclose(found, value(mdp, policy), rtol=0, atol=slack)
        close(occupancy(other, policy), occupancy(mdp, policy), mdp)


@given(cases(), st.data())
def test_a_batch_of_rewards_is_each_alone(case, data):
    mdp, policy = case
    S, A = mdp.n_states, mdp.n_actions
    batch = data.draw(rewards((2, 3, S, A)))
    v, j = value(mdp, policy, rewards=batch), policy_return(mdp, policy, rewards=batch)
    assert v.shape == (2, 3, S)
    assert j.shape == (2, 3)
    a = advantage(mdp, policy, rewards=batch)
    for i, k in np.ndindex(2, 3):
        close(v[i, k], value(mdp, policy, batch[i, k]), mdp)
        close(j[i, k], policy_return(mdp, policy, batch[i, k]), mdp)
        close(a[i, k], advantage(mdp, policy, batch[i, k]), mdp)


def test_a_batch_factorises_once(monkeypatch):
    import scipy.linalg

    calls = []
    real = scipy.linalg.lu_factor
    monkeypatch.setattr(scipy.linalg, "lu_factor", lambda *a, **k: calls.append(1) or real(*a, **k))
    mdp = random_mdp(np.random.default_rng(0), 6, 2)
    value(mdp, rewards=np.random.default_rng(1).normal(size=(50, 6, 2)))
    assert len(calls) == 1


# -- which solver ---------------------------------------------------------------------------------
def shuffled(mdp, seed=0):
    """The same process with its states renamed at random."""
    order = np.random.default_rng(seed).permutation(mdp.n_states)
    P = mdp.dense[order][:, :, order]
    flat = csr_array(P.reshape(-1, mdp.n_states))
    return MDP(flat, mdp.pair_reward[order], mdp.discount, mdp.start[order])


@pytest.mark.parametrize(
    ("mdp", "method"),
    [
        (random_mdp(np.random.default_rng(0), 40, 2), "dense"),
        (garnet(np.random.default_rng(0), 400, 3), "krylov"),
        (garnet(np.random.default_rng(0), 400, 3, 2), "krylov"),
        (corridor(400), "lu"),
        (shuffled(corridor(400)), "lu"),
        (layered(np.random.default_rng(0), layers=20), "sweep"),
    ],
    ids=["dense", "garnet", "thin garnet", "corridor", "shuffled corridor", "layers"],
)
def test_the_solver_follows_the_structure(mdp, method):
    found = evaluate(mdp)
    assert found.method == method
    # the residual that is told is the true one, and the value solves the dense system
    pi = policy_matrix(mdp)
    P = np.einsum("sa,sat->st", pi, mdp.dense)
    r = (pi * mdp.pair_reward).sum(-1)
    assert abs(r + mdp.discount * P @ found.value - found.value).max() == pytest.approx(
        found.residual, abs=1e-13 * (1 + abs(found.value).max())
    )
    exact = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * P, r)
    # Krylov's tolerance 1e-10, relative in the 2-norm, over 1 - discount = 0.01
    error = 1e-10 * np.linalg.norm(r) * 100 if method == "krylov" else 1e-10
    np.testing.assert_allclose(found.value, exact, atol=error)
    taken = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * P.T, mdp.start)
    taken = np.where(mdp.is_terminal, 0, taken)
    np.testing.assert_allclose(visits(mdp), taken, atol=1e-8 if method == "krylov" else 1e-10)


def test_a_tree_with_returns_to_the_root_is_factorised():
    """A binary tree whose leaves go back along their only edge: a forest with cycles of two."""
    S = 511
    child = np.arange(1, S)
    parent = (child - 1) // 2
    P = np.zeros((S, S))
    P[parent, child] = 1.0
    P[child, parent] = 1.0
    P /= P.sum(-1, keepdims=True)
    mdp = MDP(csr_array(P), np.arange(S) / S, 0.95)
    assert evaluate(mdp).method == "lu"
    np.testing.assert_allclose(value(mdp), value(mdp, method="dense"), rtol=1e-12)


def test_krylov_falls_back_where_bicgstab_fails(monkeypatch):
    """A cyclic permutation near discount 1: BiCGSTAB is stopped at once, the answer still right."""
    import scipy.sparse.linalg as linalg

    S = 60
    mdp = MDP(csr_array(np.roll(np.eye(S), 1, axis=1)), np.arange(S) % 7, 0.999)
    exact = value(mdp, method="dense")
    monkeypatch.setattr(linalg, "bicgstab", lambda _, b, **__: (np.full_like(b, np.nan), 1))
    found = evaluate(mdp, method="krylov")
    assert found.method.startswith("krylov (")
    np.testing.assert_allclose(found.value, exact, rtol=1e-7)
    monkeypatch.setattr(linalg, "gmres", lambda _, b, **__: (np.zeros_like(b), 1))
    found = evaluate(mdp, method="krylov")
    assert found.method == "krylov (lu)"
    np.testing.assert_allclose(found.value, exact, rtol=1e-10)


def test_an_explicit_order_that_is_not_that_of_the_numbers():
    rng = np.random.default_rng(7)
    mdp = layered(rng)
    order = structure(mdp).order
    assert order is not None
    place = np.argsort(order)
    rows, columns = mdp.pairs.nonzero()
    states = rows // mdp.n_actions
    onward = ~mdp.is_terminal[states] & (states != columns)
    assert (place[states] < place[columns])[onward].all()


# -- refusals -------------------------------------------------------------------------------------
def test_refusals():
    mdp = random_mdp(np.random.default_rng(0), 4, 2)
    with pytest.raises(ValueError, match="method='newton' is unknown; choose from auto, sweep"):
        value(mdp, method="newton")
    with pytest.raises(ValueError, match="without cycles"):
        value(mdp, method="sweep")
    with pytest.raises(ValueError, match="tolerance=2 must lie"):
        policy_system(mdp, tolerance=2)
    done = MDP(np.ones((1, 1, 1)), [0.0], 0.9, start=[1.0], terminal=[True])
    with pytest.raises(ValueError, match="every start is terminal"):
        visits(done, normalised=True)
    assert value(done).tolist() == [0.0]


def test_at_discount_one_a_policy_must_end():
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    mdp = MDP(P, [1.0, 0.0], 1.0, [1, 0], terminal=[False, True], improper=True)
    assert value(mdp, [1, 0])[0] == 1
    assert value(mdp)[0] == pytest.approx(2)  # leaves with probability 1/2 a step
    with pytest.raises(ValueError, match="never ends from state 0"):
        value(mdp, [0, 0])


def test_continued_needs_a_discount():
    mdp = corridor(5, episodic=True, discount=1.0)
    with pytest.raises(ValueError, match="discount=1 needs terminal states"):
        mdp.continued()


def test_pytree_leaves_are_the_fields():
    jax = pytest.importorskip("jax")
    from toyrl.pytree import activate

    activate()
    mdp = random_mdp(np.random.default_rng(0), 3, 2)
    leaves, tree = jax.tree_util.tree_flatten(mdp)
    again = jax.tree_util.tree_unflatten(tree, leaves)
    assert np.array_equal(value(again), value(mdp))
