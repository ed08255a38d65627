"""Rank agreement over runs of one base: against scipy, ties inside seeds, strata, the ceiling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from toyrl.experiments.forecast import ranks
from toyrl.experiments.forecast.case import Case, Forecast, Outcome, Told


def row(said: float, came: float, family: str = "x", ends=()):
    told = Told("r", ("outcome()",), 0.5, 100.0, 512.0)
    outcome = Outcome(base=came, length=math.exp(came))
    return Case(told, outcome, family, family, ends=ends), Forecast(
        accuracy=said, length=math.exp(said)
    )


tenths = st.integers(-5, 5).map(lambda k: k / 10)


@given(st.lists(st.tuples(tenths, tenths), min_size=4, max_size=9))
def test_one_base_without_seeds_is_kendalls_tau_b(pairs):
    rows = [row(a, b) for a, b in pairs]
    expected = stats.kendalltau(*zip(*pairs, strict=True)).statistic
    for what in (ranks.ACCURACY, ranks.LENGTH):
        assert ranks.tau(rows, what) == pytest.approx(expected, nan_ok=True)


def test_runs_of_different_bases_are_not_compared():
    one = [row(s, c, "x") for s, c in zip((1, 2, 3, 4), (1, 2, 3, 4), strict=True)]
    other = [row(s - 9, c + 9, "y") for s, c in zip((1, 2, 3, 4), (1, 2, 3, 4), strict=True)]
    assert ranks.tau(one + other, ranks.ACCURACY) == pytest.approx(1.0)
    assert math.isnan(ranks.tau(one[:3], ranks.ACCURACY))  # three say little


def test_differences_inside_the_seeds_spread_are_ties():
    noisy = [(c - 0.2, c + 0.2) for c in (0.0, 0.01, 1.0, 2.0)]
    rows = [
        row(s, float(np.mean(e)), ends=tuple((x, x) for x in e))
        for s, e in zip((1, 0, 2, 3), noisy, strict=True)
    ]
    assert ranks.tau(rows, ranks.ACCURACY) == pytest.approx(5 / math.sqrt(6 * 5))


def test_the_ceiling_is_one_half_of_the_seeds_beside_the_other():
    cases = [row(0, c, ends=((c, -c), (c + 0.01, c)))[0] for c in (0.0, 1.0, 2.0, 3.0)]
    assert ranks.ceiling(cases, ranks.ACCURACY) == pytest.approx(1.0)
    assert ranks.ceiling(cases, ranks.LENGTH) == pytest.approx(-1.0)
    assert math.isnan(ranks.ceiling(cases[:3], ranks.ACCURACY))
    alone = [row(0, c, ends=((c, c),))[0] for c in (0.0, 1.0, 2.0, 3.0)]
    assert math.isnan(ranks.ceiling(alone, ranks.ACCURACY))
    some = [*cases, *alone]  # rewards with one seed take no part
    assert ranks.ceiling(some, ranks.ACCURACY) == pytest.approx(1.0)


def test_tau_by_weights_is_tau_of_the_runs_drawn():
    """All weights 1: tau itself; a weight of 0 leaves a run out, here the one told wrongly."""
    rows = [row(said, came) for came, said in
            ((0.3, 0.2), (0.1, 0.3), (-0.1, 0.0), (-0.2, -0.4), (0.2, 0.1))]  # fmt: skip
    of = ranks.tau_of(rows, ranks.ACCURACY)
    assert of(np.ones((1, 5)))[0] == pytest.approx(ranks.tau(rows, ranks.ACCURACY))
    assert of(np.array([[1.0, 0, 1, 1, 1]]))[0] == pytest.approx(1.0)
    assert of(np.ones((1, 5)))[0] < 1.0
