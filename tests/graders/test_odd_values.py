"""Cells that hold nothing, halves of characters, numbers without end: a defined value or a reason.

Tables write "nothing" as None, "" or NaN; it never becomes the word "nan" that a text can say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

import toyrl
from toyrl.experiments.errors import UsageError
from toyrl.experiments.grading.result import Grades
from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import PooledRows
from toyrl.graders.parts import Graded, TaskReward, is_blank, told
from toyrl.serving import text_of

NOTHING = (None, "", math.nan, np.float32("nan"))
DE = "<think>a</think> Das Haus ist alt."


def paid(reward: str, text: str, step: float = 0.0, **columns: object) -> Graded:
    return parse_grader(reward).grade_parts([TextRow("the sea", text, columns)], step)[0]


@pytest.mark.parametrize("cell", NOTHING)
def test_a_cell_with_nothing_in_it_is_as_good_as_no_column(cell):
    assert is_blank(cell)
    assert told(TextRow("", "", {"a": cell, "b": 0}), "a", "b") == 0
    assert paid("writing(model='none')", "one", L_lower=cell) == paid(
        "writing(model='none')", "one"
    )
    asked = {"task_type": "match", "target": cell}
    assert paid("mixed()", "nan", **asked).problem == "the target is empty"
    checked = "checklist(verifier='constraints', static=('contains: sea',))"
    assert paid(checked, "nan", target_len=cell) == paid(checked, "nan")


@pytest.mark.parametrize("cell", NOTHING)
def test_nor_is_it_what_a_text_is_compared_with(cell):
    pytest.importorskip("sklearn", reason="needs the extra tasks")
    text = "nan None the sea"
    assert paid("relevance()", text, query=cell) == paid("relevance()", text)
    open_ = paid("relevance()", text, qtype="CONSTRAINED", reference=cell)
    assert open_.problem == "no reference: open"
    assert paid("capsule()", "sea", answers=["sea"], context=cell) == paid(
        "capsule()", "sea", answers=["sea"])  # fmt: skip
    assert paid("capsule()", text, answers=cell).problem == "no answers"


@pytest.mark.parametrize("cell", NOTHING)
def test_nor_a_language_or_an_exemplar(cell):
    pytest.importorskip("sacrebleu", reason="needs the extra tasks")
    pytest.importorskip("py3langid", reason="needs the extra tasks")
    reward = "translation(pivot='en-de')"
    given = {"reference": cell, "exemplar": cell, "direction": cell, "quality_estimate": 0.5}
    found = paid(reward, DE, **given)
    assert (found.total, found.problem) == (0.5, "no exemplar: quality alone")
    assert paid(reward, DE, direction="en-de", target_language=cell).problem == found.problem
    assert paid(reward, DE, quality_estimate=math.inf).total == 0


def test_answers_may_be_a_json_list_and_no_budget_is_the_reward_s_own():
    pytest.importorskip("sklearn", reason="needs the extra tasks")
    both = {"answers": '["sea", "sky"]', "question_weights": "[3, 1]"}
    assert paid("capsule(combine='utility')", "the sea", **both).total == 0.75
    assert (
        paid("capsule(budget=1, combine='utility')", "the sea", answers="sea", budget=None).total
        == 0
    )
    assert math.isnan(paid("capsule()", "x", answers=None).total)


def test_halves_of_characters_and_rows_before_the_first_are_no_surprise():
    pytest.importorskip("sklearn", reason="needs the extra tasks")
    assert paid("relevance()", "the \ud800 sea").total == paid("relevance()", "the ? sea").total
    with pytest.raises(ValueError, match="token -1 has no row"):
        PooledRows(np.eye(2), lambda _: [0, -1])(["x"])


def test_a_gold_query_without_rows_drops_every_text():
    pytest.importorskip("sqlglot", reason="needs the extra tasks")
    asked = {"answer": "SELECT a FROM t", "ddl": "CREATE TABLE t(a)", "db_path": math.nan}
    for text in ("SELECT 1", "SELECT a FROM t", "no query"):
        assert math.isnan(paid("reasoning_sql(empty='drop')", text, **asked).total)
    named = {"answer": "SELECT 1", "ddl": math.nan, "db_path": "/nowhere"}
    with pytest.raises(ValueError, match="no database '/nowhere'"):
        paid("reasoning_sql()", "SELECT 1", **named)


def test_a_falling_cap_stops_at_its_end():
    falling = "tool_calls(length='dynamic', cap_first=8, cap_last=4)"
    text = "<think>a b</think>"
    found = [paid(falling, text, step, ground_truth="x").parts["length"] for step in (0, 105, 1e9)]
    assert found == [0.25, 0.5, 0.5]


def test_a_constraint_of_no_texts_is_refused():
    for name in ("contains", "forbids"):
        with pytest.raises(ValueError, match=f"names no text; write {name}: TEXT"):
            paid("checklist(verifier='constraints')", "x", checklist=[f"{name}: |"])


def test_texts_are_read_off_every_form_of_a_message():
    said = {"role": "assistant", "content": "hi"}
    pieces = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "hi"}]}
    assert text_of(said) == text_of([said]) == text_of([pieces]) == "hi"
    with pytest.raises(TypeError, match="5 is neither a text nor chat messages"):
        text_of(5)
    with pytest.raises(UsageError, match="row 1: completion is 5, neither a text"):
        toyrl.grade("text_format(kind='only')", [{"completion": 5}])
    assert toyrl.grade("text_format(kind='only')", [{"completion": math.nan}]).total.tolist() == [0]


def test_columns_may_be_tuples_and_arrays():
    reward = parse_grader("mixed(weight=0.0)")
    for form in (list, tuple, np.array):
        kinds, gold = form(["match", "chart"]), form(["b", "107"])
        assert reward(["p"] * 2, ["B", "112"], task_type=kinds, target=gold) == [1.0, 1.0]


def test_numbers_without_end_are_left_out_of_summaries():
    total = np.array([1.0, math.inf, math.nan])
    found = Grades("own", 3, {"reward": total}, {}, total, ["", "", ""])
    assert "mean reward 1" in found.lines()[0]
    assert found.table().rows[0][1] == "1"
    assert found.pictures()[0].caption == "1 rows; 2 have no number."


@dataclass(frozen=True)
class Share(TaskReward):
    """Raises ZeroDivisionError on an empty text."""

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        return Graded({"reward": 1 / len(row.completion)})


def test_whatever_a_reward_raises_ends_no_other_row():
    found = toyrl.grade(Share(), [{"completion": ""}, {"completion": "ab"}])
    assert found.total[1] == 0.5
    assert found.problems == ("division by zero", "")
