"""The reasoning of `validate`: intervals, explanations, thresholds, verdicts."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from toyrl.estimators.group import PRESETS
from toyrl.experiments.render.ci import junit, sarif
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.collapse.run import _auxiliary
from toyrl.experiments.validate.collapse.statistics import bootstrap, explain, wilson
from toyrl.experiments.validate.findings import STATUSES, Finding, Report, Section
from toyrl.experiments.validate.reward_law import own_rollouts
from toyrl.experiments.validate.verdict import (
    KNOWN_BAD,
    Collapse,
    any_failed,
    decide,
    exit_code,
)
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
    found, monotone = collapse.critical_weights(lambda w, rows: w > truth[rows], 4, halvings=12)
    assert found[1:3] == pytest.approx(truth[1:3], rel=1e-3)
    assert found[0] == collapse.WEIGHTS[0]  # collapses at the lowest grid point already
    assert np.isinf(found[3])
    assert monotone.all()


def test_critical_weights_report_non_monotone_collapse():
    def window(w, _rows):
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


SETTINGS = {
    "collapse": Collapse(200, 0),
    "price_nats": np.inf,
    "constant": False,
    "reads_gold": True,
    "separates": True,
    "sections": (),
}


def _decide(**changes):
    return decide(**{**SETTINGS, **changes})[0]


def failed(section: int, name: str, message: str = "bad", status: str = "fail") -> Section:
    return Section(section, "", (Finding(section, name, status, message),))


def test_verdicts():
    fail = failed(1, "contract/history")
    hack = failed(2, "hacks/empty")
    assert _decide() == "SAFE"
    assert _decide(collapse=Collapse(256, 5)) == "SAFE"
    assert _decide(collapse=Collapse(256, 6)) == "RISKY"
    assert _decide(collapse=Collapse(256, 144)) == "UNSAFE"
    assert _decide(price_nats=1.9) == "UNSAFE"
    assert _decide(price_nats=5.0) == "RISKY"
    assert _decide(sections=(fail,)) == "RISKY"
    assert _decide(sections=(hack,)) == "UNSAFE"
    assert _decide(sections=(failed(2, "hacks/with-a-unit", status="warn"),)) == "SAFE"
    assert _decide(constant=True) == "INCONCLUSIVE"
    assert _decide(separates=False) == "INCONCLUSIVE"
    assert _decide(reads_gold=False, separates=False) == "SAFE"
    assert _decide(unjudged=("f never paid",)) == "INCONCLUSIVE"
    assert _decide(unjudged=("f never paid",), price_nats=5.0) == "RISKY"


@pytest.mark.parametrize("name", KNOWN_BAD)
def test_what_is_known_to_be_bad_is_unsafe_and_not_unknown(name):
    """Inverted, random, constant: the contract says so, and no world is asked."""
    for facts in ({"constant": True}, {"separates": False}, {"collapse": None}, {}):
        sections = (failed(1, name, "the wrong way round"),)
        word, reasons = decide(**{**SETTINGS, **facts, "sections": sections})
        assert (word, reasons[0]) == ("UNSAFE", "the wrong way round")
        mild = (failed(1, name, status="warn"),)
        assert decide(**{**SETTINGS, **facts, "sections": mild})[0] != "UNSAFE"


def test_failures_come_before_warnings_and_one_cause_is_one_reason():
    hacks = tuple(Finding(2, f"hacks/{i}", "fail", f"hack {i}") for i in range(22))
    priced = Finding(2, "hacks/price", "fail", "a price")
    where = tuple(Finding(4, "collapse/explained", "info", f"with {i}") for i in range(2))
    sections = (
        Section(2, "", (*hacks, priced)),
        Section(4, "", where),
        failed(1, "contract/history", "memory"),
    )
    word, reasons = decide(
        **{**SETTINGS, "sections": sections, "price_nats": 1.0, "collapse": Collapse(249, 66)}
    )
    assert word == "UNSAFE"
    assert reasons[0] == "memory"  # every number after it is a mixture
    assert reasons[1] == "hack 0 Other kinds that are paid so: 21."
    assert reasons[2].startswith("Accuracy collapses in 66 of 249")
    assert reasons[2].endswith("with 0")
    assert len(reasons) == 3


STATUS = st.sampled_from(STATUSES)
NAMES = st.sampled_from(
    [(0, "own/accuracy-drift"), (1, "contract/history"), (1, "contract/gold"), (2, "hacks/empty"),
     (2, "hacks/near"), (2, "hacks/price"), (2, "hacks/ungated"),
     (4, "collapse/probability")]
)  # fmt: skip


@given(
    found=st.lists(st.tuples(NAMES, STATUS), max_size=6),
    collapsed=st.integers(0, 256),
    price=st.sampled_from([0.5, 3.0, np.inf]),
    constant=st.booleans(),
    separates=st.booleans(),
    fail_on=st.sampled_from(["risky", "unsafe"]),
    allow=st.booleans(),
)
def test_word_reasons_exit_code_and_junit_agree(
    found, collapsed, price, constant, separates, fail_on, allow
):
    findings = [Finding(*name, status, f"{name[1]} {status}") for name, status in found]
    sections = tuple(Section(n, "", tuple(f for f in findings if f.section == n)) for n in range(5))
    word, reasons = decide(
        **{
            **SETTINGS,
            "collapse": Collapse(256, collapsed),
            "price_nats": price,
            "constant": constant,
            "separates": separates,
            "sections": sections,
        }
    )
    code = exit_code(word, fail_on=fail_on, failed=any_failed(sections), allow_inconclusive=allow)
    failures = [f for f in findings if f.status == "fail"]
    assert 1 <= len(reasons) <= 3
    assert not (failures and word == "SAFE")
    assert code == 1 or not (failures or word == "UNSAFE" or (word == "RISKY" == fail_on.upper()))
    if word in ("UNSAFE", "RISKY"):
        mild = ["safe up to" in r or "is reachable" in r or r.endswith(" warn") for r in reasons]
        assert mild == sorted(mild)
    report = Report("r.py:f", word, reasons, sections, 0, exit_code=code)
    suite = ET.fromstring(junit(report))
    assert (suite.get("failures") == "0") == (code == 0)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    levels = [x["level"] for x in sarif(report)["runs"][0]["results"]]
    assert ("error" in levels) == (code != 0)


@pytest.mark.parametrize(
    ("verdict", "fail_on", "code"),
    [
        ("SAFE", "risky", 0),
        ("RISKY", "unsafe", 0),
        ("RISKY", "risky", 1),
        ("UNSAFE", "unsafe", 1),
        ("INCONCLUSIVE", "unsafe", 1),
        ("INCONCLUSIVE", "risky", 1),
    ],
)
def test_exit_codes(verdict, fail_on, code):
    assert exit_code(verdict, fail_on=fail_on) == code
    assert exit_code(verdict, fail_on=fail_on, error=True) == 2
    assert exit_code(verdict, fail_on=fail_on, failed=True) == 1
    allowed = exit_code(verdict, fail_on=fail_on, allow_inconclusive=True)
    assert allowed == (0 if verdict == "INCONCLUSIVE" else code)


@pytest.mark.parametrize(
    ("weight", "words", "value"),
    [(0.0625, "below 0.0625, the smallest tried", None), (0.5, "0.5", 0.5), (8.0, "8", 8.0),
     (np.inf, "above 8, the largest tried", None)],
)  # fmt: skip
def test_no_edge_of_a_grid_is_printed_as_a_number(weight, words, value):
    assert collapse.weight_words(weight) == words
    assert collapse.inside(weight, collapse.TRIED) == value
    learnable = np.ones(8, dtype=bool)
    judged = collapse.Judged(learnable, ~learnable, ~learnable, np.ones((8, 1)), np.ones((8, 1)))
    critical = np.full(8, weight)
    facts = collapse.Facts(judged, critical, (), collapse.largest_safe(critical))
    found = collapse.findings(
        facts, disagreements=0, finite_worlds=8, group_size=8, unit="times your weight"
    )
    [said] = [f for f in found if f.name == "collapse/critical-weight"]
    assert words in said.message
    assert (said.value, said.bound) == (value, value)
    alone = _auxiliary(facts)
    assert alone.value == value
    assert ("up to w = 0.0625" in alone.message) is False


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
