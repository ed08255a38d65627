"""`validate` on tasks: which one it is, what is found on its texts, what is refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.experiments.validate.reward_zoo.written import WRITTEN_FLAWED, WRITTEN_SOUND
from tests.experiments.validate.task_zoo import TASKS, Case, cases, expected
from tests.places import ROOT
from tests.worlds.text.tasks.test_tools import BFCL
from toyrl.experiments.api import validate
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.tasks.clues import of_source
from toyrl.experiments.validate.tasks.found import find
from toyrl.experiments.validate.tasks.hacks import Paid
from toyrl.expressions import parse_grader
from toyrl.worlds.text.tasks import rows as task_rows
from toyrl.worlds.text.tasks.find import task_of

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
        more = 3 if task == "tools" else 0  # of messages
        assert (sum(sound), len(sound)) == (6 + more, 12 + 2 * more)
        assert set(expected(task)) == {c.name for c in cases(task) if not c.sound}


@pytest.mark.slow
def test_tasks_are_found_from_signature_and_source_and_arithmetic_is_left_alone():
    for task in TASKS:
        missed = [c.name for c in cases(task) if find(c.spec, Settings()).name != task]
        assert missed == (["compute_score"] if task == "choice" else []), task
    for known in (WRITTEN_SOUND, WRITTEN_FLAWED):
        for x in known.values():
            assert find(list(x.specs), Settings()).task is None, x.name


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


def test_rows_of_bfcl_say_their_task_by_the_column_of_functions(tmp_path):
    reward = tmp_path / "mine.py"
    reward.write_text("def mine(completions, ground_truth, **kwargs):\n    return [0.0]\n")
    found = find(
        f"{reward}:mine",
        Settings(data=rows(tmp_path, BFCL, {**BFCL, "ground_truth": [{"clock": {}}]})),
    )
    assert found.name == "tools"
    assert "`function`" in found.finding().message
    assert found.own_rows


def test_a_grader_of_the_catalogue_says_its_task():
    found = find("reasoning_sql()", Settings())
    assert found.name == "sql"
    assert "the catalogue, which says it of reasoning_sql()" in found.finding().message
    assert find("text_format()", Settings()).task is None


@pytest.mark.slow
def test_a_grader_of_the_catalogue_is_judged_on_its_task():
    pytest.importorskip("sqlglot", reason="needs the extra tasks")
    report = validate("reasoning_sql()", only="contract")
    names = {f.name: f.status for f in report.findings}
    assert "fail" not in names.values()
    layout = next(f.message for f in report.findings if f.name == "contract/dialect")
    assert "AUC 1.00" in layout
    assert "```sql" in layout


def test_a_path_beside_the_data_file_is_found_and_its_rows_are_the_problems(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "own.sqlite")) as base:
        base.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);")
    given = [{"question": "?", "SQL": f"SELECT a FROM t WHERE a > {n}"} for n in (0, 1)]
    data = rows(tmp_path, *({**g, "db_path": "own.sqlite"} for g in given))
    spec = Case("sql", "same_rows").spec
    found = find(spec, Settings(data=data))
    assert "Problems are those of your data rows, 2" in found.finding().message
    assert found.task.problems()[0].columns["db_path"] == str(tmp_path / "own.sqlite")
    data = rows(tmp_path, *({**g, "db_path": "gone.sqlite"} for g in given))
    with pytest.raises(UsageError, match=r"data row 0: db_path='gone\.sqlite' does not exist"):
        validate(spec, quick=True, search=0, data=data)


def test_of_best_paid_texts_a_failure_is_shown_before_a_warning():
    asked, _, wrong = task_rows.answers(task_of("sql"))[0]
    both = [replace(x, name="n") for x in wrong if x.name in ("everything", "rows-repeated")]
    texts = tuple(task_rows.written("tag", asked, x, correct=False, tokens=9, seed=0) for x in both)
    assert {t.said.status for t in texts} == {"fail", "warn"}
    assert Paid("n", texts, (1.0, 1.0)).best.said.status == "fail"
    assert Paid("n", texts[::-1], (1.0, 1.0)).best.said.status == "fail"


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


@pytest.mark.slow
def test_a_weaker_sign_is_a_hint():
    case = Case("choice", "compute_score")
    assert "say --task choice" in find(case.spec, Settings()).hint()
    report = validate(case.spec, only="contract")
    assert report.verdict == "INCONCLUSIVE"
    assert "say --task choice" in report.reasons[-1]
    assert validate(case.spec, quick=True, search=0, task="choice").verdict == "SAFE SO FAR"


# -- what is found ---------------------------------------------------------------------------------
@pytest.mark.swept
@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("choice", "tolerant"),
        ("choice", "flawed_letter_inside"),
        ("tools", "bare_json"),
        ("tools", "flawed_extra_allowed"),
        ("tools", "messages_or_text"),
        ("tools", "flawed_messages_any"),
        ("sql", "same_rows"),
        ("sql", "flawed_script"),
        ("translation", "chrf_guarded"),
        ("translation", "flawed_bag_of_words"),
        ("boxes", "f1_at_half"),
        ("boxes", "flawed_recall"),
        ("open", "share_of_constraints"),
        ("open", "flawed_words_of_item"),
    ],
)
def test_a_sound_reward_passes_and_a_flawed_one_is_told_its_flaw_first(task, name):
    case = Case(task, name)
    report = validate(case.spec, quick=True, search=200 if case.sound else 0)
    assert next(f for f in report.findings if f.name == "contract/task").status == "info"
    if case.sound:
        assert (report.verdict, report.exit_code) == ("SAFE SO FAR", 0)
        return
    assert report.verdict == "UNSAFE"
    first = next(f.name for f in report.findings if report.reasons[0].startswith(f.message))
    assert any(fnmatchcase(first, p) for p in case.expected), first


AGENT = """
def agent(completions, expected, **kwargs):
    calls = [m[0].get("tool_calls") or [{}] for m in completions]
    return [float(c[-1].get("function") == e) for c, e in zip(calls, expected)]

def raises(completions, expected, **kwargs):
    out = []
    for m, e in zip(completions, expected):
        calls = m[0].get("tool_calls") or []
        said = {k: call["function"][k] for call in calls for k in ("name", "arguments")}
        out.append(float(len(calls) == 1 and said == e))
    return out
"""


@pytest.mark.slow
def test_calls_of_messages_are_judged_and_shown_as_json(tmp_path):
    file = tmp_path / "agent.py"
    file.write_text(AGENT)
    report = validate(f"{file}:agent", quick=True, search=0)
    found = next(f for f in report.findings if f.name == "hacks/task-repeated")
    (message,) = json.loads(found.counterexample)
    assert [c["type"] for c in message["tool_calls"]] == ["function"] * 2
    assert "calls as chat messages" in next(
        f.message for f in report.findings if f.name == "contract/task"
    )


@pytest.mark.slow
def test_a_reward_that_raises_on_a_mutant_is_judged_on_the_others(tmp_path):
    file = tmp_path / "agent.py"
    file.write_text(AGENT)
    report = validate(f"{file}:raises", quick=True, search=0)
    assert report.verdict == "RISKY"
    said = next(f for f in report.findings if f.name == "hacks/raises")
    assert said.status == "fail"
    assert "(the right tool's name alone)" in said.message
    assert "KeyError" in said.message


@pytest.mark.slow
def test_graders_of_the_catalogue_find_their_task_and_its_form():
    for spec in ("tool_calls()", "tool_calls_sound()", parse_grader("tool_calls()")):
        assert find(spec, Settings()).name == "tools"
    said = {f.name: f for f in validate("tool_calls()", only="contract").findings}
    assert "gold as ToolRL's text" in said["contract/task"].message
    assert said["contract/gold"].status == "pass"
    assert said["contract/dialect"].value == 1.0


@pytest.mark.slow
def test_a_grader_of_the_catalogue_is_judged_on_the_checklists_that_it_decides(tmp_path):
    asked = (["contains: kite|bay", "bullets: 2"], ["forbids: ship", "headings: 1"])
    data = rows(tmp_path, *({"prompt": f"Write {i}.", "checklist": x} for i, x in enumerate(asked)))
    report = validate(
        "checklist(verifier='constraints', over='all')", quick=True, search=0, data=data
    )
    said = next(f.message for f in report.findings if f.name == "contract/task")
    assert "Problems are those of your data rows, 2 of them." in said
    assert report.verdict == "SAFE SO FAR"


@pytest.mark.parametrize(("check", "name"), [("f[-1].strip() == a", ""), ("a in f[-1]", "all")])
def test_a_task_of_ones_own_is_judged_as_the_page_says(tmp_path, check, name):
    file = tmp_path / "r.py"
    file.write_text(REWARD.format(check))
    report = validate(f"{file}:colour", quick=True, search=0, task=f"{OWN}:Colours")
    failed = [f.name for f in report.findings if f.status == "fail"]
    assert failed[:1] == ([f"hacks/task-{name}"] if name else [])
    if name:
        shown = next(f for f in report.findings if f.name == failed[0]).counterexample
        assert len(shown) < 120  # without its padding
    assert report.to_dict()["settings"]["task"] == f"{OWN}:Colours"


FIRST_BOX = """import re

def iou(a, b):
    wide, high = (max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i])) for i in (0, 1))
    areas = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
    return wide * high / max(sum(areas) - wide * high, 1)

def first(completions, solution, **kwargs):
    pattern = r"<answer>.*?\\[(\\d+), *(\\d+), *(\\d+), *(\\d+)\\].*?</answer>"
    found = [re.search(pattern, c, re.S) for c in completions]
    boxes = [[int(x) for x in f.groups()] if f else None for f in found]
    return [float(b is not None and iou(b, s) > 0.5) for b, s in zip(boxes, solution)]
"""


@pytest.mark.slow
def test_gold_answers_come_in_the_form_that_the_reward_reads(tmp_path):
    file = tmp_path / "r.py"
    file.write_text(FIRST_BOX)
    report = validate(f"{file}:first", quick=True, search=0)
    said = {f.name: f for f in report.findings}
    told = "task boxes with gold as one box, four numbers (found from the name `iou`"
    assert told in said["contract/task"].message
    assert "dialect tag" in said["contract/dialect"].message  # not [0,0,0,{}], of its pattern
    assert said["hacks/task-right-first"].status == "fail"


@pytest.mark.parametrize("name", ["_iou", "compute_iou_xyxy", "calcIoU", "giou"])
def test_overlap_is_known_by_any_of_its_names(name):
    assert {c.task for c in of_source(FIRST_BOX.replace("iou", name), "first")} == {"boxes"}
    spaces = FIRST_BOX.replace("iou", "previous")
    assert not [*of_source(spaces, "first")]


@pytest.mark.slow
def test_a_mark_that_is_paid_whatever_it_holds_is_no_unread_format():
    report = validate(Case("translation", "flawed_length_ratio").spec, quick=True, search=0)
    assert report.verdict == "INCONCLUSIVE"
    assert report.reasons[0].startswith("Wrong rollouts are paid as right ones: 1 against 1")
    assert "in the dialect tag; if it reads another, say" in report.reasons[0]
    only = validate(Case("translation", "flawed_length_ratio").spec, only="contract")
    assert "the format that it reads was not found" in only.reasons[0]


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
        validate(spec, quick=True, search=0, task=task, data=data)


def test_scores_of_steps_are_of_arithmetic(tmp_path):
    file = tmp_path / "prm.py"
    file.write_text("def score(steps):\n    return [1.0] * len(steps)\n")
    with pytest.raises(UsageError, match="task='sql' and process are both given"):
        find("outcome()", Settings(task="sql", process=f"{file}:score"))


def test_an_unknown_task_is_refused_at_the_door():
    with pytest.raises(UsageError, match="'sqll' is no task; there are arithmetic"):
        replace(Settings(), task="sqll")
