"""Rows graded by a task's reward: numbers in order, reasons counted, files written."""

from __future__ import annotations

import json

import fastjsonschema
import numpy as np
import pytest

import toyrl
from tests.graders.word_match import WordMatch
from toyrl import schemas

ROWS = [
    {"response": "yes.", "ground_truth": "yes"},
    {"response": "no", "ground_truth": "yes"},
    {"response": "?", "ground_truth": "yes"},
    {"response": [{"role": "assistant", "content": "yes"}], "ground_truth": "yes"},
]


@pytest.fixture
def file(tmp_path):
    place = tmp_path / "rows.jsonl"
    place.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return place


def test_every_row_has_its_parts_and_what_could_not_be_read(file):
    found = toyrl.grade(WordMatch(), file, step=5)
    np.testing.assert_array_equal(found.total, [1.5, 0.0, np.nan, 1.0])
    np.testing.assert_array_equal(found.parts["match"], [1.0, 0.0, np.nan, 1.0])
    np.testing.assert_array_equal(found.parts["stop"], [0.5, 0.0, 0.0, 0.0])
    assert found.reasons() == [("no word", 1)]
    assert found.exit_code == 0
    lines = found.lines()
    assert lines[0].startswith("word_match: 4 rows, mean reward 0.8333")
    assert lines[1:] == [
        "1 row couldn't be read in full; most often (1): no word",
        "1 row has no reward",
    ]
    again = toyrl.grade(WordMatch(), ROWS, step=5)
    np.testing.assert_array_equal(again.total, found.total)


def test_the_summary_counts_what_it_shows(file):
    found = toyrl.grade(WordMatch(), file, step=5)
    rows = {row[0]: row for row in found.table().rows}
    assert list(rows) == ["reward", "match", "stop"]
    assert rows["match"][1:6] == ["0.6667", "0.4714", "0", "1", "1"]
    assert rows["match"][7] == 1
    assert rows["stop"][6] == "█        ▃"
    (drawn, *_) = found.pictures()
    assert sum(drawn.curves[0].x) == 3


def test_it_is_written_in_every_form(file, tmp_path):
    found = toyrl.grade(WordMatch(), file, step=5)
    fastjsonschema.compile(schemas.document("grade"))(
        json.loads(found.save(tmp_path / "g.json").read_text())
    )
    table = found.save(tmp_path / "g.csv").read_text().splitlines()
    assert table[0] == "row,reward,match,stop,problem"
    assert table[3] == "3,,,0.0,no word"
    parquet = pytest.importorskip("pyarrow.parquet")
    kept = parquet.read_table(found.save(tmp_path / "g.parquet")).to_pylist()
    assert kept[0] == {"row": 1, "reward": 1.5, "match": 1.0, "stop": 0.5, "problem": ""}
    assert kept[2]["reward"] is None


def test_columns_of_other_names_and_rows_that_raise(file, monkeypatch):
    rows = [{"output": "yes", "mine": "yes", "text": "no"}, {"output": "no", "mine": None}]
    found = toyrl.grade(WordMatch(), rows, columns="completion=output,ground_truth=mine")
    assert found.total[0] == 1.0
    assert "requires string" in found.problems[1]
    assert found.exit_code == 0
    none = toyrl.grade(WordMatch(), [{"completion": "?", "ground_truth": "x"}])
    assert none.exit_code == 1
    assert none.lines()[0].startswith("word_match: 1 row, no reward")


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([], {}, "there are no rows to grade"),
        ([{"ground_truth": "x"}], {}, "row 1 has no completion (there are 'ground_truth')"),
        ([{"text": "x", "gold": "x"}], {}, "reads the column 'ground_truth', which no row has"),
        ([{"text": "x", "answer": "x"}], {"step": -1}, "step=-1"),
        ([{"text": "x", "answer": "x"}], {"columns": "completion"}, "completion"),
    ],
)
def test_what_cannot_be_graded_is_said(rows, options, says):
    with pytest.raises(toyrl.UsageError, match=says.replace("(", r"\(").replace(")", r"\)")):
        toyrl.grade(WordMatch(), rows, **options)


def test_a_reward_that_is_no_task_s_is_said():
    with pytest.raises(toyrl.UsageError, match="toyrl list --kind grader"):
        toyrl.grade("laser()", ROWS)
