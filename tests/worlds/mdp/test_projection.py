"""Least squares on the incidence matrix, and norms of rewards kept in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from toyrl.testing import mdps, policies
from toyrl.worlds.mdp.forms import Coverage, SparseForm
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.projection import fit_potential, projection
from toyrl.worlds.mdp.random import corridor, garnet
from toyrl.worlds.mdp.rewards import split
from toyrl.worlds.mdp.solve import evaluate
from toyrl.worlds.mdp.structure import structure


def incidence(mdp):
    """(S*A, S) M by its definition, 0 at pairs that can't be taken and in terminal columns."""
    M = mdp.discount * mdp.dense - np.eye(mdp.n_states)[:, None, :]
    M = M * mdp.usable[..., None] * ~mdp.is_terminal
    return M.reshape(-1, mdp.n_states)


def shaping(mdp, phi):
    """(..., S, A) M Phi."""
    return projection(mdp).shaped(phi) * mdp.usable


@given(mdps(masked=True), st.integers(0, 99))
def test_it_is_least_squares(mdp, seed):
    rng = np.random.default_rng(seed)
    weight = rng.random(mdp.usable.shape) + 0.1
    r = rng.normal(size=mdp.usable.shape) * mdp.usable
    root = np.sqrt(weight * mdp.usable).ravel()
    M = incidence(mdp)
    phi = np.linalg.lstsq(root[:, None] * M, -root * r.ravel(), rcond=None)[0]
    want = (r.ravel() + M @ phi).reshape(r.shape)
    fit = fit_potential(mdp, r, weight=weight)
    assert fit.left == pytest.approx(want, abs=1e-9)
    assert fit.residual < 1e-9


@pytest.mark.parametrize("process", [garnet(np.random.default_rng(0), 300, 3), corridor(300)])
def test_methods_agree_and_batches_are_their_members(process):
    rng = np.random.default_rng(1)
    S, A = process.n_states, process.n_actions
    r = rng.normal(size=(2, S, A))
    found = {m: fit_potential(process, r, method=m) for m in ("dense", "lu", "krylov")}
    for fit in found.values():
        assert fit.left == pytest.approx(found["dense"].left, abs=1e-7)
        assert fit.left[1] == pytest.approx(fit_potential(process, r[1]).left, abs=1e-7)
    steps = found["krylov"].iterations
    assert steps > 5
    assert f"{steps} steps" in found["krylov"].status


def test_structure_chooses_the_method_and_helps():
    rng = np.random.default_rng(2)
    narrow, random = corridor(2000), garnet(rng, 2000, 3)
    r = narrow.pair_reward
    assert fit_potential(narrow, r).method == "lu"
    assert fit_potential(random, random.pair_reward).method == "krylov"
    plain = fit_potential(narrow, r, method="krylov")
    assert plain.iterations > 5 * fit_potential(random, random.pair_reward).iterations


def test_what_does_not_converge_is_said(monkeypatch):
    narrow = corridor(500, discount=0.9999)
    monkeypatch.setattr("toyrl.worlds.mdp.projection.STEPS", 20)
    with pytest.raises(RuntimeError, match=r"not found in 20 steps: gradient .* method='lu'"):
        fit_potential(narrow, narrow.pair_reward, method="krylov")


def test_pure_shaping_is_found_at_discount_one():
    rng = np.random.default_rng(3)
    S, A = 40, 3
    to = np.minimum(np.arange(S)[:, None] + rng.integers(1, 5, size=(S, A)), S - 1)
    rows = np.where(np.arange(S)[:, None] == S - 1, S - 1, to).ravel()
    P = csr_array((np.ones(S * A), rows, np.arange(S * A + 1)), shape=(S * A, S))
    mdp = MDP(P, csr_array((S * A, S)), 1.0, terminal=np.arange(S) == S - 1)
    assert structure(mdp).order is not None
    phi = np.where(mdp.is_terminal, 0.0, rng.normal(size=S))
    for method in ("dense", "lu", "krylov", "auto"):
        fit = fit_potential(mdp, shaping(mdp, phi), method=method)
        assert fit.potential == pytest.approx(-phi, abs=1e-8)


@given(mdps(masked=True), st.data())
def test_values_along_an_ordered_graph(mdp, data):
    if structure(mdp).order is None:
        return
    for policy in (None, data.draw(policies(mdp))):
        swept = evaluate(mdp, policy, method="sweep")
        assert swept.value == pytest.approx(evaluate(mdp, policy, method="dense").value, abs=1e-9)
        assert swept.residual < 1e-12
        assert swept.value.shape == (mdp.n_states,)


def test_a_reward_is_read_in_its_form():
    mdp = garnet(np.random.default_rng(4), 5, 2)
    S, A = 5, 2
    by_state, by_pair = np.arange(5.0), np.ones((S, A))
    tensor, pairs = split(mdp, by_state)
    assert tensor is None
    assert (pairs == by_state[:, None]).all()
    assert split(mdp, by_pair)[1] is by_pair
    dense = np.random.default_rng(5).normal(size=(S, A, S))
    tensor, pairs = split(mdp, dense)
    assert pairs is None
    assert (tensor.toarray().reshape(S, A, S) == dense).all()
    square = MDP(np.full((2, 1, 2), 0.5), np.zeros(2), 0.9)
    sparse = csr_array(np.array([[1.0, 0.0], [0.0, 2.0]]))
    assert split(square, sparse)[0].shape == (2, 1, 2)  # (S*A, S), not (S, A)
    with pytest.raises(ValueError, match=r"reward has shape \(2, 5\)"):
        split(mdp, np.zeros((2, 5)))


def test_blocks_of_a_sparse_form_give_the_same(monkeypatch):
    rng = np.random.default_rng(6)
    mdp = garnet(rng, 30, 2)
    x, y = rng.random((30, 2)), rng.random(30)
    entries = csr_array(rng.normal(size=(60, 30)) * (rng.random((60, 30)) < 0.2))
    K = csr_array(rng.normal(size=(30, 30)) * (rng.random((30, 30)) < 0.2))
    form = SparseForm(
        Coverage(mdp, x, y),
        entries,
        rng.normal(size=(30, 2)),
        rng.normal(size=30),
        lambda low, high: K[low:high],
    )
    whole = form.tensor()
    square = np.einsum("sa,t,sat->", x, y, whole**2)
    want = {k: form.norm(k) for k in ("l1", "l2", "linf", "l1_weighted", "l2_weighted")}
    assert want["l2"] == pytest.approx(square**0.5, rel=1e-12)
    assert want["linf"] == pytest.approx(abs(whole).max(), rel=1e-12)
    weighted = np.einsum("sa,sat,sat->", x, mdp.dense, whole**2)
    assert want["l2_weighted"] == pytest.approx(weighted**0.5, rel=1e-12)
    monkeypatch.setattr("toyrl.worlds.mdp.forms.BLOCK", 500)
    for kind, value in want.items():
        assert form.norm(kind) == pytest.approx(value, rel=1e-12)
