"""Canonical forms against their definitions, samples, and the laws that they obey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from tests.theory.distance import slow
from toyrl.testing import mdps
from toyrl.theory.distance import CANONICAL, Canonicaliser, canonicalise, closest_potential
from toyrl.worlds.mdp.forms import NORMS
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.projection import fit_potential
from toyrl.worlds.mdp.random import random_mdp
from toyrl.worlds.mdp.rewards import expected_reward

# condition of I - discount P at 0.8 is below 2/0.2, of its normal matrix the square
CLOSE = 1e-11


def tensors(mdp, R):
    return {how: canonicalise(mdp, R, how).tensor() for how in CANONICAL}


@pytest.mark.parametrize("seed", [0, 1])
def test_each_form_is_its_definition(seed):
    mdp, R, _, _ = slow.random_case(seed)
    P, g = mdp.dense, mdp.discount
    found = tensors(mdp, R)
    assert found["none"] == pytest.approx(R)
    assert found["epic"] == pytest.approx(slow.epic(P, R, g), abs=CLOSE)
    assert found["dard"] == pytest.approx(slow.dard(P, R, g), abs=CLOSE)
    want = np.repeat(slow.val(P, R, g)[..., None], P.shape[0], axis=-1)
    assert found["val"] == pytest.approx(want, abs=CLOSE)
    want = slow.least(P, R, g, redistribute=True)
    assert found["minimal"] == pytest.approx(want, abs=CLOSE)
    want = slow.least(P, R, g, redistribute=False)
    assert found["minimal_potential"] == pytest.approx(want, abs=CLOSE)
    weighted = slow.least(P, R, g, redistribute=True, weight=P)
    # where P is 0 the weighted norm leaves the entry open; elsewhere the minimum is unique
    assert (P > 0).all()
    assert found["minimal_weighted"] == pytest.approx(weighted, abs=1e-9)
    v = canonicalise(mdp, R, "val").potential
    assert found["val_potential"] == pytest.approx(R + g * v - v[:, None, None], abs=CLOSE)


def test_values_and_terms_against_samples():
    mdp, R, _, rng = slow.random_case(3, S=3, A=2, discount=0.5)
    S, A, n, steps = 3, 2, 20_000, 30  # what is left after 30 steps is below 1e-8
    total, weight = np.zeros(n), 1.0
    state, action = np.full(n, 1), np.full(n, 0)
    cumulative = mdp.dense.cumsum(-1)
    for _ in range(steps):
        after = (rng.random(n)[:, None] > cumulative[state, action]).sum(-1).clip(max=S - 1)
        total += weight * R[state, action, after]
        weight *= mdp.discount
        state, action = after, rng.integers(A, size=n)
    v = canonicalise(mdp, R, "val").potential
    advantage = canonicalise(mdp, R, "val").form.values[1, 0]
    assert abs(total.mean() - v[1] - advantage) < 4 * total.std() / n**0.5
    # DARD at (s, a, s') = (1, 0, 2) by drawing A, S' and S''
    a = rng.integers(A, size=n)
    x = (rng.random(n)[:, None] > cumulative[1, a]).sum(-1).clip(max=S - 1)
    y = (rng.random(n)[:, None] > cumulative[2, a]).sum(-1).clip(max=S - 1)
    g = mdp.discount
    drawn = R[1, 0, 2] + g * R[2, a, y] - R[1, a, x] - g * R[x, a, y]
    want = canonicalise(mdp, R, "dard").tensor()[1, 0, 2]
    assert abs(drawn.mean() - want) < 4 * drawn.std() / n**0.5
    # EPIC there, next states drawn from the uniform law
    states = rng.integers(S, size=(3, n))
    x, y, z = states
    drawn = R[1, 0, 2] + g * R[2, a, z] - R[1, a, z] - g * R[x, a, y]
    want = canonicalise(mdp, R, "epic").tensor()[1, 0, 2]
    assert abs(drawn.mean() - want) < 4 * drawn.std() / n**0.5


@given(mdps(masked=True), st.sampled_from(CANONICAL))
def test_linear_and_idempotent(mdp, how):
    rng = np.random.default_rng(0)
    S, A = mdp.n_states, mdp.n_actions
    R, Q = rng.normal(size=(2, S, A, S))
    a, b, both = Canonicaliser(mdp, how)([R, Q, 2 * R - 3 * Q])
    assert both.tensor() == pytest.approx(2 * a.tensor() - 3 * b.tensor(), abs=1e-9)
    if how != "dard":  # its third term is no potential difference
        again = canonicalise(mdp, a.tensor(), how).tensor()
        if mdp.usable.all():
            assert again == pytest.approx(a.tensor(), abs=1e-9)


@given(mdps(rewards=("sas",), masked=True))
def test_by_pair_forms_see_neither_shaping_nor_redistribution(mdp):
    rng = np.random.default_rng(1)
    S, A = mdp.n_states, mdp.n_actions
    phi = np.where(mdp.is_terminal, 0.0, rng.normal(size=S))
    N = rng.normal(size=(S, A, S))
    N -= np.where(mdp.usable, (N * mdp.dense).sum(-1), 0.0)[..., None]
    R = mdp.reward
    shaped = R + mdp.discount * phi - phi[:, None, None] + N
    for how in ("val", "minimal", "minimal_weighted"):
        one, two = Canonicaliser(mdp, how)([R, shaped])
        assert two.tensor() == pytest.approx(one.tensor(), abs=1e-9)


@given(mdps(masked=True))
def test_what_is_added_is_shaping_and_the_projection_is_orthogonal(mdp):
    reach = mdp.reachable if mdp.discount else mdp.start > 0
    usable = mdp.usable & reach[:, None]
    r = np.where(usable, expected_reward(mdp), 0.0)
    for how in ("val", "minimal", "minimal_weighted"):
        c = canonicalise(mdp, None, how)
        v = c.potential
        moved = np.where(usable, r + mdp.discount * mdp.dense @ v - v[:, None], 0.0)
        assert c.pairs() == pytest.approx(moved, abs=1e-9)
        assert v[mdp.is_terminal] == pytest.approx(0)
    least = canonicalise(mdp, None, "minimal_weighted").pairs()
    back = mdp.discount * np.einsum("sat,sa->t", mdp.dense, least) - least.sum(-1)
    assert back[~mdp.is_terminal] == pytest.approx(0, abs=1e-9)
    # no other form of the class is smaller
    assert np.sum(least**2) <= np.sum(canonicalise(mdp, None, "val").pairs() ** 2) + 1e-9


def test_the_advantage_has_mean_zero_under_its_policy():
    mdp, R, _, rng = slow.random_case(5)
    policy = rng.dirichlet(np.ones(3), size=4)
    c = canonicalise(mdp, R, "val", policy=policy).form.values
    assert (policy * c).sum(-1) == pytest.approx(0, abs=1e-12)
    flat = canonicalise(mdp, R, "val", policy=np.array([0, 2, 1, 1])).form.values
    assert flat[np.arange(4), [0, 2, 1, 1]] == pytest.approx(0, abs=1e-12)


def test_epic_is_val_potential_in_a_process_that_forgets():
    """Identity of paper 27: the next state drawn from D_S whatever the pair, the policy D_A."""
    mdp, R, _, rng = slow.random_case(6)
    states, actions = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(3))
    fake = MDP(np.broadcast_to(states, (4, 3, 4)), R, mdp.discount)
    want = canonicalise(fake, R, "val_potential", policy=actions).tensor()
    found = canonicalise(mdp, R, "epic", policy=actions, states=states).tensor()
    assert found == pytest.approx(want, abs=CLOSE)
    weights = states[:, None, None] * actions[:, None] * states
    assert (weights * found).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("how", CANONICAL)
@pytest.mark.parametrize("norm", NORMS)
def test_sparse_and_dense_agree(how, norm):
    rng = np.random.default_rng(7)
    S, A = 6, 2
    P = rng.dirichlet(np.ones(S), size=(S, A)) * (rng.random((S, A, S)) < 0.5)
    P[:, 0, 0] += 1e-3
    P[:, 1, 1] += 1e-3
    P /= P.sum(-1, keepdims=True)
    ends = np.arange(S) == S - 1
    for terminal in (None, ends):
        if terminal is not None:
            P[ends] = 0.0
        mdp = MDP(P, np.zeros(S), 0.9, terminal=terminal)
        thin = MDP(csr_array(P.reshape(S * A, S)), csr_array(
            (S * A, S)), 0.9, terminal=terminal)  # fmt: skip
        mixed = rng.normal(size=(S, A, S)) * (rng.random((S, A, S)) < 0.6)
        mixed[S - 1] = 0.0
        by_pair = rng.normal(size=(S, A))
        for R, T in ((mixed, csr_array(mixed.reshape(S * A, S))), (by_pair, by_pair)):
            one, two = canonicalise(mdp, R, how), canonicalise(thin, T, how)
            assert two.tensor() == pytest.approx(one.tensor(), abs=1e-10)
            assert float(two.norm(norm)) == pytest.approx(float(one.norm(norm)), rel=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_norms_by_their_definition(norm):
    mdp, R, _, _ = slow.random_case(8)
    P = mdp.dense
    name, _, weighted = norm.partition("_")
    w = P if weighted else np.ones_like(P)
    for how in CANONICAL:
        c = canonicalise(mdp, R, how)
        x = abs(c.tensor())
        want = {"l1": (w * x).sum(), "l2": (w * x * x).sum() ** 0.5, "linf": x.max()}[name]
        assert float(c.norm(norm)) == pytest.approx(want, rel=1e-12)


def test_all_but_dard_add_shaping_and_redistribution_alone():
    mdp, R, _, _ = slow.random_case(12)
    both = slow.shaping_basis(mdp.dense, mdp.discount, redistribute=True).T
    shaping = slow.shaping_basis(mdp.dense, mdp.discount, redistribute=False).T
    for how, found in tensors(mdp, R).items():
        added = (found - R).ravel()
        allowed = both if how in ("val", "minimal", "minimal_weighted") else shaping
        left = added - allowed @ np.linalg.lstsq(allowed, added, rcond=None)[0]
        if how == "dard":
            assert abs(left).max() > 1e-3
        else:
            assert left == pytest.approx(0, abs=CLOSE)
        # the least norm is the least of all forms of the class
        if how in ("val", "minimal_weighted"):
            assert (tensors(mdp, R)["minimal"] ** 2).sum() <= (found**2).sum()


def test_closest_potential_is_least_squares_on_every_transition():
    mdp, R, Q, _ = slow.random_case(9)
    B = slow.shaping_basis(mdp.dense, mdp.discount, redistribute=False).T
    want = np.linalg.lstsq(B, (Q - R).ravel(), rcond=None)[0]
    assert closest_potential(mdp, R, Q) == pytest.approx(want, abs=CLOSE)
    r = R[..., 0]
    want = np.linalg.lstsq(B, -np.repeat(r[..., None], 4, -1).ravel(), rcond=None)[0]
    assert closest_potential(mdp, r) == pytest.approx(want, abs=CLOSE)


def test_fit_potential_finds_a_potential_by_every_method():
    rng = np.random.default_rng(10)
    mdp = random_mdp(rng, 5, 3, discount=0.9, reward="sa")
    thin = MDP(csr_array(mdp.dense.reshape(15, 5)), mdp.reward, 0.9)
    phi = rng.normal(size=(2, 5))
    shaping = 0.9 * np.einsum("sat,bt->bsa", mdp.dense, phi) - phi[..., None]
    for process, method in ((mdp, "dense"), (thin, "dense"), (thin, "lu"), (thin, "krylov")):
        fit = fit_potential(process, shaping, method=method)
        assert fit.potential == pytest.approx(-phi, abs=1e-8)
        assert fit.left == pytest.approx(0, abs=1e-8)
        assert method in fit.status
        assert fit.residual < 1e-9
    with pytest.raises(ValueError, match="method='qr' is unknown"):
        fit_potential(mdp, shaping, method="qr")
    with pytest.raises(ValueError, match="weight must be"):
        fit_potential(mdp, shaping, weight=-np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"\(\.\.\., 5, 3\)"):
        fit_potential(mdp, np.zeros((3, 5)))


BAD = [
    ({"how": "vall"}, "how='vall' is unknown"),
    ({"reward": np.zeros((3, 4))}, "reward has shape"),
    ({"reward": np.full((4, 3), np.nan)}, "is not finite"),
    ({"reward": csr_array(np.full((12, 4), np.inf))}, "sparse reward is not finite"),
    ({"how": "val", "policy": np.zeros((4, 3))}, "gives no action"),
    ({"how": "val", "policy": np.ones(4) / 4}, "policy has shape"),
    ({"how": "val", "policy": -np.ones((4, 3))}, "policy has shape"),
    ({"how": "epic", "states": np.ones(4)}, "sum to 1"),
    ({"how": "dard", "policy": np.eye(3)[[0, 1, 2, 0]]}, "one law of actions"),
]


@pytest.mark.parametrize(("given", "said"), BAD)
def test_bad_input_is_refused(given, said):
    mdp, R, _, _ = slow.random_case(11)
    with pytest.raises(ValueError, match=said):
        canonicalise(mdp, **{"reward": R, "how": "epic", **given})
