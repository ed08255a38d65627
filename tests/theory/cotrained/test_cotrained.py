"""Crossing times, bounds, pairs and labels against integrals, sums and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.special import expit

from toyrl.theory.cotrained.crossing import crossing_bounds, crossing_time
from toyrl.theory.cotrained.race import pairs_left
from toyrl.theory.cotrained.verifier import agreed_labels, tolerated_false_share

RNG = np.random.default_rng(3)


def integrated(right: float, hack: float, share: float) -> float:
    """The flow in time, stopped where both logits are equal."""

    def slope(_, y):
        near = share * expit(y[1] - y[0])
        return [near + (1 - share) * expit(-y[0]), -near]

    def met(_, y):
        return y[1] - y[0]

    met.terminal = True
    found = solve_ivp(slope, (0, 1e5), [right, hack], events=met, rtol=1e-10, atol=1e-12)
    return float(found.t_events[0][0])


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("right", "hack"), [(1.0, 6.0), (-2.0, 0.5), (0.0, 1e-3)])
def test_crossing_is_the_flow_in_time_and_lies_within_its_bounds(right, hack, share):
    want = integrated(right, hack, share)
    assert crossing_time(right, hack, share, 0.05) == pytest.approx(want / 0.05, rel=1e-6)
    least, most = crossing_bounds(right, hack, share, 1.0)
    assert least * (1 - 1e-6) <= want <= most * (1 + 1e-6)
    if share == 1:
        assert least == pytest.approx(most, rel=1e-12)


def test_numbers_of_the_toy():
    found = [crossing_time(1.0, 6.0, h, 0.05) for h in (0.0, 0.1, 0.5, 1.0)]
    assert np.round(found).tolist() == [8114, 450, 114, 60]  # discrete updates: 8112, 450, 114, 60
    assert crossing_time(1.0, 2.0, 1.0, 0.05) == pytest.approx(20 - 10 * np.exp(-1), rel=1e-12)


def test_a_model_that_is_right_needs_no_time_and_rate_zero_for_ever():
    assert crossing_time(2.0, 2.0, 0.5, 0.0) == 0
    assert crossing_bounds(3.0, 2.0, 0.5, 0.1) == (0.0, 0.0)
    assert crossing_time(1.0, 2.0, 0.5, 0.0) == np.inf
    assert crossing_bounds(1.0, 2.0, 0.5, 0.0) == (np.inf, np.inf)


@pytest.mark.parametrize("size", [1, 2, 16])
def test_pairs_that_are_left(size):
    for p in (0.0, 1e-8, 0.2, 0.95):
        # y = u^2 takes the root out of the integrand
        want = quad(lambda u: 2 * -np.expm1(size * np.log1p(-u * u)) / (u**2 * (1 - u * u) ** 1.5)
                    if u else 2.0 * size, 0, np.sqrt(p))[0] / 0.4  # fmt: skip
        assert pairs_left(p, size, 0.2) == pytest.approx(want, rel=1e-8)


def test_wrong_positives_that_the_order_survives():
    for w in (-3.0, 0.0, 4.0):
        for h in (0.0, 0.3, 1.0):
            limit = float(tolerated_false_share(w, h))
            assert limit >= 0.5
            far, near = (1 - h) * expit(-w), h / 2
            right, false = 2 * near + far, far  # what D gains and loses by a positive
            assert (1 - limit) * right == pytest.approx(limit * false, abs=1e-12)


def test_labels_by_all_verdicts():
    p, rule, judge = 0.3, (0.2, 0.05), (0.1, 0.4)
    kept = wrong = 0.0
    for truth, chance in ((1, p), (0, 1 - p)):
        for a in (0, 1):
            for b in (0, 1):
                flips = [r[0] if truth else r[1] for r in (rule, judge)]
                law = chance * np.prod([f if v != truth else 1 - f
                                        for v, f in zip((a, b), flips, strict=True)])  # fmt: skip
                kept += law * (a == b)
                wrong += law * (a == b != truth)
    assert agreed_labels(p, rule, judge) == pytest.approx((kept, wrong / kept), abs=1e-15)
