"""The page on logs names the columns that are read and the findings that decide."""

from __future__ import annotations

import re

from tests.places import ROOT
from toyrl.experiments.validate.own.evidence import DECIDES
from toyrl.rollouts.log_columns import KEYS
from toyrl.rollouts.log_files import KINDS

PAGE = (ROOT / "docs/rollouts.md").read_text(encoding="utf-8")


def table(first: str) -> dict[str, str]:
    """First column -> last column of the table whose first head this is."""
    part = PAGE.split(f"| {first} |", 1)[1].split("\n\n", 1)[0]
    cells = [line.strip("| ").split(" | ") for line in part.splitlines()[2:]]
    return {row[0]: row[-1] for row in cells}


def test_every_column_that_is_read_is_named():
    named = {what: tuple(re.split(r"[,;] ", text)) for what, text in table("What").items()}
    assert set(named) == set(KEYS)
    for what, names in KEYS.items():
        assert named[what][: len(names)] == names


def test_every_deciding_finding_has_its_verdict():
    assert {k.strip("`"): v for k, v in table("Finding").items()} == DECIDES


def test_every_kind_of_file_is_named():
    assert all(f"`{kind}`" in PAGE for kind in KINDS)
