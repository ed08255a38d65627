"""The examples of tasks do what their pages say."""

from __future__ import annotations

import pytest

from docs.generate.task_reports import folders, judged, page, written
from tests.places import ROOT
from toyrl.experiments.validate.findings import Report
from toyrl.worlds.text.tasks.find import KNOWN


def said(report: Report) -> str:
    """What the report says of its task."""
    return next(f.message for f in report.findings if f.name == "contract/task")


def test_every_task_has_an_example_and_a_page():
    assert folders() == sorted(KNOWN)
    assert sorted(p.stem for p in (ROOT / "docs" / "tasks").glob("*.md")) == sorted(KNOWN)
    assert all((ROOT / "examples" / "data" / n / "README.md").is_file() for n in KNOWN)


@pytest.mark.slow
@pytest.mark.parametrize("name", folders())
def test_an_example_is_told_its_flaw_as_its_page_shows(name):
    flawed = judged(name, "flawed")
    assert flawed.verdict == "UNSAFE"
    assert f"of the task {name} (found from" in said(flawed)
    assert "Problems are those of your data rows" in said(flawed)
    assert written(name, flawed) == page(name).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in folders() if n != "code"])  # starts a process a text
def test_the_sound_neighbour_is_not_blamed(name):
    sound = judged(name, "sound")
    assert sound.verdict == "SAFE SO FAR"
    assert "Problems are those of your data rows" in said(sound)
