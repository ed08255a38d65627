"""toyrl in pytest: a marker, a section with every reward that was judged, and report pages.

Loaded by pytest wherever toyrl is installed, so it imports nothing heavy. What it lists are the
reports of `assert_safe`, `assert_no_exploit` and `assert_invariants`.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from toyrl.asserted import listening

MARKER = "toyrl: a test that judges a reward; pytest -m toyrl runs these alone"
TOLD = "toyrl"
"""Name of the properties that carry a reward's line from the process of the test."""
HEARD: pytest.StashKey[list[Any]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--toyrl-report FOLDER`."""
    parser.getgroup("toyrl", "rewards").addoption(
        "--toyrl-report",
        metavar="FOLDER",
        type=Path,
        help="Write the page of each reward that assert_safe or assert_no_exploit judges there.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", MARKER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hear what the test's assertions find."""
    with listening() as item.stash[HEARD]:
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A line for each reward, and its reasons beside the failure."""
    heard = item.stash.get(HEARD, []) if call.when == "call" else []
    item.user_properties += [(TOLD, line(found)) for found in heard]
    report = yield
    for number, found in enumerate(heard):
        if report.failed:
            report.sections.append((f"toyrl: {name(found)}", told(found)))
        folder = item.config.getoption("toyrl_report")
        if folder is not None and hasattr(found, "save"):
            folder.mkdir(parents=True, exist_ok=True)
            stem = re.sub(r"[^\w.-]+", "-", item.nodeid).strip("-")
            found.save(folder / f"{stem}{f'-{number + 1}' if number else ''}.html")
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Every reward that was judged, failures last."""
    reports = [
        r
        for outcome in ("passed", "failed")
        for r in terminalreporter.stats.get(outcome, [])
        if getattr(r, "when", "") == "call"
    ]
    lines = [
        f"{r.nodeid}: {said}" for r in reports for key, said in r.user_properties if key == TOLD
    ]
    if lines:
        terminalreporter.section("toyrl: rewards judged")
        for said in lines:
            terminalreporter.line(said)


def name(found: Any) -> str:
    """The reward's name."""
    return str(getattr(found, "reward", "reward"))


def line(found: Any) -> str:
    """One line: the verdict with its first reason, or which laws broke."""
    if hasattr(found, "verdict"):
        reason = next(iter(found.reasons), "")
        words = f"{found.verdict} {name(found)}"
        return " ".join(f"{words}: {reason}".split()) if reason and not found.ok else words
    broken = ", ".join(found.broken())
    return f"{name(found)} {f'breaks {broken}' if broken else 'keeps its laws'}"


def told(found: Any) -> str:
    """All reasons, and where each problem is explained; of laws those that broke."""
    if not hasattr(found, "verdict"):
        return "\n".join(str(r) for r in found.results if not r.holds)
    failed = [f.name for f in found.findings if f.status == "fail"]
    where = [f"toyrl explain {f}" for f in dict.fromkeys(failed)]
    return "\n".join([f"{found.verdict}: {name(found)}", *found.reasons, *where])
