"""The lab's pieces against slow definitions, and controls that must fail."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.dynamics.groups.class_weights import signal as plain_signal
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.core import Check, Result, Table
from toyrl.experiments.core.work import UPDATE, counted
from toyrl.experiments.lab import bandits, chains, curves, mutants, quality, routes
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages, every_count, one_token, picked
from toyrl.experiments.lab.parts import gather, run_parts
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS


# -- routes ----------------------------------------------------------------------------------------
def test_exact_routes_hold_and_fail():
    assert routes.same("x", 1.0, 1.0 + 1e-13, 1e-12).holds
    assert not routes.same("x", 1.0, 1.0 + 1e-11, 1e-12).holds
    assert routes.apart("x", [1.0, 2.0], [1.0, 2.0], 0.0).holds
    assert not routes.apart("x", [1.0, np.nan], [1.0, 2.0], 1.0).holds
    assert not routes.apart("x", [], [], 1.0).holds
    assert routes.missed("x", [True, False], [True, False]).holds
    assert routes.missed("x", [1, 2, 3], [1, 3, 2]).value == 2


def test_a_sample_is_held_against_its_standard_error():
    x = np.random.default_rng(0).normal(2.0, 3.0, 10_000)
    check = routes.sampled("x", x, 2.0)
    assert check.stderr == pytest.approx(0.03, rel=0.05)  # 3/sqrt(n), to 5 of its own errors
    assert check.holds
    assert not routes.sampled("x", x, 2.0 + 6 * 0.03).holds
    closed, simulated = routes.several("x", closed=2.0, enumerated=2.0, draws=x, tolerance=0.0)
    assert closed.holds
    assert len(set(closed.routes + simulated.routes)) == 3


def test_a_standard_error_of_zero_asks_for_equality():
    assert routes.standard_errors_away([1.0, 1.0], 0.0, [1.0, 1.1]).tolist() == [0.0, math.inf]


def test_a_sampled_inequality_holds_by_its_limit():
    check = routes.beyond("x", 2.0, 0.25, 0.5)
    assert (check.value, check.stderr, check.holds) == (1.0, 0.25, True)
    assert not routes.beyond("x", 2.0, 0.5, 0.5).holds
    assert routes.beyond("x", -2.0, 0.25, 0.0, "<").value == -1.0
    assert not routes.beyond("x", -2.0, 0.5, 0.0, "<").holds


def test_the_jackknife_of_a_mean_and_of_a_ratio():
    rng = np.random.default_rng(1)
    x = rng.normal(3.0, 1.0, (2, 400)) + np.array([[1.0], [0.0]])
    mean, error = routes.jackknife(lambda k: x[0, k].mean(), 400)
    assert (mean, error) == pytest.approx((x[0].mean(), x[0].std(ddof=1) / 20))  # exact for a mean
    ratio, error = routes.jackknife(lambda k: x[0, k].mean() / x[1, k].mean(), 400)
    # The delta method, for independent means 4 and 3 of spread 1; its error is of order 1/n.
    assert error == pytest.approx(ratio * math.hypot(1 / 4, 1 / 3) / 20, rel=0.1)


def test_a_check_of_one_route_says_why():
    check = routes.alone("simulation", "a path")("x", 1.0, 2.0, "<")
    assert (check.routes, check.why_one_route, check.holds) == (("simulation",), "a path", True)
    assert check.has_routes


# -- random numbers and work -----------------------------------------------------------------------
def test_draws_are_numpys_and_counted():
    with counted() as tally:
        rng = draws(5, 2)
        got = rng.random((3, 4)), rng.standard_normal(7), rng.integers(9, size=2)
    plain = np.random.default_rng([5, 2])
    want = plain.random((3, 4)), plain.standard_normal(7), plain.integers(9, size=2)
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))
    assert tally.units == 12 + 7 + 2
    assert draws(5).random() == np.random.default_rng(5).random()


def test_weights_and_signal_of_classes_are_the_engines_and_counted():
    share = np.array([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    right = np.tile([1.0, 0.0], (3, 1))
    of = (Rollouts(right, np.ones_like(right), 1.0, weight=share), Outcome(), GroupEstimator())
    with counted() as tally:
        found = quality.weights(*of, group_size=4)
    assert found.method == "compositions"
    assert np.array_equal(found.w, class_weights(*of, group_size=4, method="compositions").w)
    assert tally.units == 3 * (UPDATE + 5 * 2)  # 0 to 4 right ones, two classes
    with counted() as tally:
        told = quality.signal(*of, 4)
    assert np.array_equal(told.zero_signal, plain_signal(*of, 4).zero_signal)
    assert tally.units == 3 * (UPDATE + 5 * 2)


def test_work_inside_counts_outside_too():
    with counted() as outer:
        with counted() as inner:
            bandits.follow(lambda x, _: x, np.zeros(3), 4)
        draws(0).random(2)
    assert (inner.units, outer.units) == (4 * (UPDATE + 3), 4 * (UPDATE + 3) + 2)


# -- bandits ---------------------------------------------------------------------------------------
def test_drift_is_the_policy_gradient_of_the_success_rate():
    policy, success = np.array([0.2, 0.5, 0.3]), np.array([0.9, 0.4, 0.6])
    r = bandits.arm_classes(policy, success)
    # Mean baseline, infinite group: d/dz_k sum_j pi_j p_j = pi_k (p_k - mean).
    want = policy * (success - policy @ success)
    np.testing.assert_allclose(bandits.drift(r, GroupEstimator(scale="none")), want, atol=1e-15)
    uncentred = bandits.drift(r, GroupEstimator(baseline="none", scale="none"))
    np.testing.assert_allclose(uncentred, want, atol=1e-15)


def test_two_arms_move_by_their_scores():
    arm, advantage = np.array([[0, 1, 1]]), np.array([[1.0, -1.0, 0.5]])
    path = bandits.train_two_arms(lambda *_: (arm, advantage), np.zeros(1), 1, rate=0.1)
    z = np.zeros(2)  # two logits and their own scores, one by one
    for a, x in zip(arm[0], advantage[0], strict=True):
        z = z + 0.1 * x * (np.eye(2)[a] - 0.5) / 3
    np.testing.assert_allclose(path[:, 0], [0.5, np.exp(z[1]) / np.exp(z).sum()], rtol=1e-14)


def test_expected_updates_of_two_arms_are_the_mean_of_drawn_groups():
    """One update from three starts: every group of three, listed member by member."""
    rng, start, share = np.random.default_rng(2), np.array([-1.0, 0.0, 0.7]), np.array([0.3, 0.7])
    table = rng.normal(size=(2, 4, 2))  # kind, number on the second arm, arm -> credit
    group = every_count(3).astype(int)
    credit = np.take_along_axis(table, group[None], -1)
    path = bandits.expect_two_arms(credit, share, start, 1, rate=0.2)
    p = 1 / (1 + np.exp(-start))
    move = np.zeros(3)
    for arms in itertools.product((0, 1), repeat=3):
        chance = p ** sum(arms) * (1 - p) ** (3 - sum(arms))
        for kind in (0, 1):
            a = table[kind, sum(arms)][list(arms)]
            move += (
                share[kind] * chance * sum(x * (arm - p) for x, arm in zip(a, arms, strict=True))
            )
    np.testing.assert_allclose(path[1], 1 / (1 + np.exp(-start - 0.2 * move)), rtol=1e-13)


def test_a_flow_ends_where_its_gradient_is_zero():
    target = np.array([0.5, 0.3, 0.2])
    end = bandits.flow_end(lambda z: target - bandits.softmax(z), np.zeros(3), 200.0)
    np.testing.assert_allclose(end, target, atol=1e-6)  # exp(-0.2 * 200) and rtol 1e-8


def test_natural_ascent_is_a_tilt():
    reward = np.array([1.0, 0.0, 0.5])
    path = bandits.ascend(lambda pi, _: 0.5 * (reward - pi @ reward), np.zeros(3), 8)
    np.testing.assert_allclose(path[-1], bandits.softmax(4 * reward), rtol=1e-12)


# -- groups and parts ------------------------------------------------------------------------------
def test_advantages_are_the_estimators_and_counted():
    reward = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0]])
    with counted() as tally:
        a = advantages(GroupEstimator(scale="none"), reward, compared=4)
    np.testing.assert_allclose(a, reward - reward.mean(-1, keepdims=True), atol=1e-15)
    assert tally.units == 8 * 4


@given(st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_an_answer_is_picked_where_its_share_of_the_line_lies(k: int, seed: int):
    rng = np.random.default_rng(seed)
    policy, u = rng.dirichlet(np.ones(k), 3), rng.random((3, 6))
    edges = np.concatenate([np.zeros((3, 1)), np.cumsum(policy, -1)], -1)
    edges[:, -1] = 1.0
    found = picked(policy, u)
    low, high = (np.take_along_axis(edges, found + i, -1) for i in (0, 1))
    assert ((low <= u) & (u <= high)).all()
    assert picked(np.array([0.5, 0.5]), np.array([1.0 - 1e-17])).tolist() == [1]


def test_rollouts_of_one_token_have_its_fields():
    r = one_token(target_values=np.array([[1.0, 2.0]]), ref_logprobs=np.array([[-1.0, -2.0]]))
    assert r.fields["target_values"].tolist() == [[[1.0], [2.0]]]
    assert r.fields["ref_logprobs"].tolist() == [[[-1.0], [-2.0]]]
    assert np.asarray(r.mask).tolist() == [[[1.0], [1.0]]]


def test_parts_are_put_together_by_kind_in_the_order_chosen():
    one, two = (Check(name, 1.0, 2.0) for name in ("one", "two"))
    table, shown = Table("t", ("a",), [[1]]), curves.lines("p", "title", ("x", "y"), {"y": [1, 2]})
    parts = {"a": lambda: [table, one], "b": lambda: (x for x in (two, shown))}
    found = run_parts(parts, ("b", "a"), ["note"])
    assert found == Result((two, one), (shown,), (table,), ("note",))
    assert run_parts(parts, ()) == gather([])
    with pytest.raises(ValueError, match=r"'c' is not one of 'a', 'b'"):
        run_parts(parts, ("c",))


def test_rules_are_swapped_by_name():
    rules = {"a": 1, "b": 2}
    assert mutants.pick_all(rules, ("a", "b"), {"a": "b"}) == [2, 2]
    with pytest.raises(ValueError, match="'c' is not one of"):
        mutants.pick_all(rules, ("a",), {"a": "c"})


def test_enumerated_and_sampled_gradients_are_compared():
    def of(mean: list[float], variance: float, silent: float) -> Any:
        q = {"mean": np.array([mean]), "variance": np.array([variance])}
        return SimpleNamespace(**q, silent=np.array([silent]))

    pair = (of([3.0, 4.0], 4.0, 0.5), of([3.0, 4.2], 5.0, 0.5))
    mean, spread = quality.agreement(("m", "s"), [pair], 400)
    assert (mean.value, spread.value) == pytest.approx((2.0, 0.25))  # 0.2 over sqrt(4/400)
    assert (mean.bound, spread.bound) == (4.0, 0.5)
    assert quality.agreement(("m", "s"), [pair], 400, least=201)[1].value == 0


# -- curves ----------------------------------------------------------------------------------------
def test_a_threshold_is_bracketed():
    low, high = curves.threshold(lambda w: w > 0.37, 1e-2, 1.0, 2)
    assert low <= 0.37 < high
    assert high / low == pytest.approx(100 ** (1 / 225), rel=1e-12)
    assert curves.threshold(lambda w: w > 2, 1e-2, 1.0, 2) == (math.inf, math.inf)
    assert curves.threshold(lambda w: w > 0, 1e-2, 1.0, 2) == (0.01, 0.01)


def test_a_root_needs_a_change_of_sign():
    assert curves.root(lambda x: x * x - 2, 0, 2) == pytest.approx(math.sqrt(2), abs=1e-12)
    assert math.isnan(curves.root(lambda x: x * x + 2, 0, 2))


def test_lines_keep_both_ends():
    (curve,) = curves.lines("n", "t", ("x", "y"), {"a": np.arange(601.0)}, most=61).curves
    assert list(curve.x) == list(range(0, 601, 10))
    assert list(curve.y) == list(curve.x)


# -- chains ----------------------------------------------------------------------------------------
def test_going_on_equals_training_at_once():
    theta, reward = HELLO.logits(**HELLO_LOGITS), HELLO.class_correct()[None, None]
    options = {"rate": 0.3, "estimator": GroupEstimator(), "objective": PolicyGradient("sum"),
               "tolerance": 0.0}  # fmt: skip
    with counted() as tally:
        found = chains.along(HELLO, theta, reward, [5, 20], **options)
    whole = chains.train(HELLO, theta, reward, 20, **options)
    np.testing.assert_allclose(found[-1].accuracy, whole.accuracy, rtol=1e-12)
    assert tally.units == 20 * chains.LANES * whole.prob[0].size * chains.CLASS


# -- mutants ---------------------------------------------------------------------------------------
class Rule:
    def weigh(self, x: float, y: float) -> float:
        return x + 2 * y


def test_a_rule_is_broken_in_one_step():
    assert mutants.after(Rule, weigh=lambda v: -v)().weigh(1, 2) == -5
    assert mutants.before(Rule, weigh=lambda x, y: (y, x))().weigh(1, 2) == 4
    assert mutants.replaced(Rule, weigh=lambda *a: a[1] * a[2])().weigh(3, 2) == 6
    assert Rule().weigh(1, 2) == 5


def test_a_mutant_that_breaks_nothing_is_refused():
    with pytest.raises(ValueError, match="Rule has no method 'wiegh'"):
        mutants.after(Rule, wiegh=lambda v: v)
    with pytest.raises(ValueError, match="'tryst' is not one of 'trust'"):
        mutants.pick({"trust": 1}, "tryst")
