"""JUnit and SARIF: well formed, complete, harmless."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from tests.experiments.render.sample_report import HOSTILE, sample_report
from toyrl.experiments.cli import main
from toyrl.experiments.render.ci import junit, sarif
from toyrl.experiments.render.html import report_page
from toyrl.experiments.render.words import meaning


def test_junit_counts_its_cases():
    report = sample_report()
    suite = ET.fromstring(junit(report))
    cases = suite.findall("testcase")
    shown = [f for f in report.findings if f.status != "info"]
    assert int(suite.get("tests")) == len(cases) == len(shown) + 1
    failures = [c for c in cases if c.find("failure") is not None]
    assert len(failures) == int(suite.get("failures"))
    assert {c.get("name") for c in failures} >= {f.name for f in shown if f.status == "fail"}
    assert cases[-1].find("failure").get("message") == report.verdict


@pytest.mark.parametrize(("code", "tag"), [(0, "system-out"), (1, "failure"), (2, "error")])
def test_the_verdict_fails_with_the_exit_code(code, tag):
    suite = ET.fromstring(junit(replace(sample_report(), exit_code=code)))
    assert suite.findall("testcase")[-1].find(tag) is not None
    assert suite.get("errors") == str(int(code == 2))


def test_hostile_text_stays_text():
    report = sample_report(HOSTILE + "\x00\x1b[31m]]>")
    suite = ET.fromstring(junit(report))
    assert [e.tag for e in suite.iter()].count("testcase") == int(suite.get("tests"))
    assert "\x1b" not in junit(report)
    assert "\x1b" not in str(sarif(report))


def test_sarif_names_rules_levels_and_places():
    report = replace(sample_report(), reward="./rewards/a.py:f + 0.2 * laser()")
    data = sarif(report)
    [run] = data["runs"]
    known = {r["id"] for r in run["tool"]["driver"]["rules"]}
    assert data["version"] == "2.1.0"
    assert {r["ruleId"] for r in run["results"]} <= known
    assert {r["level"] for r in run["results"]} <= {"error", "warning", "note", "none"}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "rewards/a.py"
    assert sarif(replace(report, reward="laser()"))["runs"][0]["results"][0]["locations"] == []
    told = ("not tested", "warn", "fail")
    assert len(run["results"]) == 1 + sum(f.status in told for f in report.findings)


def test_both_are_refused_with_compare(tmp_path, capsys):
    wanted = str(tmp_path / "a.xml")
    assert main(["validate", "--compare", "outcome()", "outcome()", "--junit", wanted]) == 2
    assert "--compare" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1, 2])
def test_failures_and_errors_are_there_if_and_only_if_the_exit_code_says_so(code):
    report = replace(sample_report(), exit_code=code)
    assert any(f.status == "fail" for f in report.findings)
    suite = ET.fromstring(junit(report))
    assert (suite.get("failures") == "0") == (code == 0)
    levels = {x["level"] for x in sarif(report)["runs"][0]["results"]}
    assert ("error" in levels) == (code != 0)


@pytest.mark.parametrize(
    ("verdict", "code", "said"),
    [("RISKY", 1, "failed, so the exit code is 1"), ("INCONCLUSIVE", 0, "so the exit code is 0"),
     ("UNSAFE", 1, "that it pays like right ones")],
)  # fmt: skip
def test_page_and_card_say_the_exit_code_where_the_word_does_not(verdict, code, said):
    report = replace(sample_report(), verdict=verdict, exit_code=code)
    assert said in meaning(report)
    assert said in report_page(report)
    assert said in report.card()
