"""Every grader of the catalogue has a row on its page, with the columns it needs."""

from __future__ import annotations

import re

import pytest

from tests.places import ROOT
from toyrl import registry

PAGE = (ROOT / "docs" / "graders.md").read_text(encoding="utf-8")
ROWS = {name: line for line in PAGE.splitlines() if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])}  # fmt: skip
GRADERS = {e.name: e for e in registry.entries("grader")}


def test_the_page_has_all_of_them():
    assert sorted(ROWS) == sorted(GRADERS)


@pytest.mark.parametrize("name", sorted(GRADERS))
def test_papers_and_columns_are_said(name):
    entry = GRADERS[name]
    _, _, paper, columns, _, _ = ROWS[name].split("|")
    assert paper.strip() in entry.cards
    own = entry.target().reads
    alternatives = {"verdicts": "checklist"}  # one of the two is enough
    for column in own:
        assert f"`{column}`" in columns or f"`{alternatives.get(column)}`" in columns
