"""Tasks of texts as what a run is trained on: prompts, columns, truth, and data as it was."""

from __future__ import annotations

import json
import random

import pytest

pytest.importorskip("torch")
from tests.places import ROOT
from toyrl.bridge.tasks import TaskError, as_dataset, load_task
from toyrl.bridge.text_tasks import PLACE
from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.call import transfer
from toyrl.experiments.transfer.suite import class_rows_of
from toyrl.graders.base import TextRow
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.find import KNOWN, task_of

pytestmark = pytest.mark.bridge
DATA = ROOT / "examples" / "data"


@pytest.mark.parametrize("name", [n for n in KNOWN if getattr(task_of(n), "truth", None)])
def test_solutions_count_and_wrong_answers_do_not(name):
    task = load_task(name)
    texts = {r["prompt"] for r in task.held_out}
    assert texts
    assert not texts & {r["prompt"] for r in task.train}
    assert task.solve is not None
    for row in task.train[:6]:
        text = task.solve(row, random.Random(0))
        graded = TextRow(row["prompt"], text, row)
        assert task.correct(graded) == 1.0
        assert task.reading.answer(text) is not None
        asked = task.texts.problems()[row[PLACE]]
        miss = task.texts.wrong(asked)[0]
        wrong = rows.written(task.dialect, asked, miss, correct=False, tokens=20, seed=0).row
        assert task.correct(TextRow(row["prompt"], wrong.completion, row)) == 0.0


@pytest.mark.parametrize("name", sorted(p.parent.name for p in DATA.glob("*/rows.jsonl")))
def test_rows_of_the_examples_are_trained_on_as_they_are(name):
    file = DATA / name / "rows.jsonl"
    given = [json.loads(x) for x in file.read_text(encoding="utf-8").splitlines()]
    task = load_task(f"{name}:{file}")
    made = sorted([*task.train, *task.held_out], key=lambda r: r[PLACE])
    assert len(made) == len(given)
    for row, own in zip(made, given, strict=True):
        kept = {k: v for k, v in own.items() if k not in ("prompt", "db_path")}
        assert {k: row[k] for k in kept} == kept


def test_prompts_say_how_the_answer_is_marked_unless_they_do():
    boxed = load_task("choice:layout=boxed")
    assert boxed.train[0]["prompt"].endswith("\\boxed{...}.")
    assert boxed.dialect == "boxed"
    row = boxed.train[0]
    assert boxed.solve is not None
    assert "\\boxed{" in boxed.solve(row, random.Random(0))


@pytest.mark.parametrize("layout", ["boxed", "Result: {}", "<out>{}</out>", "{none}{}"])
def test_answers_are_right_in_the_layout_that_was_asked_for(layout):
    task = load_task(f"choice:layout={layout}")
    row = task.train[0]
    right, miss = row["answer"], "B" if row["answer"] == "A" else "A"
    assert task.solve is not None
    for said, good in ((right, 1.0), (miss, 0.0)):
        text = layout.replace("{none}", "").replace("{}", said)
        text = f"\\boxed{{{said}}}" if layout == "boxed" else text
        marked = text if layout == "{none}{}" else f"<answer>{miss}</answer> is a guess.\n{text}"
        assert task.correct(TextRow(row["prompt"], marked, row)) == good
    assert task.correct(TextRow(row["prompt"], task.solve(row, random.Random(0)), row)) == 1.0


def test_a_data_set_hands_out_mappings_as_they_were():
    given = [{"prompt": "p", "call": {"a": 1}}, {"prompt": "q", "call": {"b": [{"c": 2}]}}]
    data = as_dataset(given)
    assert [data[0], data[1]] == given
    assert data.column_names == ["prompt", "call"]
    assert as_dataset([{"prompt": "p", "x": ["a"]}])[0] == {"prompt": "p", "x": ["a"]}


def test_a_task_writes_the_classes_that_the_toy_is_trained_on():
    task = load_task("choice")
    made = class_rows_of(task)(
        Chain(difficulties=(1,), shares=(1.0,)), 1, "tag", correct=True, length_actions=4,
        truncated=False, renderings=2, seed=0,
    )  # fmt: skip
    assert all("<answer>" in x.row.completion for x in made)


def test_a_task_of_ones_own_needs_a_truth(tmp_path):
    own = ROOT / "examples" / "tasks" / "colours.py"
    task = load_task(f"{own}:Colours")
    row = task.train[0]
    assert task.correct(TextRow("", f"<answer>{row['answer']}</answer>", row)) == 1.0
    assert task.correct(TextRow("", "<answer>none</answer>", row)) == 0.0
    file = tmp_path / "own.py"
    file.write_text(own.read_text(encoding="utf-8").replace("def holds(", "def unheld("))
    with pytest.raises(TaskError, match="give it holds"):
        load_task(f"{file}:Colours")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("choice:mark=boxed", "has no option 'mark'; it has rows, layout"),
        ("choice:layout=nowhere", "layout='nowhere' is not one of"),
        ("choice:none.jsonl", "does not exist"),
        ("none.py:Task", "does not exist"),
    ],
)
def test_what_cannot_be_trained_on_is_one_message(name, said):
    with pytest.raises(TaskError, match=said):
        load_task(name)


def test_too_few_rows_and_rows_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "rows.jsonl"
    row = {"question": "?", "choices": ["x", "y"], "answer": 0}
    file.write_text("\n".join(json.dumps({**row, "question": str(i)}) for i in range(3)))
    with pytest.raises(TaskError, match="has 3 problems; at least 5 are needed"):
        load_task(f"choice:{file}")
    file.write_text(json.dumps({"question": "?", "answer": "A"}) + "\n")
    with pytest.raises(TaskError, match="data row 0: choices=None are no options"):
        load_task(f"choice:{file}")


def test_tiny_is_not_trained_on_what_it_cannot_read(tmp_path):
    with pytest.raises(UsageError, match="the model tiny reads tasks in a few characters"):
        transfer("outcome()", task="choice", out=tmp_path / "out")
    assert not [*tmp_path.rglob("*.json*")]
