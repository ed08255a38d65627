"""The page "which estimator when" names everything in the catalogue, and nothing else."""

from __future__ import annotations

import re

import pytest

from tests.places import ROOT
from toyrl import registry

PAGE = (ROOT / "docs" / "estimators.md").read_text()
ESTIMATORS, OBJECTIVES = PAGE.split("## Objectives")[0], PAGE.split("## Objectives")[1]
ROW = re.compile(r"^\| `(\w+)` \|", re.MULTILINE)


@pytest.mark.parametrize(("kind", "text"), [("estimator", ESTIMATORS), ("objective", OBJECTIVES)])
def test_every_registered_name_has_one_row(kind: str, text: str):
    documented = ROW.findall(text)
    assert sorted(documented) == sorted({e.name for e in registry.entries(kind)})


def test_rows_are_complete():
    for line in PAGE.splitlines():
        if ROW.match(line):
            cells = [c.strip() for c in line.strip("|").split("|")]
            assert len(cells) == 5
            assert cells[1]
            assert cells[-1]
