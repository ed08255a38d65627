"""Tasks of `toyrl.worlds.text.tasks` as what a run is trained on: prompts, columns, truth.

choice                        toyrl's own problems
choice:rows.jsonl             a user's data rows
choice:layout=boxed           answers marked otherwise than usual; also rows=rows.jsonl
colours.py:Colours            a task of one's own that has `holds(problem, text)`
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from toyrl.bridge.tasks import Task, TaskError, held_out_rows, options_of
from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.worlds.behaviour.task_texts import reading
from toyrl.worlds.text.dialects import dialect_of, mark
from toyrl.worlds.text.tasks import base, find, rows

PLACE = "toyrl_problem"
"""The column that says which problem of its task a row is."""
SOLVED = 24  # tokens of reasoning in a solution for a warm-up
OPTIONS = ("rows", "layout")


@dataclass(frozen=True)
class Truth:
    """What is right and what can be read, of a task's completions in one of its layouts."""

    task: base.Task
    layout: str

    @cached_property
    def problems(self) -> tuple[base.Asked, ...]:
        """The task's problems, each at its place."""
        return tuple(self.task.problems())

    def correct(self, row: TextRow) -> float:
        """1.0 for a right answer."""
        asked = self.problems[row.columns[PLACE]]
        return float(rows.correct(self.task, asked, row.completion, self.layout))

    def solve(self, row: Mapping[str, Any], rng: random.Random) -> str:
        """A right completion, with honest reasoning."""
        asked = self.problems[row[PLACE]]
        said = self.task.right(asked)[0]
        made = rows.written(
            self.layout, asked, said, correct=True, tokens=SOLVED, seed=rng.getrandbits(30)
        )
        return made.row.completion


def load(name: str, rest: str, *, prompts: int, held_out: int, seed: int) -> Task:
    """The task of a name and its options (the module has the forms); prompts ask for the layout.

    Raises TaskError for an option that there isn't, for rows that can't be the task's problems, and
    for a task that can't tell whether an answer is right.
    """
    full = f"{name}:{rest}" if rest else name
    try:
        task, layout = _read(full, name, rest)
    except base.TaskError as error:
        msg = f"task={shortened(full)}: {error}"
        raise TaskError(msg) from error
    if not hasattr(task, "holds") or getattr(task, "truth", True) is None:
        msg = (
            f"task={shortened(full)} can't tell whether a policy's answer is right, so nothing can "
            "be trained on it; give it holds(problem, text)"
        )
        raise TaskError(msg)
    truth = Truth(task, layout)
    asked = [
        {**p.columns, "prompt": told(p.prompt, layout), PLACE: i}
        for i, p in enumerate(truth.problems)
    ]
    said = f"task={shortened(full)} has {len(asked)} problems"
    kept, train = held_out_rows(asked, held_out, seed, said)
    return Task(
        full, train[:prompts], kept, truth.correct, truth.solve, dialect=layout,
        about={"layout": layout}, reading=reading(task, layout), texts=task,
    )  # fmt: skip


def _read(full: str, name: str, rest: str) -> tuple[base.Task, str]:
    """(the task, its layout)."""
    if name not in find.KNOWN:
        task = find.task_of(full)
        assert task is not None
        return task, task.layouts[0]
    path = rest if Path(rest).suffix in (".jsonl", ".json") and "=" not in rest else ""
    options = {"rows": path} if path else options_of(full, rest)
    if unknown := set(options) - set(OPTIONS):
        msg = f"it has no option {min(unknown)!r}; it has {', '.join(OPTIONS)}"
        raise base.TaskError(msg)
    source = str(options.get("rows", ""))
    task = find.of_rows(name, _data(source)) if source else find.task_of(name)
    assert task is not None
    layout = str(options.get("layout", task.layouts[0]))
    try:
        dialect_of(layout)
    except ValueError as error:
        raise base.TaskError(str(error).replace("dialect=", "layout=", 1)) from error
    return task, layout


def _data(path: str) -> Sequence[Mapping[str, Any]]:
    from toyrl.rollouts.logs import LogError, read_columns

    if not Path(path).is_file():
        msg = f"{path!r} does not exist; name a JSONL file, one JSON object per line"
        raise base.TaskError(msg)
    try:
        return [find.located(row, path) for row in read_columns(Path(path))[0]]
    except LogError as error:
        raise base.TaskError(str(error)) from error


def told(prompt: str, layout: str) -> str:
    """A prompt that says how the answer is marked; as it is where it says so itself."""
    d = dialect_of(layout)
    if not d.before.strip() or d.before.strip() in prompt:
        return prompt
    return f"{prompt}\nThink briefly, then end with: {mark(d, '...')}"
