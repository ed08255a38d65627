"""Distances at three points and more, the numbers of paper 27, batches, JAX."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from tests.theory.distance import slow
from tests.theory.distance.slow import bandit, equivalent, paid
from toyrl.testing import mdps
from toyrl.theory.distance import (
    PRESETS,
    Metric,
    canonicalise,
    distance,
    distance_matrix,
    order,
    standardise,
)
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import random_mdp

SOUND = ("starc", "val", "minimal")
ROUND = 1e-12


# -- three points ---------------------------------------------------------------------------------
@pytest.mark.parametrize("metric", PRESETS)
def test_itself_an_equivalent_and_a_far_one(metric):
    mdp, R, _, rng = slow.random_case(0)
    assert distance(mdp, R, R, metric) == 0
    assert distance(mdp, R, -R, metric) == pytest.approx(2, abs=ROUND)
    assert distance(mdp, R, 0 * R, metric) == pytest.approx(1, abs=ROUND)
    phi = rng.normal(size=4)
    shaped = 3 * (R + mdp.discount * phi - phi[:, None, None])
    if metric not in ("none", "dard"):
        assert distance(mdp, R, shaped, metric) < ROUND
    other = equivalent(mdp, 4 * R, rng)
    if metric in SOUND:
        assert distance(mdp, R, other, metric) < ROUND
    else:
        assert distance(mdp, R, other, metric) > 0.1


def test_redistribution_of_noise_blinds_four_forms():
    """Rewards of opposite order, r = 1 and -1 times one reward, beside noise that cancels in P."""
    mdp, R, N, _ = slow.random_case(1)
    N -= (N * mdp.dense).sum(-1, keepdims=True)
    r = np.repeat((R * mdp.dense).sum(-1)[..., None], 4, -1)
    for K in (1.0, 1e3):
        for metric in SOUND:
            assert distance(mdp, K * N + r, K * N - r, metric) == pytest.approx(2, abs=1e-9)
    for metric in ("epic", "dard", "val_potential", "npec"):
        near, nearer = (distance(mdp, K * N + r, K * N - r, metric) for K in (1e3, 1e4))
        assert 0 < near < 0.01
        assert nearer == pytest.approx(near / 10, rel=1e-2)


def test_transitions_that_cannot_happen():
    """A chain of six tokens, potential shaping that leaves the absorbing row at 0, as code does."""
    S, g = 7, 0.95
    P = np.zeros((S, 2, S))
    P[range(6), 1, range(1, 7)] = 1
    P[:6, 0, 6] = P[6, :, 6] = 1
    R = np.zeros((S, 2, S))
    R[3, 0, 6] = 1
    phi = np.append(np.arange(6) / 6, 0.0)
    F = np.broadcast_to(g * phi - phi[:, None, None], R.shape).copy()
    F[6] = 0
    for terminal in (None, np.arange(S) == 6):
        mdp = MDP(P, R, g, start=np.eye(S)[0], terminal=terminal)
        for metric in SOUND:
            assert distance(mdp, R, R + F, metric) < ROUND
        assert distance(mdp, R, R + F, "epic") == pytest.approx(1.0322, abs=1e-4)
        assert distance(mdp, R, R + F, "dard") == pytest.approx(0.5290, abs=1e-4)


def test_bandit_is_a_correlation():
    c, length = np.array([[1.0, 1, 0, 0]]), np.array([[2.0, 6, 3, 5]])
    mdp = bandit(1, 4)
    for lam, quoted in ((0.1, 0.3051), (0.2, 0.5565)):
        rho = np.corrcoef(c[0], (c - lam * length)[0])[0, 1]
        for metric in ("starc", "val"):
            found = distance(mdp, paid(c), paid(c - lam * length), metric)
            assert found == pytest.approx(np.sqrt(2 * (1 - rho)), abs=ROUND)
            assert found == pytest.approx(quoted, abs=1e-4)


def test_group_normalisation_of_each_prompt_is_no_equivalence():
    a = np.array([[1.0, 0, 0, 0], [1, 1, 0, 0]])
    each = a / a.std(-1, keepdims=True)
    assert distance(bandit(2, 4), paid(a), paid(each), "val") == pytest.approx(0.0717, abs=1e-4)
    # a single prompt's standardised form is the GRPO advantage
    one = standardise(bandit(1, 4), paid(a[:1]), Metric("val", "l2_weighted"))[0, :, -1]
    advantage = (a[0] - a[0].mean()) / a[0].std()
    assert one == pytest.approx(advantage / 2, abs=ROUND)  # sqrt 4: a sum where std has a mean


def test_outcome_classes_are_a_bandit_under_the_base():
    rng = np.random.default_rng(3)
    prob, shares = rng.dirichlet(np.ones(5), size=3), np.array([0.5, 0.2, 0.3])
    reward, truth = rng.normal(size=(2, 3, 5))
    found = distance(
        bandit(3, 5),
        paid(reward),
        paid(truth),
        "val",
        policy=np.concatenate([prob, np.full((1, 5), 0.2)]),
        states=np.append(shares, 0.0),
    )
    assert found == pytest.approx(order.distance(prob, reward, truth, shares), abs=ROUND)


# -- laws -----------------------------------------------------------------------------------------
@given(mdps(masked=True), st.sampled_from(list(PRESETS)), st.integers(0, 99))
def test_a_pseudometric_on_one_scale(mdp, metric, seed):
    rng = np.random.default_rng(seed)
    S, A = mdp.n_states, mdp.n_actions
    rewards = [rng.normal(size=(S, A, S)), rng.normal(size=(S, A)), rng.normal(size=S)]
    D = distance_matrix(mdp, [*rewards, None], metric=metric)
    assert pytest.approx(D.T) == D
    assert (D >= 0).all()
    assert (D <= 2 + 1e-9).all()
    for i, j, k in itertools.product(range(4), repeat=3):
        assert D[i, j] <= D[i, k] + D[k, j] + 1e-9
    for i, j in itertools.combinations(range(4), 2):
        assert distance(mdp, [*rewards, None][i], [*rewards, None][j], metric) == pytest.approx(
            D[i, j], abs=1e-9
        )


@given(mdps(rewards=("sas",)), st.integers(0, 99))
def test_equivalent_rewards_are_at_zero(mdp, seed):
    rng = np.random.default_rng(seed)
    other = equivalent(mdp, mdp.reward, rng)
    for metric in SOUND:
        assert distance(mdp, None, other, metric) < 1e-9


def test_names_of_states_do_not_matter():
    mdp, R, Q, rng = slow.random_case(4)
    p = rng.permutation(4)
    swapped = MDP(mdp.dense[p][:, :, p], R[p][:, :, p], mdp.discount)
    for metric in PRESETS:
        want = distance(mdp, R, Q, metric)
        assert distance(swapped, None, Q[p][:, :, p], metric) == pytest.approx(want, abs=ROUND)


def test_rounding_is_not_taken_for_a_reward():
    mdp, R, N, rng = slow.random_case(5)
    phi = 1e6 * rng.normal(size=4)
    trivial = mdp.discount * phi - phi[:, None, None] + np.zeros_like(R)
    for metric in ("starc", "val", "minimal", "npec", "val_potential"):
        assert distance(mdp, trivial, R, metric) == pytest.approx(1, abs=ROUND)
        assert distance(mdp, trivial, -trivial, metric) == 0
        assert distance(mdp, np.ones(4), np.zeros(4), metric) == 0
    N -= (N * mdp.dense).sum(-1, keepdims=True)
    for metric in SOUND:
        assert distance(mdp, 1e9 * N, R, metric) == pytest.approx(1, abs=ROUND)


def test_unreachable_states_do_not_count_for_what_is_sound():
    mdp, R, _, rng = slow.random_case(6)
    P = mdp.dense.copy()
    P[:3, :, 3] = 0
    P /= P.sum(-1, keepdims=True)
    cut = MDP(P, R, 0.8, start=np.eye(4)[0])
    other = R.copy()
    other[3] = rng.normal(size=(3, 4))
    for metric in SOUND:
        assert distance(cut, R, other, metric) < ROUND
        assert distance(cut.with_(start=None), R, other, metric) > 0.01
    assert distance(cut, R, other, "epic") > 0.01


# -- batches and forms ----------------------------------------------------------------------------
@pytest.mark.parametrize("metric", [*PRESETS, Metric("epic", "l1"), Metric("val", "none", "linf")])
def test_a_matrix_is_its_entries(metric):
    mdp, R, Q, rng = slow.random_case(7)
    rewards = [R, Q, equivalent(mdp, R, rng), R[..., 0], np.arange(4.0), 0 * R]
    D = distance_matrix(mdp, rewards, metric=metric)
    part = distance_matrix(mdp, rewards[:2], rewards[2:], metric=metric)
    assert part == pytest.approx(D[:2, 2:], abs=ROUND)
    for i, j in np.ndindex(D.shape):
        assert D[i, j] == pytest.approx(distance(mdp, rewards[i], rewards[j], metric), abs=1e-9)
    thin = MDP(csr_array(mdp.dense.reshape(12, 4)), np.zeros(4), mdp.discount)
    again = distance_matrix(thin, [*rewards[:-1], csr_array((12, 4))], metric=metric)
    assert again == pytest.approx(D, abs=1e-9)


def test_near_pairs_keep_their_digits():
    mdp, R, Q, _ = slow.random_case(8)
    for metric in ("starc", "epic"):
        D = distance_matrix(mdp, [R, R + 1e-10 * Q], metric=metric)
        unit = distance_matrix(mdp, [R, R + 1e-4 * Q], metric=metric)[0, 1] / 1e-4
        assert D[0, 1] == pytest.approx(1e-10 * unit, rel=1e-3)


@pytest.mark.parametrize("metric", PRESETS)
def test_jax_gives_the_same_and_the_slope(metric):
    jax = pytest.importorskip("jax")
    rng = np.random.default_rng(9)
    S, A = 4, 3
    ends = np.concatenate([random_mdp(rng, S, A).dense[:3], np.zeros((1, A, S))])
    R, Q = rng.normal(size=(2, S, A, S))
    for mdp, one, two in (
        (random_mdp(rng, S, A, discount=0.9), R, Q),
        (MDP(ends, np.zeros(S), 0.9, terminal=np.arange(S) == 3), R[..., 0], Q[:, 0, 0]),
    ):
        want = distance(mdp, one, two, metric)
        with jax.enable_x64(True):
            a, b = jax.numpy.asarray(one), jax.numpy.asarray(two)
            both = jax.jit(jax.value_and_grad(lambda x, y, mdp=mdp: distance(mdp, x, y, metric)))
            found, slope = both(a, b)
            same, flat = both(a, jax.numpy.asarray(one))
        assert float(found) == pytest.approx(want, abs=1e-10)
        assert float(same) == 0
        assert not np.isnan(flat).any()
        way, h = rng.normal(size=one.shape), 1e-6
        up, down = (distance(mdp, one + e * way, two, metric) for e in (h, -h))
        # a central difference errs by h^2 and by rounding / h
        assert (np.asarray(slope) * way).sum() == pytest.approx((up - down) / (2 * h), abs=1e-7)


def test_jax_needs_dense_transitions():
    jax = pytest.importorskip("jax")
    thin = MDP(csr_array(np.eye(3)[[0, 0, 1, 1, 2, 2]]), np.zeros(3), 0.9)
    with pytest.raises(ValueError, match="needs dense transitions"):
        distance(thin, jax.numpy.zeros((3, 2)))


def test_bad_names_are_refused():
    mdp, R, _, _ = slow.random_case(10)
    with pytest.raises(ValueError, match="metric='stark' is unknown; choose from starc"):
        distance(mdp, R, R, "stark")
    for fields in ({"canonical": "x"}, {"norm": "l3"}, {"difference": "none"}):
        with pytest.raises(ValueError, match="is unknown; choose from"):
            Metric(**fields)
    with pytest.raises(ValueError, match="norm='l3' is unknown"):
        canonicalise(mdp, R).norm("l3")
