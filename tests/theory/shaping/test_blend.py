"""The gradient of a learned blend: closed forms, series, and processes by finite differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.policies import softmax
from toyrl.theory.shaping import bilevel, blend
from toyrl.worlds.mdp.model import MDP

K, LAM = 4, 0.7


def prompt(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (2,), parts (2, K), truth (K,)."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=2), rng.normal(size=(2, K)), rng.normal(size=K)


def ends(phi, parts, lam=LAM):
    return softmax(phi @ parts / lam)


@given(st.integers(0, 2**32 - 1))
def test_laws_of_the_gradient(seed: int):
    phi, parts, truth = prompt(seed)
    pi = ends(phi, parts)
    g = blend.blend_gradient(pi, parts, truth, LAM)
    eps = 1e-5
    numeric = [(ends(phi + e, parts) @ truth - ends(phi - e, parts) @ truth) / (2 * eps)
               for e in eps * np.eye(2)]  # fmt: skip
    assert g == pytest.approx(numeric, abs=1e-7)  # eps^2 times a third derivative of order 10
    H = blend.inner_hessian(pi, LAM)
    assert pytest.approx(H.T) == H
    assert np.linalg.eigvalsh(H).max() <= 1e-12
    assert pytest.approx(np.zeros(K), abs=1e-15) == H @ np.ones(K)
    outer, mixed = pi * (truth - pi @ truth), (pi * (parts - (parts @ pi)[:, None])).T
    assert blend.implicit_gradient(outer, H, mixed) == pytest.approx(g, abs=1e-9)
    # a helper that is the truth, turned round, shifted; the scale of weights and temperature
    twice = blend.blend_gradient(pi, np.stack([truth, truth]), truth, LAM)
    assert twice[0] == twice[1]
    assert blend.blend_gradient(pi, -parts, truth, LAM) == pytest.approx(-g)
    assert blend.blend_gradient(pi, parts + 3.0, truth, LAM) == pytest.approx(g, abs=1e-12)
    assert ends(5 * phi, parts, 5 * LAM) == pytest.approx(pi)
    order = np.array([2, 0, 3, 1])
    moved = blend.blend_gradient(pi[order], parts[:, order], truth[order], LAM)
    assert moved == pytest.approx(g, abs=1e-12)


def test_the_series_and_damping():
    phi, parts, truth = prompt(3)
    pi = ends(phi / 2, parts)
    given_ = (pi * (truth - pi @ truth), blend.inner_hessian(pi, LAM),
              (pi * (parts - (parts @ pi)[:, None])).T)  # fmt: skip
    exact = blend.implicit_gradient(*given_)
    slowest = np.abs(1 + np.linalg.eigvalsh(given_[1])[:-1]).max()
    errors = [np.abs(blend.neumann_gradient(*given_, terms=n) - exact).max() for n in (50, 250)]
    assert errors[1] <= 2 * slowest**200 * errors[0] + 1e-14
    by_product = blend.neumann_gradient(given_[0], given_[1].__matmul__, given_[2], terms=50)
    assert by_product == pytest.approx(blend.neumann_gradient(*given_, terms=50))
    sizes = [np.abs(blend.implicit_gradient(*given_, damping=mu)).sum() for mu in (0, 0.01, 0.1)]
    assert sizes == sorted(sizes, reverse=True)


def test_a_potential_is_a_baseline_by_enumeration():
    rng = np.random.default_rng(5)
    pi, reward = rng.dirichlet(np.ones(K)), rng.normal(size=K)
    phis = np.array([-1.0, 0.0, 0.4, 3.0])
    psi = np.eye(K) - pi
    moves = (reward - phis[:, None])[..., None] * psi
    mean = np.einsum("k,pkd->pd", pi, moves)
    want = np.einsum("k,pkd->p", pi, (moves - mean[:, None]) ** 2)
    assert blend.shaped_variance(pi, reward, phis) == pytest.approx(want, abs=1e-12)
    best = blend.best_potential(pi, reward)
    least = blend.shaped_variance(pi, reward, best)
    assert (least <= blend.shaped_variance(pi, reward, best + np.array([-0.1, 0.1]))).all()
    assert np.isnan(blend.best_potential(np.array([1.0, 0.0]), np.array([1.0, 2.0])))


def test_what_is_refused():
    phi, parts, truth = prompt(0)
    with pytest.raises(ValueError, match="temperature=0 is not a finite number > 0"):
        blend.blend_gradient(ends(phi, parts), parts, truth, 0)
    with pytest.raises(ValueError, match="damping=-1"):
        blend.implicit_gradient(np.ones(2), np.eye(2), np.ones((2, 1)), damping=-1)
    with pytest.raises(ValueError, match="has the inner learner diverged"):
        blend.implicit_gradient(np.array([np.nan, 0]), np.eye(2), np.ones((2, 1)))
    with pytest.raises(ValueError, match="the series diverges at step=9"):
        blend.neumann_gradient(np.ones(2), -np.eye(2), np.ones((2, 1)), terms=99, step=9)
    with pytest.raises(ValueError, match="terms=-1"):
        blend.neumann_gradient(np.ones(2), -np.eye(2), np.ones((2, 1)), terms=-1)


# -- processes -------------------------------------------------------------------------------------
def process(rng: Any, S: int = 4, A: int = 3) -> MDP:
    """Random, its last state terminal."""
    P, last = rng.dirichlet(np.ones(S), size=(S, A)), np.arange(S) == S - 1
    P[-1] = 0.0
    return MDP(P, np.where(last[:, None], 0, rng.normal(size=(S, A))), 0.9, terminal=last)


CASES = [(d, w, b) for d in (None, 3) for w in bilevel.WEIGHTINGS for b in (False, True)]


@pytest.mark.parametrize(("size", "weighting", "old"), CASES)
def test_derivatives_of_the_inner_update(size: int | None, weighting: str, old: bool):
    rng = np.random.default_rng(2)
    mdp = process(rng)
    inner = bilevel.Inner(
        mdp,
        rng.normal(size=(2, 4, 3)),
        0.3,
        None if size is None else rng.normal(size=(4, 3, size)),
        weighting,
        rng.dirichlet(np.ones(3), size=4) if old else None,
    )
    theta, phi, g, eps = (
        0.5 * rng.normal(size=inner.features.shape[-1]),
        rng.normal(size=2),
        0.8,
        1e-6,
    )

    def delta(theta, phi, g):
        return bilevel.inner_update(inner, theta, phi, g).delta

    def numeric(f, n):
        return np.stack([(f(e) - f(-e)) / (2 * eps) for e in eps * np.eye(n)], axis=1)

    found = bilevel.inner_update(inner, theta, phi, g)
    want = numeric(lambda e: delta(theta + e, phi, g), len(theta))
    assert found.by_theta == pytest.approx(want, abs=1e-7)  # rounding 1e-16 / eps, times 1/(1 - g)
    assert found.by_phi == pytest.approx(numeric(lambda e: delta(theta, phi + e, g), 2), abs=1e-7)
    by_g = numeric(lambda e: delta(theta, phi, g + float(e[0])), 1)[:, 0]
    assert found.by_discount == pytest.approx(by_g, abs=1e-7)


def test_the_outer_gradient_by_moving_the_end():
    rng = np.random.default_rng(4)
    inner = bilevel.Inner(process(rng), rng.normal(size=(2, 4, 3)), 0.6)
    phi, g = np.array([0.7, -0.4]), 0.8

    def reached(phi, g):
        end = bilevel.inner_end(inner, phi, g)
        assert end.converged
        return bilevel.outer_value(inner, end.theta)[0]

    end = bilevel.inner_end(inner, phi, g)
    value, gradient, left = bilevel.outer_gradient(inner, end.theta, phi, g)
    assert value == pytest.approx(reached(phi, g))
    assert left < 1e-10
    eps = 1e-5
    want = [(reached(phi + e, g) - reached(phi - e, g)) / (2 * eps) for e in eps * np.eye(2)]
    want.append((reached(phi, g + eps) - reached(phi, g - eps)) / (2 * eps))
    assert gradient == pytest.approx(want, abs=1e-6)  # eps^2 times a third derivative


def test_a_potential_leaves_the_inner_update_alone():
    rng = np.random.default_rng(6)
    mdp = process(rng)
    phi = np.append(rng.normal(size=3), 0.0)
    f = np.where(mdp.is_terminal[:, None], 0, mdp.discount * mdp.dense @ phi - phi[:, None])
    plain = bilevel.Inner(mdp, [mdp.pair_reward], 0.5)
    shaped = bilevel.Inner(mdp, [mdp.pair_reward + f], 0.5)
    theta = rng.normal(size=12)
    first, second = (bilevel.inner_update(x, theta, [1.0]).delta for x in (plain, shaped))
    assert second == pytest.approx(first, abs=1e-12)


def test_the_end_with_features_is_a_fixed_point_that_few_parameters_reach():
    rng = np.random.default_rng(7)
    mdp = process(rng)
    inner = bilevel.Inner(mdp, [mdp.pair_reward], 0.5, rng.normal(size=(4, 3, 2)))
    end = bilevel.inner_end(inner, [1.0])
    assert end.converged
    assert np.abs(bilevel.inner_update(inner, end.theta, [1.0]).delta).max() < 1e-9
    short = bilevel.inner_end(inner, [1.0], limit=0)
    assert not short.converged
    assert short.delta == np.inf or short.delta > 0


def test_bad_inner_problems():
    mdp = process(np.random.default_rng(0))
    inner = bilevel.Inner(mdp, np.zeros((1, 4, 3)), 0.5)
    with pytest.raises(ValueError, match=r"parts has shape \(4, 3\)"):
        replace(inner, parts=np.zeros((4, 3)))
    with pytest.raises(ValueError, match="weighting='none'"):
        replace(inner, weighting="none")
    with pytest.raises(ValueError, match="features has shape"):
        replace(inner, features=np.zeros((3, 4, 2)))
    with pytest.raises(ValueError, match="temperature=-1"):
        replace(inner, temperature=-1)
    with pytest.raises(ValueError, match="discount=2"):
        bilevel.inner_update(inner, np.zeros(12), [1.0], 2.0)
    endless = MDP(np.ones((1, 2, 1)), np.zeros(1), 0.9)
    with pytest.raises(ValueError, match="the policy never ends"):
        bilevel.inner_update(bilevel.Inner(endless, np.zeros((1, 1, 2)), 0.5), np.zeros(2), [1.0])
