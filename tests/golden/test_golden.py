"""The program computes what the golden record says; experiments have tests of their own."""

from __future__ import annotations

import json

import pytest

from tests.golden import part_validate
from tests.golden.compare import SHOWN, compared
from tests.golden.form import ATOL, RTOL, differences, plain, text
from tests.golden.part_pages import record_registry
from tests.golden.record import PARTS, STORED

JUDGED = ("laser()", "kimi()", "potential()", part_validate.CORRECT, "a text and a shaper")


@pytest.mark.parametrize("name", ["shapers", "estimators"])
def test_numbers_are_those_of_the_record(name):
    assert compared(name)[:SHOWN] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", JUDGED)
def test_verdicts_are_those_of_the_record(name):
    recorded = json.loads((STORED / "validate.json").read_text(encoding="utf-8"))
    fresh = plain(part_validate.one(*part_validate.CASES[name]))
    assert list(differences(recorded[name], fresh))[:SHOWN] == []


def test_every_recorded_name_exists():
    recorded = json.loads((STORED / "registry.json").read_text(encoding="utf-8"))
    assert set(recorded) <= set(record_registry())


def test_the_record_is_complete():
    there = {p.relative_to(STORED).as_posix() for p in STORED.rglob("*") if p.is_file()}
    assert there == {file for files in PARTS.values() for file in files}


def test_differences_are_told_from_rounding():
    old = {"a": [1.0, [0.0, "nan"]], "b": True, "c": "x", "d": 3}
    same = {"a": [1.0 + 0.5 * RTOL, [0.5 * ATOL, "nan"]], "b": True, "c": "x", "d": 3.0}
    assert list(differences(old, same)) == []
    moved = {"a": [1.0 + 3 * RTOL, [3 * ATOL]], "b": 1, "c": "y", "e": 3}
    paths = [line.split(":")[0] for line in differences(old, moved)]
    assert paths == ["/a[0]", "/a[1]", "/a[1][0]", "/b", "/c", "/d", "/e"]


def test_the_text_holds_every_number():
    value = plain({"x": [[0.1 + 0.2, 1e-300], []], "y": {}, "z": (float("inf"), True, None)})
    assert json.loads(text(value)) == value
    assert value["z"] == ["inf", True, None]
