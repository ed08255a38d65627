"""The stand-still trap: SymPy, signs, and the side of the boundary by the flow."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from toyrl.dynamics import flow
from toyrl.dynamics.bandit import decisions
from toyrl.theory.composite import trap
from toyrl.theory.composite.batch import go_variance, update_covariance


def test_gradients_and_the_conserved_quantity_by_sympy():
    p, q, G, C, w, c = sp.symbols("p q G C w c", positive=True)
    J = w * (1 - p) + p * (q * G - (1 - q) * C) - c * q
    field = [sp.diff(J, p) * p * (1 - p), sp.diff(J, q) * q * (1 - q)]
    e = G + C

    def phi(x, k):
        logit = sp.log(x / (1 - x))
        return e * (logit + 1 / (1 - x)) - k * (2 * logit - 1 / x + 1 / (1 - x))

    level = phi(p, c) - phi(q, C + w)
    moves = [field[0] * p * (1 - p), field[1] * q * (1 - q)]
    assert sp.simplify(sp.diff(level, p) * moves[0] + sp.diff(level, q) * moves[1]) == 0
    at = {p: 0.3, q: 0.24, G: 2, C: 0.5, w: 0.4, c: 0.2}
    own = [0.3, 0.24, 2, 0.5, 0.4, 0.2]
    assert [float(x.subs(at)) for x in field] == pytest.approx(trap.sum_gradient(*own).tolist())
    assert float(level.subs(at)) == pytest.approx(float(trap.trap_invariant(*own)), rel=1e-12)


def test_the_boundary_and_its_sides():
    assert trap.basin_boundary(0.3) == pytest.approx(0.26594, abs=5e-6)
    assert trap.basin_boundary(0.05) == pytest.approx(0.65)
    p = np.array([0.01, 0.03, 0.05, 0.2, 0.6, 0.95])
    edge = np.array([trap.basin_boundary(float(x)) for x in p])
    assert (np.diff(edge) < 0).all()
    for side in (-1, 1):
        q = edge + side * 0.004
        assert (trap.reaches_the_end(p, q) == (side > 0)).all()
        z = np.stack([np.log(p / (1 - p)), np.log(q / (1 - q))], axis=-1)
        end = flow.path(lambda x: decisions.drift(trap.sum_rewards(), x), z, step=1.0, steps=900)
        assert ((decisions.chances(end[-1]) > 0.6).all(-1) == (side > 0)).all()


def test_without_a_saddle_there_is_no_boundary():
    for broken in ({"c": 0.0}, {"w": 1.0}, {"c": 2.0}):
        with pytest.raises(ValueError, match="a saddle needs 0 < c < G"):
            trap.basin_boundary(0.3, **broken)
    with pytest.raises(ValueError, match=r"p0=1 must be in \(0, 1\)"):
        trap.basin_boundary(1)
    with pytest.raises(ValueError, match="form='sum' is unknown; choose from product"):
        trap.standing_pay("sum")
    with pytest.raises(ValueError, match="w=-1 must be 0 or more"):
        trap.idling_steps(w=-1)


def test_the_covariance_of_a_batch():
    """One decision's closed form, every batch of five, and its fall with the size."""
    R = trap.product_rewards(2.0)
    for B in (2, 5):
        full = update_covariance(R, 0.3, 1.0, B)
        assert full[0, 0] == pytest.approx(float(go_variance(0.3, B, 2.0)), rel=1e-13)
    z = np.log([0.3 / 0.7, 0.6 / 0.4])
    want = decisions.update_law(R, z, 5)[1]
    np.testing.assert_allclose(update_covariance(R, 0.3, 0.6, 5), want, rtol=1e-11)
    big = [n * update_covariance(R, 0.3, 0.6, n)[0, 0] for n in (1e6, 1e7)]
    assert big[0] == pytest.approx(big[1], rel=1e-5)
    with pytest.raises(ValueError, match="batch=1 must be 2 or more"):
        go_variance(0.3, 1)
