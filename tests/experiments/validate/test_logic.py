"""The reasoning of `validate`: intervals, explanations, thresholds, verdicts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from toyrl.estimators.group import PRESETS
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.collapse.statistics import bootstrap, explain, wilson
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.reward_law import own_rollouts
from toyrl.experiments.validate.verdict import Collapse, decide, exit_code
from toyrl.rollouts import Rollouts


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (5, 256), (144, 256), (10, 10)])
def test_wilson_is_scipys(hits, n):
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bootstrap_covers_the_mean():
    x = np.random.default_rng(0).normal(1.0, 1.0, 400)
    low, high = bootstrap(lambda c: c @ x / c.sum(-1), 400, draws=2000, seed=1)
    half = 1.96 * x.std() / 20
    assert (low, high) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.02)


def test_explain_names_the_parameter_that_decides():
    rng = np.random.default_rng(0)
    rho, noise = rng.random(256), rng.random(256)
    splits = explain({"easy share": rho, "noise": noise}, rho > 0.6)
    assert splits[0].name == "easy share"
    assert splits[0].threshold == pytest.approx(0.6, abs=0.02)
    assert splits[0].above
    assert (splits[0].share_inside, splits[0].share_outside) == (1.0, 0.0)
    assert all(s.name != "noise" for s in splits)


def test_explain_control_unrelated_parameters_explain_nothing():
    rng = np.random.default_rng(1)
    named = [explain({"noise": rng.random(256)}, rng.random(256) > 0.5) for _ in range(100)]
    assert sum(map(bool, named)) <= 5


def test_critical_weights_bisect_to_the_truth():
    truth = np.array([0.03, 0.3, 1.7, 50.0])
    found, monotone = collapse.critical_weights(lambda w: w > truth, 4, halvings=12)
    assert found[1:3] == pytest.approx(truth[1:3], rel=1e-3)
    assert found[0] == collapse.WEIGHTS[0]  # collapses at the lowest grid point already
    assert np.isinf(found[3])
    assert monotone.all()


def test_critical_weights_report_non_monotone_collapse():
    def window(w):
        return (w > 0.3) & (w < 3)

    found, monotone = collapse.critical_weights(window, 1, halvings=12)
    assert found[0] == pytest.approx(0.3, rel=1e-3)
    assert not monotone[0]


def test_judge_needs_both_horizons_and_skips_unlearnable_worlds():
    start = np.array([[0.2, 0.2]] * 4)
    long = np.array([[0.9, 0.9], [0.9, 0.9], [0.9, 0.9], [0.2, 0.2]])
    ref = collapse.Reference(start, long - 0.05, long, np.full((4, 2), 0.5))
    short_run = ref.short - np.array([[0.0, 0.2], [0.0, 0.2], [0, 0], [0.2, 0.2]])
    long_run = ref.long - np.array([[0.0, 0.2], [0, 0], [0.05, 0], [0.2, 0.2]])
    judged = collapse.judge(ref, short_run, long_run)
    assert judged.collapsed.tolist() == [True, False, False, True]
    assert judged.slow.tolist() == [False, True, False, False]
    assert judged.learnable.tolist() == [True, True, True, False]
    assert judged.count == Collapse(3, 1)


def test_mixed_weight_one_is_the_users_reward():
    correct, reward = np.array([1.0, 0.0]), np.array([0.7, -0.3])
    assert collapse.mixed(correct, reward, 1.0, 1.0) == pytest.approx(reward)
    assert collapse.mixed(correct, reward, 1.0, 0.0) == pytest.approx(correct)


def _decide(**changes):
    settings = {
        "collapse": Collapse(200, 0),
        "price_nats": np.inf,
        "constant": False,
        "reads_gold": True,
        "separates": True,
        "sections": (),
    }
    return decide(**{**settings, **changes})[0]


def test_verdicts():
    fail = Section(1, "", (Finding(1, "contract/deterministic", "fail", "random"),))
    hack = Section(2, "", (Finding(2, "hacks/empty", "fail", "wrong paid"),))
    assert _decide() == "SAFE"
    assert _decide(collapse=Collapse(256, 5)) == "SAFE"
    assert _decide(collapse=Collapse(256, 6)) == "RISKY"
    assert _decide(collapse=Collapse(256, 144)) == "UNSAFE"
    assert _decide(price_nats=1.9) == "UNSAFE"
    assert _decide(price_nats=5.0) == "RISKY"
    assert _decide(sections=(fail,)) == "RISKY"
    assert _decide(sections=(hack,)) == "RISKY"
    assert _decide(constant=True) == "INCONCLUSIVE"
    assert _decide(separates=False) == "INCONCLUSIVE"
    assert _decide(reads_gold=False, separates=False) == "SAFE"


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        ("SAFE", "risky", 0),
        ("RISKY", "unsafe", 0),
        ("RISKY", "risky", 1),
        ("UNSAFE", "unsafe", 1),
        ("INCONCLUSIVE", "unsafe", 0),
        ("INCONCLUSIVE", "risky", 1),
    ],
)
def test_exit_codes(verdict, fail_on, code):
    assert exit_code(verdict, fail_on=fail_on) == code
    assert exit_code(verdict, fail_on=fail_on, error=True) == 2


def test_own_rollouts_drift_is_the_covariance():
    correct = np.array([[1.0, 0, 0, 1], [0, 0, 0, 0]])
    length = np.array([[10.0, 20, 30, 40], [5, 6, 7, 8]])
    r = Rollouts(correct, length, 50.0)
    facts, advantage = own_rollouts.analyse(r, correct - length / 50, PRESETS["dr_grpo"])
    reward = correct - length / 50
    by_hand = np.mean(
        [
            np.mean((reward[b] - reward[b].mean()) * (correct[b] - correct[b].mean()))
            for b in range(2)
        ]
    )
    assert facts.accuracy_drift == pytest.approx(by_hand, abs=1e-12)
    assert advantage.sum() == pytest.approx(0, abs=1e-12)
    assert facts.length_drift < 0
    assert facts.zero_signal == 0
    assert facts.zero_signal_outcome == 0.5
