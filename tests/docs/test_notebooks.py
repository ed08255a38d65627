"""The example notebooks run as they stand, and hold what their cells show."""

from __future__ import annotations

import json
import re

import pytest

from docs.generate import notebooks

NAMES = {"look_at_a_claim", "validate_a_reward"}
TIME = re.compile(r"\d+(\.\d+)? ?s\b")


def code(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def said(cell: dict) -> list[str]:
    """What a cell shows, as plain text without times."""
    shown = [o["text"] if "text" in o else o["data"]["text/plain"] for o in cell["outputs"]]
    return [TIME.sub("", "".join(text)) for text in shown]


def test_the_notebooks_are_there():
    assert {path.stem for path in notebooks.notebooks()} == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks.notebooks(), ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_holds(path, tmp_path, monkeypatch):
    """`python -m docs.generate.notebooks` writes them again where a difference is meant."""
    monkeypatch.chdir(tmp_path)
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert (kept["nbformat"], len({c["id"] for c in kept["cells"]})) == (4, len(kept["cells"]))
    made = notebooks.run(kept)
    assert [said(c) for c in code(made)] == [said(c) for c in code(kept)]
    shown = [o["data"] for c in code(kept) for o in c["outputs"] if "data" in o]
    assert any("text/html" in data for data in shown)


def test_a_cell_prints_shows_its_last_value_and_raises():
    def cells(*sources: str) -> dict:
        return {"cells": [{"cell_type": "code", "source": [s]} for s in sources]}

    first, second = code(notebooks.run(cells("x = 2\nprint(x)\nx + 1", "x = 5")))
    assert said(first) == ["2\n", "3"]
    assert said(second) == []
    with pytest.raises(ZeroDivisionError):
        notebooks.run(cells("1 / 0"))
