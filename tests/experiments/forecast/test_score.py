"""Scores of forecasters: against other definitions, corners, what a bootstrap can tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from toyrl.experiments.forecast import score
from toyrl.experiments.forecast.case import Case, Forecast, Outcome, Told


def row(name, family, base, p=None, *, accuracy=None, length=None, came=None, control=False):
    told = Told(name, ("outcome()",), 0.5, 100.0, 512.0)
    case = Case(told, Outcome(base=base, length=came), family, family, control)
    return case, Forecast(below_base=p, accuracy=accuracy, length=length)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), min_size=2))
def test_auc_is_the_mann_whitney_statistic(rows):
    yes, no = ([p for p, y in rows if y is want] for want in (True, False))
    got = score.auc(rows)
    if not yes or not no:
        assert math.isnan(got)
        return
    u = scipy_stats.mannwhitneyu(yes, no).statistic
    assert got == pytest.approx(u / (len(yes) * len(no)))


def test_scores_of_a_forecaster_who_knows():
    rows = [
        row("a", "x", 0.1, 0.0, accuracy=0.1, length=0.5, came=0.5),
        row("b", "x", -0.1, 1.0, accuracy=-0.1, length=2.0, came=1.0),
        row("c", "y", -0.2, 1.0, accuracy=-0.2),
    ]
    s = score.score(rows)
    assert (s.auc, s.brier, s.hits, s.runs) == (1.0, 0.0, 3, 3)
    assert (s.contrasts, s.ordered) == (1, 1.0)  # c is of another base
    assert s.log_length == pytest.approx(math.log(2) / 2)


def test_what_is_missing_is_left_out_and_counted():
    rows = [
        row("a", "x", None, 0.3),
        row("b", "x", 0.1, None),
        row("c", "x", 0.0, 0.4, control=True),
    ]
    s = score.score(rows)
    assert s.runs == 0  # b has no opinion, a no outcome, and c is a control
    assert s.contrasts == 0
    assert math.isnan(s.auc)
    assert math.isnan(s.log_length)


def test_a_loss_without_a_number_is_below_every_number():
    known = row("a", "x", -0.5, 0.9)
    told = Told("b", ("outcome()",), 0.5, 100.0, 512.0)
    collapsed = (Case(told, Outcome(below_base=True), "x", "x"), Forecast(below_base=1.0))
    assert score.contrasts([known, collapsed]) == (1, 1.0)
    assert score.contrasts([collapsed, collapsed]) == (0, 0.0)


def test_ties_count_half():
    rows = [row("a", "x", 0.1, 0.5), row("b", "x", -0.1, 0.5)]
    assert score.contrasts(rows) == (1, 0.5)


def test_the_bootstrap_draws_bases():
    """Many runs of one base are one fate: the interval is as wide as few bases make it."""
    truth = {0: 0.1, 1: -0.1, 2: 0.1, 3: -0.1}
    good = [row(f"{f}-{i}", str(f), truth[f], float(truth[f] < 0)) for f in truth for i in range(8)]
    bad = [row(f"{f}-{i}", str(f), truth[f], 0.0) for f in truth for i in range(8)]

    found = score.paired(good, bad, score.brier_of, draws=400)
    assert found.value == pytest.approx(-0.5)
    assert found.low < -0.7
    assert found.high > -0.3
    same = score.paired(good, good, score.ordered_of, draws=50)
    assert math.isnan(same.value)  # no two runs of a base differ
    assert not same.apart


def test_other_runs_are_refused():
    one = [row("a", "x", 0.1, 0.5)]
    with pytest.raises(ValueError, match="different runs"):
        score.paired(one, [row("b", "x", 0.1, 0.5)], score.brier_of)


@pytest.mark.parametrize("bad", [{"below_base": 1.5}, {"below_correctness": -0.1}, {"length": 0.0}])
def test_a_forecast_that_is_none_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Forecast(**bad)


def test_brier_of_a_constant_is_the_usual():
    rng = np.random.default_rng(0)
    rows = [(0.3, bool(y)) for y in rng.random(50) < 0.4]
    y = np.array([r[1] for r in rows])
    assert score.brier(rows) == pytest.approx(np.mean((0.3 - y) ** 2))


def test_weighted_scores_are_those_of_repeated_runs():
    rows = [
        row("a", "x", 0.1, 0.2, accuracy=0.0),
        row("b", "x", -0.1, 0.7, accuracy=-0.2),
        row("c", "x", -0.2, 0.1, accuracy=0.1),
        row("d", "y", 0.3, 0.4, control=True),
    ]
    weights = np.array([[1.0, 2.0, 0.0, 3.0], [1.0, 1.0, 2.0, 0.0]])
    for w, brier, ordered in zip(
        weights, score.brier_of(rows)(weights), score.ordered_of(rows)(weights), strict=True
    ):
        many = [r for r, k in zip(rows, w, strict=True) for _ in range(int(k))]
        s = score.score(many)
        assert brier == pytest.approx(s.brier)
        assert ordered == pytest.approx(s.ordered / s.contrasts)
