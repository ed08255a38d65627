"""`validate` on tasks: which one it is, what is found on its texts, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.experiments.validate.reward_zoo.written import WRITTEN_FLAWED, WRITTEN_SOUND
from tests.experiments.validate.task_zoo import TASKS, Case, cases, expected
from tests.places import ROOT
from toyrl.experiments.api import validate
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.tasks.found import find

OWN = ROOT / "examples" / "tasks" / "colours.py"
REWARD = """import re

def colour(completions, answer, **kwargs):
    found = [re.findall(r"<answer>(.*?)</answer>", c) for c in completions]
    return [float(bool(f) and {0}) for f, a in zip(found, answer)]
"""


def rows(folder: Path, *given: dict) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in given), encoding="utf-8")
    return file


# -- which task ------------------------------------------------------------------------------------
def test_the_zoo_has_six_of_each_and_all_expectations_are_of_its_rewards():
    for task in TASKS:
        sound = [c.sound for c in cases(task)]
        assert (sum(sound), len(sound)) == (6, 12)
        assert set(expected(task)) == {c.name for c in cases(task) if not c.sound}


def test_tasks_are_found_from_signature_and_source_and_arithmetic_is_left_alone():
    for task in TASKS:
        missed = [c.name for c in cases(task) if find(c.spec, Settings()).name != task]
        assert missed == (["compute_score"] if task == "choice" else []), task
    for known in (WRITTEN_SOUND, WRITTEN_FLAWED):
        for x in known.values():
            assert find(list(x.specs), Settings()).task is None, x.name
    assert find("reasoning_sql()", Settings()).task is None  # its rows have a form of their own


def test_a_task_is_found_from_data_columns_and_the_evidence_is_named(tmp_path):
    file = tmp_path / "r.py"
    file.write_text(REWARD.format("f[-1] == a"))
    data = rows(tmp_path, {"prompt": "p", "answer": "A", "choices": ["x", "y"]})
    found = find(f"{file}:colour", Settings(data=data))
    assert found.name == "choice"
    assert "the data column `choices`" in found.finding().message
    told = find(f"{file}:colour", Settings(data=data, task="arithmetic"))
    assert told.task is None
    assert find(["outcome()"], Settings(data=data)).task is None
    assert find(f"{file}:colour", Settings(rollouts=data)).task is None


TWO = """
import sqlite3

def _rows(query, path):
    return sqlite3.connect(path).execute(query).fetchall()

def runs(completion, answer, path):
    return float(_rows(completion, path) == answer)

def number(completion, answer):
    return float(answer in completion)
"""


def test_another_reward_of_the_file_says_nothing_of_the_task(tmp_path):
    file = tmp_path / "r.py"
    file.write_text(TWO)
    assert find(f"{file}:runs", Settings()).name == "sql"  # through the function that it calls
    assert find(f"{file}:number", Settings()).task is None


def test_a_weaker_sign_is_a_hint():
    case = Case("choice", "compute_score")
    assert "say --task choice" in find(case.spec, Settings()).hint()
    report = validate(case.spec, only="contract")
    assert report.verdict == "INCONCLUSIVE"
    assert "say --task choice" in report.reasons[-1]
    assert validate(case.spec, quick=True, task="choice").verdict == "SAFE SO FAR"


# -- what is found ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("choice", "tolerant"),
        ("choice", "flawed_letter_inside"),
        ("tools", "bare_json"),
        ("tools", "flawed_extra_allowed"),
        ("sql", "same_rows"),
        ("sql", "flawed_script"),
        ("open", "share_of_constraints"),
        ("open", "flawed_words_of_item"),
    ],
)
def test_a_sound_reward_passes_and_a_flawed_one_is_told_its_flaw_first(task, name):
    case = Case(task, name)
    report = validate(case.spec, quick=True)
    assert next(f for f in report.findings if f.name == "contract/task").status == "info"
    if case.sound:
        assert (report.verdict, report.exit_code) == ("SAFE SO FAR", 0)
        return
    assert report.verdict == "UNSAFE"
    first = next(f.name for f in report.findings if report.reasons[0].startswith(f.message))
    assert any(fnmatchcase(first, p) for p in case.expected), first


def test_a_grader_of_the_catalogue_is_judged_on_the_checklists_that_it_decides(tmp_path):
    asked = (["contains: kite|bay", "bullets: 2"], ["forbids: ship", "headings: 1"])
    data = rows(tmp_path, *({"prompt": f"Write {i}.", "checklist": x} for i, x in enumerate(asked)))
    report = validate("checklist(verifier='constraints', over='all')", quick=True, data=data)
    said = next(f.message for f in report.findings if f.name == "contract/task")
    assert "Problems are those of your data rows, 2 of them." in said
    assert report.verdict == "SAFE SO FAR"


@pytest.mark.parametrize(("check", "name"), [("f[-1].strip() == a", ""), ("a in f[-1]", "all")])
def test_a_task_of_ones_own_is_judged_as_the_page_says(tmp_path, check, name):
    file = tmp_path / "r.py"
    file.write_text(REWARD.format(check))
    report = validate(f"{file}:colour", quick=True, task=f"{OWN}:Colours")
    failed = [f.name for f in report.findings if f.status == "fail"]
    assert failed[:1] == ([f"hacks/task-{name}"] if name else [])
    if name:
        shown = next(f for f in report.findings if f.name == failed[0]).counterexample
        assert len(shown) < 120  # without its padding
    assert report.to_dict()["settings"]["task"] == f"{OWN}:Colours"


def test_what_tasks_leave_out_says_so():
    report = validate(Case("choice", "tag_letter").spec, quick=True)
    said = {f.name: f.status for f in report.findings}
    assert said["hacks/task-search"] == "not tested"
    assert "contract/gold-form" not in said


def test_the_page_shows_the_example_as_it_is():
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    source = OWN.read_text(encoding="utf-8")
    assert f"```python\n{source}```" in page
    assert len(source.splitlines()) <= 42


# -- bad input -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("task", "row", "said"),
    [
        ("sql", {"tools": []}, "the data rows are of the task tools"),
        ("tools", {"tools": "[{"}, r"data row 0: tools='\[\{' is no JSON"),
        ("tools", {"tools": ["x"]}, "is no list of schemas"),
        ("sql", {"sql": "SELECT 1", "db_path": "/none.sqlite"}, "does not exist"),
        ("sql", {"sql": "SELECT 1", "schema": "CREATE TABEL t"}, "is no script that SQLite runs"),
        ("sql", {"sql": "SELECT 1", "schema": "VACUUM INTO 'x.sqlite'"}, "is no script that SQL"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_message(tmp_path, task, row, said):
    data = rows(tmp_path, {"prompt": "p", "answer": "x", **row})
    spec = next(c.spec for c in cases(task) if c.sound)
    with pytest.raises(UsageError, match=said):
        validate(spec, quick=True, task=task, data=data)


def test_scores_of_steps_are_of_arithmetic(tmp_path):
    file = tmp_path / "prm.py"
    file.write_text("def score(steps):\n    return [1.0] * len(steps)\n")
    with pytest.raises(UsageError, match="task='sql' and process are both given"):
        find("outcome()", Settings(task="sql", process=f"{file}:score"))


def test_an_unknown_task_is_refused_at_the_door():
    with pytest.raises(UsageError, match="'sqll' is no task; there are arithmetic"):
        replace(Settings(), task="sqll")
