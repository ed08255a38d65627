"""Where the published claims of paper 01 hold, and where the weight stops mattering (paper 03)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import brentq

from toyrl.theory.group.signs import shared_collapse_weight, shared_drift
from toyrl.theory.length import conciseness, score_moments
from toyrl.theory.length.conciseness import ScoreLaw

p, k, m1, v1, m0, v0 = sp.symbols("p kappa m1 v1 m0 v0", positive=True)


def laws(n: int, seed: int = 0) -> ScoreLaw:
    """Random moments of scores in [0.1, 1]: a variance is at most (m - 0.1)(1 - m)."""
    rng = np.random.default_rng(seed)
    a, b = rng.uniform(0.1, 1, (2, n))
    most = [(m - 0.1) * (1 - m) for m in (a, b)]
    u = rng.random((3, n))
    return ScoreLaw(rng.uniform(0.02, 0.98, n), a, u[0] * most[0], b, u[1] * most[1], 20 * u[2])


def test_the_accuracy_of_t1_solves_its_bracket():
    """Symbolically the root; on random laws the comparison of the two variances themselves."""
    root = sp.solve(sp.Eq(k * v0, p * m0 * (2 + 2 * k * m1 - k * m0)), p)[0]
    at = {k: 1.2, m1: 0.4, m0: 0.7, v0: 0.05}
    law = ScoreLaw(0.5, 0.4, 0.1, 0.7, 0.05, 1.2)
    want = float(root.subs(at))
    assert score_moments.crf_variance_accuracy(law) == pytest.approx(want, rel=1e-12)
    many = laws(20_000)
    edge = score_moments.crf_variance_accuracy(many)
    additive, crf = conciseness.variances(many)
    clear = np.abs(additive - crf) > 1e-12 * additive
    assert ((crf < additive) == (many.p < edge))[clear].all()


def test_without_spread_of_wrong_answers_t1_holds_nowhere_up_to_a_weight():
    at_edge = ScoreLaw(0.5, 0.2, 0.0, 1.0, 0.0, np.array([2 / 0.6 - 1e-9, 2 / 0.6 + 1e-9]))
    assert score_moments.crf_variance_accuracy(at_edge).tolist() == [0, 1]
    additive, crf = conciseness.variances(at_edge)
    assert (crf < additive).tolist() == [False, True]


def test_t3_fails_only_where_the_additive_reward_points_backwards():
    many = laws(200_000, 1)
    additive, crf = conciseness.outcome_correlations(many)
    fails = score_moments.crf_follows_less(many)
    clear = np.abs(additive - crf) > 1e-12
    assert (fails == (crf < additive))[clear].all()
    assert fails.any()
    assert (many.gap_add[fails] < 0).all()
    assert (many.kappa * (many.m0 - 2 * many.m1) > 2)[fails].all()


def test_noise_floors_by_the_moments_of_one_logit():
    """L is the largest curvature of gap sigmoid(theta); the second moment by two-point scores."""
    theta = np.linspace(-6, 6, 24001)
    s = 1 / (1 + np.exp(-theta))
    curvature = np.abs(s * (1 - s) * (1 - 2 * s)).max()
    o = np.array([1.0, 1, 0, 0])
    c, w = np.array([0.2, 0.8, 0.3, 0.9]), np.array([0.1, 0.3, 0.2, 0.4])
    law = score_moments.score_law(o, c, w, 0.7)
    floors = score_moments.gradient_noise_floors(law)
    for reward, gap, floor in zip((o + 0.7 * c, o * (1 + 0.7 * c)), (law.gap_add, law.gap_crf),
                                  floors, strict=True):  # fmt: skip
        assert floor == pytest.approx(curvature * gap * (w @ reward**2), rel=1e-6)


def test_the_floor_is_smaller_below_an_accuracy_and_relatively_everywhere():
    many = laws(20_000, 2)
    additive, crf = score_moments.gradient_noise_floors(many)
    up = many.gap_add > 0
    edge = score_moments.noise_floor_accuracy(many)
    clear = up & (np.abs(additive - crf) > 1e-12 * crf)
    assert ((crf < additive) == (many.p < edge))[clear].all()
    assert (crf > additive)[up].any()  # the printed claim, with one L for both, would never have it
    relative = score_moments.accuracy_noise_floors(many)
    assert (relative[1] <= relative[0] * (1 + 1e-12))[up].all()
    root = sp.solve(
        sp.Eq(k * m0 * p * (1 + k * m1) ** 2, (1 + k * m1 - k * m0) * (1 - p) * k**2 * m0**2), p
    )[0]  # v1 = v0 = 0
    law = ScoreLaw(0.5, 0.6, 0.0, 0.3, 0.0, 0.9)
    want = float(root.subs({k: 0.9, m1: 0.6, m0: 0.3}))
    assert score_moments.noise_floor_accuracy(law) == pytest.approx(want, rel=1e-12)


def test_floors_where_a_gap_vanishes():
    law = replace(ScoreLaw(0.5, 0.2, 0.0, 0.7, 0.0, 2.0), kappa=2.0)
    assert law.gap_add == pytest.approx(0, abs=1e-15)
    assert score_moments.accuracy_noise_floors(replace(law, m0=0.7 - 0.0, m1=0.2))[1] < np.inf
    assert score_moments.noise_floor_accuracy(replace(law, kappa=0.0)) == 0


@pytest.mark.parametrize("rho", [0.2, 0.5, 0.6, 0.9])
@pytest.mark.parametrize("eps", [1e-6, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("long", [1, 4, 7])
def test_collapse_weight_by_root_finding(rho: float, eps: float, long: int):
    """Against the two pushes of one group as an estimator computes them."""
    from toyrl.estimators.group import GroupEstimator
    from toyrl.rollouts import Rollouts

    def push(alpha: float) -> float:
        is_long = (np.arange(8) < long)[None]
        estimator, total = GroupEstimator(eps=eps), 0.0
        for share, right in ((rho, np.ones((1, 8))), (1 - rho, is_long * 1.0)):
            r = Rollouts(right, np.where(is_long, 1.0, 0.0), 1.0)
            a = estimator.advantages(right * (1 - alpha * is_long), r)
            total += share * float((a * is_long).sum())
        return total

    # from 1e-12 up the estimator takes a spread for signal, not for rounding
    want = brentq(push, 1e-9, 1 - 1e-9, xtol=1e-15)
    assert shared_collapse_weight(rho, 8, eps, long) == pytest.approx(want, rel=1e-6)


def test_limits_of_the_collapse_weight():
    assert shared_collapse_weight(0.6, 8, 0.0) == 0
    assert shared_collapse_weight(0.4, 8, 0.0) == 1
    assert shared_collapse_weight(0.6, 8, 1e6) == pytest.approx(0.4, abs=1e-6)
    first = 1e-9 * 0.4 / (0.2 * np.sqrt(1 / 8))
    assert shared_collapse_weight(0.6, 8, 1e-9) == pytest.approx(first, rel=1e-6)
    with pytest.raises(ValueError, match="long=8"):
        shared_collapse_weight(0.5, 8, 0.1, 8)


def test_below_every_weight_of_a_group_the_shared_policy_goes_long():
    """Least and largest weight over n bracket the drift's sign for all q."""
    weights = shared_collapse_weight(0.6, 8, 1e-2, np.arange(1, 8))
    q = np.linspace(0.02, 0.98, 25)
    assert (shared_drift("grpo", q, 0.6, 0.99 * weights.min(), 8, eps=1e-2) > 0).all()
    assert (shared_drift("grpo", q, 0.6, 1.01 * weights.max(), 8, eps=1e-2) < 0).all()
