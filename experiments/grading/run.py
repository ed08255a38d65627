"""Rows of a file, graded: which text is paid what, and which couldn't be read."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.begin import Begin
from toyrl.experiments.errors import UsageError
from toyrl.experiments.grading.result import Grades
from toyrl.expressions import ExpressionError, parse_grader, to_expression
from toyrl.extras import MissingExtra
from toyrl.graders.base import TextRow
from toyrl.graders.parts import LABELS, Graded, TaskReward, is_blank
from toyrl.messages import shortened
from toyrl.rollouts.log_columns import Columns, asked_columns
from toyrl.rollouts.logs import LogError, read_columns
from toyrl.serving import text_of

BLOCK = 1000
"""Rows between two looks at the clock."""


def run(
    reward: str | TaskReward,
    rows: str | Path | Sequence[Mapping[str, Any]],
    *,
    columns: Mapping[str, str] | str | None = None,
    skip_bad_rows: bool = False,
    step: float = 0.0,
    command: str = "",
    begin: Begin,
) -> Grades:
    """Grade every row; a row whose grading raises counts as unread, with the reason.

    Raises UsageError for a reward that can't be read, a file that can't be used, and a column that
    the reward reads and no row has.
    """
    task, name = _reward(reward)
    lent, asked = _split(columns)
    found, note = _rows(rows, skip_bad_rows)
    texts = _texts(found, lent, asked)
    _need(task, name, texts)
    graded: list[Graded] = []
    seconds = 0.0
    for start in range(0, len(texts), BLOCK):
        begin(start, len(texts), "rows")
        before = time.perf_counter()
        graded += [_graded(task, row, step) for row in texts[start : start + BLOCK]]
        seconds += time.perf_counter() - before
    return Grades(
        reward=name,
        rows=len(texts),
        parts={n: _column([g.parts for g in graded], n) for n in task.parts},
        facts={n: _column([g.facts for g in graded], n) for n in task.facts},
        total=np.array([g.total for g in graded], dtype=float),
        problems=tuple(g.problem for g in graded),
        seconds=seconds,
        notes=(note,) if note else (),
        command=command,
    )


def _reward(reward: str | TaskReward) -> tuple[TaskReward, str]:
    if isinstance(reward, TaskReward):
        try:
            return reward, to_expression(reward)
        except ValueError:  # one of the user's own
            return reward, reward.__name__
    try:
        return parse_grader(reward), reward.strip()
    except ExpressionError as error:
        msg = f"{error}; `toyrl list --kind grader` shows what there is"
        raise UsageError(msg) from None


def _split(columns: Mapping[str, str] | str | None) -> tuple[dict[str, str], dict[str, str]]:
    """What is said about columns that a reward reads, and about the text and its prompt."""
    if isinstance(columns, str):
        pairs = [part.partition("=") for part in columns.split(",") if part.strip()]
        if not all(name.strip() and column.strip() for name, _, column in pairs):
            msg = f"columns={shortened(columns)} is not of the form completion=output,answer=gold"
            raise UsageError(msg)
        columns = {name.strip(): column.strip() for name, _, column in pairs}
    given = dict(columns or {})
    own = {n: c for n, c in given.items() if n not in ("completion", "prompt")}
    try:
        return own, asked_columns({n: c for n, c in given.items() if n not in own})
    except LogError as error:
        raise UsageError(str(error)) from None


def _rows(
    rows: str | Path | Sequence[Mapping[str, Any]], skip: bool
) -> tuple[list[dict[str, Any]], str]:
    if not isinstance(rows, str | Path):
        return [dict(row) for row in rows], ""
    try:
        return read_columns(rows, skip_bad=skip)
    except (LogError, OSError) as error:
        raise UsageError(str(error)) from None


def _texts(
    found: list[dict[str, Any]], lent: dict[str, str], asked: dict[str, str]
) -> list[TextRow]:
    """Rows as graders read them; the completion's column found by its usual names."""
    keys, texts = Columns(asked), []
    for i, row in enumerate(found):
        key, prompt = keys.key(row, "completion"), keys.key(row, "prompt")
        if key is None:
            there = ", ".join(map(shortened, row))
            msg = f"row {i + 1} has no completion (there are {there}); say columns=completion=NAME"
            raise UsageError(msg)
        own = {**row, **{n: row[c] for n, c in lent.items() if c in row}}
        said, text = (_text(row, name, i) for name in (prompt, key))
        texts.append(TextRow(said, text, own))
    if not texts:
        msg = "there are no rows to grade"
        raise UsageError(msg)
    return texts


def _text(row: Mapping[str, Any], name: str | None, i: int) -> str:
    """What a column says, "" for none; UsageError for what is no text."""
    value = None if name is None else row[name]
    try:
        return "" if is_blank(value) else text_of(value)
    except (TypeError, AttributeError):
        msg = f"row {i + 1}: {name} is {shortened(value)}, neither a text nor chat messages"
        raise UsageError(msg) from None


def _need(task: TaskReward, name: str, rows: Sequence[TextRow]) -> None:
    named = dict.fromkeys(n for row in rows for n in row.columns)
    alias = len(task.reads) == 1 and not task.of_text and any(n in named for n in LABELS)
    missing = [n for n in task.reads if n not in named and not alias]
    if missing:
        there = ", ".join(map(shortened, named))
        msg = (
            f"{name} reads the column {missing[0]!r}, which no row has (there are {there}); "
            f"say columns={missing[0]}=NAME"
        )
        raise UsageError(msg)


def _graded(task: TaskReward, row: TextRow, step: float) -> Graded:
    """A row's grade; what raises is told with the row and ends no one else's grading."""
    try:
        return task.grade_parts([row], step)[0]
    except MissingExtra:
        raise
    except Exception as error:  # whatever a reward, or one of the user's own, raises
        said = str(error.args[0]) if error.args else type(error).__name__
        return Graded(dict.fromkeys(task.parts, math.nan), problem=shortened(said, 120, write=str))


def _column(found: Sequence[Mapping[str, float]], name: str) -> np.ndarray:
    return np.array([f.get(name, math.nan) for f in found], dtype=float)
