"""A pass is what was tested: what moves a reward's values, and what was left out, is told by name.

Ids are the numbers of the faults as they were first measured.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.experiments.render.sample_report import sample_report
from tests.experiments.validate.text_probes import probes, rows
from toyrl.experiments.api import validate
from toyrl.experiments.render.ci import junit, sarif
from toyrl.experiments.render.html import report_page
from toyrl.experiments.render.terminal import console, show_report
from toyrl.experiments.validate.contract import scale, steady
from toyrl.experiments.validate.contract.facts import CALLS, CHANCE, CLOCK, HASH_SEED, Contract
from toyrl.experiments.validate.contract.section import run
from toyrl.experiments.validate.findings import NOT_TESTED, Finding, Report, Section
from toyrl.experiments.validate.hacks import findings as hacks
from toyrl.experiments.validate.verdict import Collapse, decide
from toyrl.expressions import parse_estimator
from toyrl.rewards.terms import same
from toyrl.rewards.user import UserReward, load

REWARDS = Path(__file__).with_name("rewards")
UNSTEADY, SCALES = REWARDS / "unsteady.py", REWARDS / "scales.py"


def opened(name: str, file: Path = UNSTEADY, **options) -> UserReward:
    return load(f"{file}:{name}", timeout=60.0, **options)


def judge(name: str, file: Path = UNSTEADY) -> tuple[Section, Contract]:
    with opened(name, file) as reward:
        return run(reward, probes(12))


def only(section: Section, name: str) -> Finding:
    (finding,) = [f for f in section.findings if f.name == f"contract/{name}"]
    return finding


def verdict(*sections: Section) -> tuple[str, tuple[str, ...]]:
    return decide(
        collapse=Collapse(8, 0),
        price_nats=float("inf"),
        constant=False,
        reads_gold=True,
        separates=True,
        sections=sections,
    )


# -- over many calls -----------------------------------------------------------------------------
@pytest.mark.parametrize("name", [pytest.param("breaks", id="1.3")])
def test_a_change_after_many_texts_is_dependence_on_earlier_calls(name):
    with opened(name) as reward:
        section, contract = run(reward, probes(12))
        assert (only(section, "history").status, contract.cause) == ("pass", "")
        assert contract.first is not None
        row = rows(1)[0]
        reward.score([replace(row, completion=f"{row.completion} {i}") for i in range(400)])
        section = steady.again(reward, contract, section)
    said = only(section, "history")
    assert said.status == "fail"
    assert said.message.startswith("Values depend on earlier calls: after ")
    assert said.message.endswith("moved by up to 0.5.")
    assert section.summary.startswith("Contract broken: history. It acts as a reward of")
    word, reasons = verdict(section)
    assert (word, reasons[0]) == ("RISKY", said.message)


@pytest.mark.parametrize("name", [pytest.param("breaks", id="1.3")])
def test_the_control_calls_the_reward_again(name):
    with opened(name) as reward:
        some = rows(12)
        reward.score(some)
        row = some[0]
        reward.score([replace(row, completion=f"{row.completion} {i}") for i in range(400)])
        remembered = reward.score(some)
        asked = reward.score(some, cached=False)
    assert set(remembered) == {0.0, 1.0}
    assert set(asked) == {0.5}


def test_the_control_compares_what_is_called_again():
    from toyrl.experiments.validate.hacks.mutants import PLAIN
    from toyrl.experiments.validate.hacks.paid import Paid

    right = Paid(PLAIN[0], (), tuple(rows(2)), (1.0, 1.0))
    assert hacks.control(lambda given: [1.0] * len(given), right).status == "pass"
    moved = hacks.control(lambda given: [0.5] * len(given), right)
    assert (moved.status, moved.value) == ("warn", 0.5)


def test_the_last_look_that_no_budget_is_left_for_is_not_tested():
    with opened("honest") as reward:
        section, contract = run(reward, probes(12))
        for text in reward.texts:
            text.budget.limit = text.budget.used + 3
        section = steady.again(reward, contract, section)
    assert only(section, "history").status == NOT_TESTED
    assert "the budget is spent" in only(section, "history").message


# -- places, interpreters, time, chance ----------------------------------------------------------
@pytest.mark.parametrize("name", [pytest.param("by_place", id="1.4")])
def test_dependence_on_the_place_in_a_call_is_a_reason(name):
    section, contract = judge(name)
    said = only(section, "batch")
    assert contract.place == said.message
    assert said.status == "fail"
    assert "pays one 1 at place 1 and 0.3 at place 8" in said.message
    word, reasons = verdict(section)
    assert (word, reasons[0]) == ("RISKY", said.message)


def test_dependence_on_siblings_is_no_dependence_on_the_place():
    section, contract = judge("best_of_group")
    assert (contract.batch_dependent, contract.place) == (True, "")
    assert only(section, "batch").status == "warn"


def slow_to_import(folder: Path, seconds: float) -> str:
    file = folder / "slow_import.py"
    file.write_text(
        f"import sys, time\nsys.path.insert(0, {str(REWARDS)!r})\n"
        f"from unsteady import hashed\ntime.sleep({seconds})\n"
        "def reward(completions, answer, **kwargs):\n    return hashed(completions, answer)\n"
    )
    return str(file)


@pytest.mark.parametrize("seconds", [pytest.param(0.2, id="1.5")])
def test_a_second_interpreter_that_was_not_tried_is_not_tested(tmp_path, monkeypatch, seconds):
    monkeypatch.setattr(steady, "SLOW_IMPORT", seconds / 2)
    with load(slow_to_import(tmp_path, seconds), timeout=60.0) as reward:
        section, _ = run(reward, probes(12))
    said = only(section, "deterministic")
    assert said.status == NOT_TESTED
    assert "a second one, with another hash seed, was not tried: importing it takes" in said.message
    assert only(section, "history").status == "pass"
    word, reasons = verdict(section)
    assert word == "SAFE"
    assert reasons[-1].endswith("the contract checks hold, but for 1 not tested.")


@pytest.mark.parametrize("name", [pytest.param("hashed", id="1.5")])
def test_dependence_on_the_hash_seed_is_named(name):
    section, contract = judge(name)
    said = only(section, "deterministic")
    assert (contract.cause, said.status) == (HASH_SEED, "fail")
    assert "they depend on its hash seed (PYTHONHASHSEED)" in said.message
    assert only(section, "places").status == "pass"  # one interpreter has one seed
    assert verdict(section)[1][0] == said.message


@pytest.mark.parametrize(
    ("name", "status"),
    [pytest.param("drifts", "warn", id="1.6"), ("ages", "fail"), ("stalls", "fail")],
)
def test_a_drift_is_told_as_the_clocks_and_fails_where_an_hour_outweighs_the_answer(name, status):
    with opened(name) as reward:
        section, contract = run(reward, {"tag": probes(12)["tag"]})
        section = steady.again(reward, contract, section)
    said = only(section, "deterministic")
    assert said.status == status
    assert said.message.startswith("Equal calls give different values: they move with the clock")
    assert only(section, "history").status == NOT_TESTED


@pytest.mark.parametrize(
    "name", [pytest.param("noise", id="1.7"), pytest.param("noisy", id="1.7b")]
)
def test_plain_randomness_is_named_and_hides_no_other_check_behind_a_pass(name):
    section, contract = judge(name)
    said = only(section, "deterministic")
    assert (contract.cause, said.status) == (CHANCE, "fail")
    assert said.message == "Equal calls give different values: it is random."
    for left_out in ("history", "batch", "places"):
        assert only(section, left_out).status == NOT_TESTED
    assert said.message in verdict(section)[1]


def test_a_cause_is_told_by_what_removes_it():
    found = {}
    for name in ("honest", "hashed", "noise"):
        with opened(name) as reward:
            some = rows(8)
            reward.settle(some)
            early = steady.first(reward, some)
            found[name] = steady.repeats(reward, early).cause
    assert found == {"honest": "", "hashed": HASH_SEED, "noise": CHANCE}
    assert len({CALLS, CHANCE, CLOCK, HASH_SEED}) == 4


def test_neighbours_that_could_not_be_tried_are_not_tested():
    section, _ = judge("fails_alone")
    assert only(section, "batch").status == NOT_TESTED


# -- output --------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", [pytest.param("prints", id="1.10")])
def test_what_is_printed_is_a_note_with_its_size(name):
    with opened(name) as reward:
        some = rows(8)
        reward.settle(some)
        (box,) = {text.box for text in reward.texts}
        before = box.printed
        reward.grade(some)
        assert box.printed - before == 8 * len("graded\n")
        section, _ = run(reward, {"tag": probes(12)["tag"]})
    said = only(section, "output")
    assert said.status == "info"
    assert "bytes a call" in said.message
    assert not [f for f in judge("honest")[0].findings if f.name == "contract/output"]


# -- scale ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        pytest.param(1e-30, 1e30, id="1.2"),
        pytest.param(1e-9, 1e9, id="1.2b"),
        pytest.param(1.0, 1.0, id="scale 1"),
        pytest.param(1e30, 1e-30, id="1.1b"),
    ],
)
def test_values_of_any_size_are_judged_as_at_scale_1(factor, unit):
    with opened(f"times({factor})", SCALES) as reward:
        section, contract = run(reward, {"tag": probes(12)["tag"]})
        assert reward.unit == pytest.approx(unit)
        assert contract.spread == pytest.approx(factor)
        assert (contract.auc, contract.random, contract.cause, contract.place) == (1.0, "", "", "")
        with reward.as_given():
            assert reward.score(rows(1)) == [factor]
        assert reward.score(rows(1)) == [pytest.approx(1.0)]
    assert {f.status for f in section.findings} <= {"pass", "info"}


@pytest.mark.parametrize(
    ("estimator", "status", "says"),
    [
        ("grpo", "fail", "below the eps of 0.0001 that grpo adds to their standard deviation"),
        ("grpo_verl", "fail", "below the eps of 1e-06"),
        ("averaged(inner=grpo())", "fail", "below the eps of 0.0001"),
        ("grpo_exact", "info", "divides by their spread, so their scale is of no matter"),
        ("dr_grpo", "warn", "the advantages of dr_grpo are of that size too"),
        ("rloo", "warn", "the advantages of rloo are of that size too"),
    ],
)
def test_tiny_values_are_told_by_what_the_estimator_makes_of_them(estimator, status, says):
    (found,) = scale.findings(1e-9, 1e9, parse_estimator(estimator), estimator)
    assert (found.name, found.status) == ("contract/scale", status)
    assert says in found.message
    assert found.message.endswith("judged with values multiplied by 1e+09.")
    assert scale.findings(1.0, 1.0, parse_estimator(estimator), estimator) == []


def test_advantages_at_a_tiny_scale_are_as_small_as_said():
    # half a group of 8 paid s, half 0: standard deviation (ddof 1) d = s sqrt(2/7);
    # grpo gives s/2 / (d + eps), against 1/2 / (sqrt(2/7) + eps) at scale 1
    s, eps, d = 1e-9, 1e-4, (2 / 7) ** 0.5
    want = s * (d + eps) / (s * d + eps)
    (found,) = scale.findings(s, 1e9, parse_estimator("grpo"), "grpo")
    assert f"advantages are {want:.2g} of those at scale 1" in found.message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param(f"{SCALES}:times(1e308)", "returned 1e+308", id="1.1"),
        pytest.param(f"{SCALES}:plus_minus", "e+308, which is beyond 3.4e+38", id="1.1 both signs"),
        pytest.param(
            f"{SCALES}:times(1.0):1e39", "the sum of its terms is beyond", id="1.1 weight"
        ),
        pytest.param("1e308*outcome()", "pays 1e+308", id="1.1 catalogue"),
        pytest.param(f"{SCALES}:times(5e-324)", "differ by at most 4.94e-324", id="1.2 denormal"),
    ],
)
def test_what_float32_cannot_hold_is_refused_with_its_size(spec, says):
    report = validate(spec, worlds=1)
    assert (report.exit_code, report.verdict) == (2, "INCONCLUSIVE")
    assert says in report.error
    assert "in which trainers hold rewards" in report.error


def test_tiny_values_that_differ_are_not_the_same():
    assert same([1e-9, 0.0], [1e-9 * (1 + 1e-9), 0.0])
    assert not same([1e-9, 0.0], [0.0, 1e-9])
    assert same([1.0, 1e-9], [1.0, 0.0])  # rounding beside a value of 1
    assert same([None, 5e8], [None, 5e8 + 1])
    assert not same([None], [0.0])


# -- outputs -------------------------------------------------------------------------------------
def with_one_left_out() -> tuple[Report, Finding]:
    left_out = Finding(1, "contract/places", NOT_TESTED, "Not tried in a worker process: slow.")
    report = sample_report(verdict="SAFE")
    return replace(report, exit_code=0, sections=(Section(1, "", (left_out,)),)), left_out


def test_what_was_not_tested_is_told_in_every_output(capsys):
    report, finding = with_one_left_out()
    show_report(report, console(), page="", verbose=True)
    shown = capsys.readouterr().out
    assert "- not tested" in shown
    assert "pass" not in shown
    page = report_page(report)
    assert '<span class="badge not-tested">' in page
    assert finding.message in page
    assert "1 check passed" not in page
    assert report.to_dict()["findings"][0]["status"] == NOT_TESTED
    assert NOT_TESTED in report.forms()[".csv"]()
    assert NOT_TESTED in report.forms()[".md"]()
    assert report.lines()[-1] == "1 not tested"


def test_continuous_integration_reads_it_as_skipped():
    report, finding = with_one_left_out()
    suite = ET.fromstring(junit(report))
    assert (suite.get("skipped"), suite.get("failures")) == ("1", "0")
    assert suite.findall("testcase")[0].find("skipped").get("message") == finding.message  # pyright: ignore
    result = sarif(report)["runs"][0]["results"][1]
    assert (result["ruleId"], result["kind"], result["level"]) == (finding.name, "open", "none")


# -- from end to end -----------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "word", "says"),
    [
        pytest.param(f"{UNSTEADY}:breaks", "", "Values depend on earlier calls", id="1.3"),
        pytest.param(f"{UNSTEADY}:by_place", "RISKY", "depends on its place in the call", id="1.4"),
        pytest.param("1e-9*outcome()", "RISKY", "below the eps of 0.0001", id="1.2"),
    ],
)
def test_the_first_reason_is_the_cause(spec, word, says):
    report = validate(spec, worlds=2, quick=True)
    assert report.exit_code == 1
    assert says in report.reasons[0]
    assert word in (report.verdict, "")


@pytest.mark.slow
def test_where_scale_does_not_matter_tiny_values_have_the_verdict_of_scale_1():
    report = validate("1e-9*outcome()", worlds=2, estimator="dr_grpo")
    assert (report.verdict, report.exit_code) == ("SAFE", 0)  # as outcome() is
    assert [f.status for f in report.findings if f.name == "contract/scale"] == ["warn"]
