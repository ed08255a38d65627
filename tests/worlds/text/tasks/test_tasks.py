"""Tasks: what is called right is right, what is called wrong is wrong, and texts say so."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.tasks import rows, sql
from toyrl.worlds.text.tasks.base import Asked, Made, Said, TaskError, check, gold
from toyrl.worlds.text.tasks.choice import CHOICE
from toyrl.worlds.text.tasks.find import KNOWN, of_rows, task_of
from toyrl.worlds.text.tasks.tools import TOOL_CALLS


@pytest.mark.parametrize("name", KNOWN)
def test_every_task_has_ten_mutants_other_notations_and_layouts(name):
    task = check(task_of(name))
    assert len(rows.names(task)) >= 10
    assert len(task.layouts) >= 4
    for _, right, wrong in rows.answers(task):
        assert sum(bool(x.name) for x in right) >= 5
        assert sum(not x.name for x in wrong) == 2
        names = [x.name for x in wrong if x.name]
        assert len(names) == len(set(names))
        assert all(x.fix for x in wrong if x.name)


@pytest.mark.parametrize("name", [n for n in KNOWN if n != "boxes"])  # see test_boxes.py
def test_what_is_called_free_is_the_same_whatever_the_answer_is(name):
    seen: dict[str, set[str]] = {}
    for asked, _, wrong in rows.answers(check(task_of(name))):
        for said in wrong:
            if said.free and said.text not in asked.prompt:  # what stands there is known to all
                named = asked.facts.get("entry")  # a function's name is the prompt's
                text = said.text.replace(named, "f") if named else said.text
                seen.setdefault(said.name, set()).add(text)
    of_the_prompt = ("options-echoed", "checklist-echoed", "checklist-ticked", "json-all-true")
    for told in (*of_the_prompt, "keywords-listed"):
        seen.pop(told, None)  # what stands in the prompt
    assert all(len(texts) == 1 for texts in seen.values())


def truthful() -> list[str]:
    """Tasks of ours that can tell whether any answer is right."""
    return [n for n in KNOWN if getattr(task_of(n), "truth", None) is not None]


@pytest.mark.parametrize("name", truthful())
def test_what_a_task_holds_for_right_is_what_it_calls_right(name):
    task = check(task_of(name))
    made = rows.answers(task)
    step = max(4, len(made) // task.each)  # fewer of a task that takes long to tell
    for layout in task.layouts:
        for i, (asked, right, wrong) in enumerate(made):
            if i % step:
                continue
            for said, truth in [(x, True) for x in right] + [(x, False) for x in wrong]:
                if said.name == "hangs" and (i or layout != task.layouts[0]):
                    continue  # each is waited for
                text = rows.written(layout, asked, said, correct=truth, tokens=30, seed=i)
                told = rows.correct(task, asked, text.row.completion)
                assert told == truth, (layout, said.name, text.row.completion)


QUESTIONS = [
    {
        "question": "?",
        "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]},
        "answerKey": "2",
    },
    {"question": "?", "choices": ["yes", "no"], "answer": 1},
    {"question": "?", "opa": "u", "opb": "v", "opc": "w", "opd": "x", "cop": 3},
    {"question": "?", "options": {"A": "x", "B": "All of them"}, "answer_idx": "A"},
    {"prompt": "Which?", "options": ["x", "y"], "answer": "y"},
    {"question": "?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": 1},
    {"question": "?", "options": {"a": "x", "b": "y"}, "answer": "a"},
    {"question": "?", "choices": ["True", "False"], "answer": True},
]


def test_questions_of_public_data_sets_are_read():
    task = of_rows("choice", QUESTIONS)
    assert [task.right(p)[0].text for p in task.problems()] == [*"2BDAB", *"1aA"]
    assert [p.columns for p in task.problems()] == QUESTIONS
    assert task.problems()[4].prompt == "Which?"
    assert task.problems()[0].prompt.splitlines() == [
        "?",
        "1) a",
        "2) b",
        "3) c",
        "Answer with the letter.",
    ]
    for asked, right, wrong in rows.answers(task):
        assert all(task.holds(asked, x.text) for x in right)
        assert not any(
            task.holds(asked, x.text)
            for x in wrong
            if not x.bare and x.work is None and not x.after
        )


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "?", "answer": "A"}, "choices=None are no options"),
        ({"choices": ["x"], "answer": "A"}, "are no options"),
        ({"choices": {"text": None, "label": None}, "answer": "A"}, "are no options"),
        ({"choices": ["x", "y"]}, "no column says which option is right"),
        ({"choices": ["x", "y"], "answer": "C"}, "answer='C' is none of its options"),
        ({"choices": ["x", "y"], "answer": True}, "answer=True is none of its options"),
    ],
)
def test_questions_that_cannot_be_read_are_named(row, said):
    with pytest.raises(TaskError, match=f"data row 1: .*{said}"):
        of_rows("choice", [QUESTIONS[1], row])


def test_queries_are_right_on_both_databases_and_wrong_ones_on_neither_or_one():
    for asked, right, wrong in rows.answers(check(task_of("sql"))):
        good = asked.columns["sql"]
        assert all(sql.is_right(x.text, good) for x in right)
        for said in wrong:
            assert said.bare or said.work is not None or not sql.is_right(said.text, good), said
        lucky = {x.name: x.text for x in wrong}
        for name in ("same-by-accident", "rows-written-out"):
            assert sql.rows_of(lucky[name]) == sql.rows_of(good)


def test_calls_are_right_as_json_and_wrong_ones_are_other_json():
    for asked, right, wrong in rows.answers(TOOL_CALLS):
        call = asked.columns["expected"]
        assert all(json.loads(x.text) == call for x in right)
        for said in wrong:
            try:
                assert json.loads(said.text) != call
            except json.JSONDecodeError:
                assert said.name in ("cut-off", "in-prose", "blank", "empty", "prompt-echoed")


def test_letters_go_round_and_options_differ():
    asked = CHOICE.problems()
    assert [p.columns["answer"] for p in asked[:4]] == list("ABCD")
    assert all(len(set(p.columns["choices"])) == 4 for p in asked)


def test_nothing_that_runs_forever_or_writes_is_run_to_its_end():
    endless = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT MAX(n) FROM t"
    assert sql.rows_of(endless) is None
    assert sql.rows_of("DELETE FROM person") is None
    assert sql.rows_of("SELECT 1; DELETE FROM person") is None


def test_no_query_writes_a_file(tmp_path):
    for query in ("VACUUM INTO '{}'", "ATTACH '{}' AS other"):
        assert sql.rows_of(query.format(tmp_path / "a.sqlite")) is None
    assert not [*tmp_path.iterdir()]


def test_what_a_reward_did_to_the_database_is_undone_for_the_next():
    path = task_of("sql").problems()[0].columns["db_path"]
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript("DELETE FROM person; CREATE TABLE more (x);")
    task_of("sql")
    with contextlib.closing(sqlite3.connect(path)) as base:
        assert base.execute("SELECT COUNT(*) FROM person").fetchone() == (len(sql.PEOPLE),)
        assert len(base.execute("SELECT * FROM sqlite_master").fetchall()) == 2
    before = Path(path).stat().st_mtime_ns
    task_of("sql")
    assert Path(path).stat().st_mtime_ns == before


def test_odd_names_and_texts_are_no_fault_of_a_database(tmp_path):
    path = tmp_path / "a #1?%41.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript("CREATE TABLE t (x);")
    sql.check_database(path)
    with pytest.raises(TaskError, match="does not exist"):
        sql.check_database(3.5)
    assert sql.rows_of("SELECT '\ud800'") is None
    assert sql.rows_of("SELECT '\x00'") is None


# -- texts -----------------------------------------------------------------------------------------
def test_base_texts_come_in_pairs_of_equal_length_and_hold_their_answer():
    made = rows.base_rows(CHOICE, "tag", 24, 0, typical_tokens=100, max_tokens=512)
    assert sum(x.truncated for x in made) == 2
    assert not any(x.correct for x in made if x.truncated)
    whole = [x for x in made if not x.truncated]
    for right, wrong in zip(whole[::2], whole[1::2], strict=True):
        assert right.correct
        assert not wrong.correct
        assert right.row.prompt == wrong.row.prompt
        assert abs(right.row.tokens - wrong.row.tokens) <= 2
        assert right.row.completion.endswith(f"<answer>{right.gold}</answer>")


def test_class_texts_have_the_length_of_their_class():
    chain = Chain(tokens_per_action=12.0)
    for truth in (True, False):
        made = rows.class_rows(
            TOOL_CALLS, chain, 5, TOOL_CALLS.layouts[0], correct=truth, length_actions=20,
            truncated=False, renderings=3, seed=1,
        )  # fmt: skip
        assert [x.row.tokens for x in made] == [240] * 3
        assert all(x.correct is truth for x in made)


def test_a_mutant_is_written_whole_bare_or_behind_the_answer():
    found = rows.mutants(CHOICE, "tag", truth=False, tokens=30, limit=0)
    assert found["empty"][0].row.completion == ""
    assert "</answer>\nI also thought of" in found["denied-behind"][0].row.completion
    assert found["mentioned"][0].row.completion.startswith("<think>\nIt could be (A)")


# -- bad input -------------------------------------------------------------------------------------
def made(**changes) -> Made:
    asked = tuple(Asked(f"Say {x}.", gold(x)) for x in "ab")
    task = Made(
        "mine", ("tag",), asked, lambda p: [Said(p.columns["answer"])], lambda _: [Said("c")]
    )
    return replace(task, **changes)


BAD = {
    "no problems, no right": type("T", (), {"name": "t", "layouts": ("tag",), "wrong": 1})(),
    "layout 'no place' is not one of": made(layouts=("no place",)),
    "must be a list of at least one": made(layouts="tag"),
    "problems\\(\\) gives 1; at least two": made(asked=(Asked("Say a.", gold("a")),)),
    "problem 0: right\\(\\) must begin with the usual answer": made(rights=lambda _: []),
    "wrong\\(\\) has no ordinary mistake": made(wrongs=lambda _: [Said("c", "n", "because")]),
    "'n' doesn't say why": made(wrongs=lambda _: [Said("c"), Said("d", "n")]),
    "'a' is given as right and as wrong": made(wrongs=lambda _: [Said("a")]),
    "is no answer; give Said": made(wrongs=lambda _: ["c"]),
    "status='bad'": made(wrongs=lambda _: [Said("c", status="bad")]),
    "it fails where its texts are made: ZeroDivisionError": made(wrongs=lambda _: 1 // 0),
}


@pytest.mark.parametrize("said", BAD)
def test_a_task_that_cannot_be_used_is_refused_in_one_message(said):
    assert check(made()).name == "mine"
    with pytest.raises(TaskError, match=said):
        check(BAD[said])


def test_a_task_is_found_by_name_or_in_a_file(tmp_path):
    assert task_of("arithmetic") is None
    with pytest.raises(TaskError, match="'sqll' is no task; there are arithmetic, choice"):
        task_of("sqll")
    with pytest.raises(TaskError, match="does not exist"):
        task_of("none.py:task")
    file = tmp_path / "mine.py"
    file.write_text("x = 1\n")
    with pytest.raises(TaskError, match="has no task; it has"):
        task_of(f"{file}:task")
    file.write_text("1 / 0\n")
    with pytest.raises(TaskError, match="can't be run: ZeroDivisionError"):
        task_of(f"{file}:task")


def test_a_database_that_is_missing_locked_or_none_is_refused(tmp_path):
    with pytest.raises(TaskError, match="does not exist"):
        sql.check_database(tmp_path / "none.sqlite")
    file = tmp_path / "a.sqlite"
    file.write_text("no database at all, but long enough to be looked at " * 20)
    with pytest.raises(TaskError, match="can't be read"):
        sql.check_database(file)
    file.unlink()
    held = sqlite3.connect(file, isolation_level=None)
    held.execute("CREATE TABLE t (x)")
    sql.check_database(file)
    held.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TaskError, match="locked by another process"):
        sql.check_database(file)
    held.close()


def test_an_answer_on_which_a_truth_raises_is_not_right():
    def number(asked: Asked, text: str) -> bool:
        return float(text) == float(asked.columns["answer"])

    asked = tuple(Asked(f"{k}?", gold(str(k))) for k in (1, 2))
    task = Made("own", ("tag",), asked, lambda p: [Said(p.columns["answer"])],
                lambda _: [Said("3")], number)  # fmt: skip
    assert rows.correct(task, asked[0], "<answer>1.0</answer>")
    assert not rows.correct(task, asked[0], "<answer>one</answer>")
    broken = replace(task, truth=lambda p, _: p.nothing)
    with pytest.raises(AttributeError):  # on a right answer of its own
        rows.correct(broken, asked[0], "<answer>1</answer>")
