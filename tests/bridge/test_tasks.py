"""Tasks of a run: known difficulty, held-out problems apart, refusals."""

from __future__ import annotations

import json
import random

import pytest

pytest.importorskip("torch")
from toyrl.bridge.tasks import TaskError, for_model, load_task
from toyrl.graders.base import TextRow

pytestmark = pytest.mark.bridge


@pytest.mark.parametrize("name", ["shorthand", "chain:easy=1,hard=3,share=0.25"])
def test_arithmetic_has_known_difficulty_and_solutions_that_count(name):
    task = load_task(name, prompts=64, held_out=16)
    assert len(task.train) == 64
    assert not {r["prompt"] for r in task.train if r["difficulty"] > 2} & {
        r["prompt"] for r in task.held_out if r["difficulty"] > 2
    }
    share = sum(r["difficulty"] == task.about["easy"] for r in task.train) / 64
    assert share == task.about["share"]
    rng = random.Random(0)
    for row in task.train:
        text = task.solve(row, rng)
        graded = TextRow(row["prompt"], text, row)
        assert task.correct(graded) == float("#" in text or "answer" in text)
        assert task.correct(TextRow(row["prompt"], text.rstrip(".") + "7", row)) == 0.0


@pytest.mark.parametrize(
    "name",
    ["brackets:easy=3,hard=6", "edits:easy=2,hard=4,share=0.25", "traces:addition:easy=2,hard=4"],
)
def test_other_tasks_in_a_few_characters_are_made_and_graded_alike(name):
    from toyrl.worlds.text.scripts import read

    task = load_task(name, prompts=64, held_out=16)
    assert (task.chain, task.dialect) == (False, "gsm8k")
    share = sum(r["difficulty"] == task.about["easy"] for r in task.train) / 64
    assert share == task.about["share"]
    rng = random.Random(0)
    for row in task.train:
        found, difficulty = read(row["prompt"], text := task.solve(row, rng))
        assert difficulty == row["difficulty"]
        assert found.other == 0
        graded = TextRow(row["prompt"], text, row)
        assert task.correct(graded) == float(found.answer is not None)
        assert task.correct(TextRow(row["prompt"], text + "7", row)) == 0.0


def test_seeds_change_training_and_not_the_held_out_problems():
    one, other = (load_task("shorthand", seed=s) for s in (0, 1))
    assert one.held_out == other.held_out
    assert one.train != other.train


def test_jsonl_holds_out_whole_prompts(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [{"question": f"What is {i}?", "solution": f"\\boxed{{{i}}}"} for i in range(20)] * 2
    path.write_text("\n".join(map(json.dumps, rows)))
    task = load_task(str(path))
    held, train = ({r["prompt"] for r in part} for part in (task.held_out, task.train))
    assert held
    assert not held & train
    row = task.train[0]
    assert task.correct(TextRow("", f"The answer is {row['prompt'][8:-1]}.", row)) == 1.0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sums", "unknown"),
        ("shorthand:foo=1", "no option"),
        ("shorthand:easy", "is no option such as"),
        ("shorthand:easy=5,hard=2", "easy < hard"),
        ("missing.jsonl", "does not exist"),
    ],
)
def test_unusable_tasks_are_refused(name, words):
    with pytest.raises(TaskError, match=words):
        load_task(name)


@pytest.mark.parametrize(
    ("row", "words"),
    [({"answer": "1"}, "no prompt"), ({"prompt": "a"}, "no gold answer")],
)
def test_unusable_rows_are_refused(tmp_path, row, words):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join([json.dumps(row)] * 6))
    with pytest.raises(TaskError, match=words):
        load_task(str(path))
    path.write_text(json.dumps({"prompt": "a", "answer": "1"}))
    with pytest.raises(TaskError, match="at least 5 are needed"):
        load_task(str(path))


def test_chat_models_get_messages():
    class Chat:
        chat_template = "x"

    task = load_task("chain")
    assert for_model(task, object()) is task
    chat = for_model(task, Chat())
    assert chat.train[0]["prompt"] == [{"role": "user", "content": task.train[0]["prompt"]}]
    assert "answer is" in chat.solve(chat.train[0], random.Random(0))


def test_reasoning_gym_counts_only_full_scores():
    pytest.importorskip("reasoning_gym")
    task = load_task("gym:chain_sum:max_terms=3", prompts=8, held_out=4)
    row = task.train[0]
    right = row["answer"]
    graded = [
        task.correct(TextRow("", f"<answer>{text}</answer>", row))
        for text in (right, f"the answer is {right}", str(int(right) + 1))
    ]
    assert graded == [1.0, 0.0, 0.0]
    assert not {r["prompt"] for r in task.train} & {r["prompt"] for r in task.held_out}
    with pytest.raises(TaskError, match="can't be made"):
        load_task("gym:no_such_task")


def test_reasoning_gym_is_named_when_it_is_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "reasoning_gym", None)
    with pytest.raises(TaskError, match="pip install"):
        load_task("gym:chain_sum")
