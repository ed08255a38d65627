"""Findings in the forms that continuous integration reads: JUnit XML and SARIF 2.1.0."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

from toyrl.experiments.render.text import visible
from toyrl.experiments.validate.findings import NOT_TESTED, SECTIONS, Finding, Report

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {"fail": "error", "warn": "warning", "info": "note", NOT_TESTED: "none"}
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FILE = re.compile(r"[^\s*+]+\.py(?=:|\s|$)")


def junit(report: Report) -> str:
    """JUnit XML: a case per finding and one for the verdict, which fails with the exit code.

    Failed findings are failures wherever the exit code says so, and only there: there are none if
    and only if it is 0. What was not tested is skipped; warnings and notes are passed cases with
    their text.
    """
    cases = [f for f in report.findings if f.status != "info"]
    broken = report.exit_code != 0
    failed = [f for f in cases if broken and f.status == "fail"]
    suite = ET.Element(
        "testsuite",
        name="toyrl validate",
        tests=str(len(cases) + 1),
        failures=str(len(failed) + (report.exit_code == 1)),
        errors=str(int(report.exit_code not in (0, 1))),
        skipped=str(sum(f.status == NOT_TESTED for f in cases)),
        time=f"{report.seconds:.3f}",
    )
    for f in cases:
        name = _plain(f.name)
        case = ET.SubElement(suite, "testcase", classname=f"toyrl.{_section(f)}", name=name)
        if f in failed:
            ET.SubElement(case, "failure", message=_plain(f.message)).text = _evidence(f)
        elif f.status == NOT_TESTED:
            ET.SubElement(case, "skipped", message=_plain(f.message))
        else:
            ET.SubElement(case, "system-out").text = _plain(f.message)
    last = ET.SubElement(suite, "testcase", classname="toyrl.verdict", name=_plain(report.reward))
    text = "\n".join(map(_plain, report.reasons))
    if broken:
        kind = "failure" if report.exit_code == 1 else "error"
        ET.SubElement(last, kind, message=report.verdict).text = text
    else:
        ET.SubElement(last, "system-out").text = f"{report.verdict}\n{text}"
    ET.indent(suite)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suite, encoding="unicode")


def sarif(report: Report) -> dict[str, Any]:
    """SARIF 2.1.0: a result per finding that warns, fails or was not tested, and the verdict's.

    What was not tested has the kind "open" and no level. Errors are there if and only if the exit
    code is not 0. Results point at the reward's file; code scanning shows them there.
    """
    shown = [f for f in report.findings if f.status in (NOT_TESTED, "warn", "fail")]
    rules = {f.name: f for f in shown}
    good = report.exit_code == 0
    mild = "note" if report.verdict == "SAFE" else "warning"
    verdict = {
        "ruleId": "verdict",
        "level": mild if good else "error",
        "message": {"text": _plain(" ".join([f"{report.verdict}.", *report.reasons]))},
        "locations": _locations(report.reward),
    }
    return {
        "$schema": SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "toyrl",
                        "version": str(report.versions.get("toyrl", "")) or "0",
                        "rules": [
                            {"id": "verdict", "name": "Verdict"},
                            *(
                                {
                                    "id": name,
                                    "name": name.replace("/", "-"),
                                    "properties": {"section": _section(f)},
                                }
                                for name, f in rules.items()
                            ),
                        ],
                    }
                },
                "results": [verdict, *(_result(f, report.reward, good) for f in shown)],
            }
        ],
    }


def _result(f: Finding, reward: str, good: bool) -> dict[str, Any]:
    text = f.message + (f" To do: {f.fix}." if f.fix else "")
    level = LEVELS[f.status] if f.status == NOT_TESTED or not good else "warning"
    return {
        "ruleId": f.name,
        **({"kind": "open"} if f.status == NOT_TESTED else {}),
        "level": level,
        "message": {"text": _plain(text)},
        "locations": _locations(reward),
    }


def _locations(reward: str) -> list[dict[str, Any]]:
    found = FILE.search(reward)
    if found is None:
        return []
    uri = found.group(0).replace("\\", "/").removeprefix("./")
    return [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}]


def _section(f: Finding) -> str:
    return SECTIONS[f.section].replace(" ", "-")


def _evidence(f: Finding) -> str:
    parts = [f.message, f"To do: {f.fix}" if f.fix else "", ""]
    if f.counterexample is not None:
        parts[2] = f"Counterexample: {f.counterexample}"
    return "\n".join(_plain(p) for p in parts if p)


def _plain(text: str) -> str:
    """Without control characters, which XML can't hold."""
    return NO_XML.sub("\N{REPLACEMENT CHARACTER}", visible(str(text)))
