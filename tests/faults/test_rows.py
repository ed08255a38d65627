"""Every row of the table of faults has its test, and every requirement its rows."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.faults.rows import HOSTILE, REQUIREMENTS, ROWS
from tests.places import ROOT

TESTS = ROOT / "tests"
SECTIONS = ("2a", "2c", "2d", "2e", "3a", "3b", "3c", "4a", "4b", "5a", "5b", "5c", "5d", "6", "9")


@cache
def functions(file: Path) -> dict[str, str]:
    """Test function -> its source with its decorators."""
    text = file.read_text(encoding="utf-8")
    lines, found = text.splitlines(), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return found


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_a_test(row):
    file, _, name = ROWS[row].partition("::")
    name, _, number = name.rstrip("]").partition("[")
    known = functions(TESTS / file)
    assert name.startswith("test_")
    assert name in known, f"{row}: tests/{file} has no {name}"
    assert "xfail" not in known[name]
    if number:
        pattern = rf"""["']{re.escape(number)}(["' ])"""
        assert re.search(pattern, known[name]), f"{row}: no case of {name} is called {number}"


def test_no_number_is_missing():
    assert set(HOSTILE) == {f"1.{i}" for i in range(1, 28) if i != 15}
    sections = [row.split()[0] for row in ROWS if row not in HOSTILE]
    assert [*dict.fromkeys(sections)] == [*SECTIONS]
    counts = {s: sections.count(s) for s in SECTIONS}
    assert counts["2c"] >= 11
    assert counts["3a"] >= 6
    assert counts["6"] >= 6


def test_no_requirement_is_missing():
    assert set(REQUIREMENTS) == set(range(1, 27))
    for number, rows in REQUIREMENTS.items():
        assert rows, number
        assert set(rows) <= set(ROWS), number


def test_control_a_row_without_its_test_is_found(monkeypatch):
    monkeypatch.setitem(ROWS, "1.1", "faults/test_passes.py::test_that_is_not_there")
    with pytest.raises(AssertionError, match="has no test_that_is_not_there"):
        test_a_row_is_a_test("1.1")
    monkeypatch.setitem(ROWS, "1.1", "faults/test_rows.py::test_no_number_is_missing[9.99]")
    with pytest.raises(AssertionError, match=r"no case of .* is called 9\.99"):
        test_a_row_is_a_test("1.1")
