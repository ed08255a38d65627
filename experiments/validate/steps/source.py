"""Where step scores come from (`--process`, `--steps`): a function, a model's folder, a column.

The terms of the reward that read `step_scores` pay them. On the user's log and on toyrl's texts the
scores are those of the source; in the toy's worlds a latent has them, at the levels found there.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import checked
from toyrl.graders.steps.splits import steps as split
from toyrl.messages import PATH, shortened
from toyrl.rewards.process import CORRECT, KINDS, SCORES, STEP, of_step, with_scores
from toyrl.rewards.sandbox.host import Target
from toyrl.rewards.specs import FILE, Reward, Term
from toyrl.rollouts.logs import Log

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings

Scores = Callable[[Sequence[TextRow]], list[list[float]]]
"""Rows -> one score per step of each, NaN where it is missing."""
DEFAULT = "outcome() + step_sum()"
"""What is judged where only `process` is given: correctness, and the plain sum of step scores."""
PAYS = (
    *("step_sum", "step_mean", "step_min", "step_product", "step_clip", "step_delta"),
    "step_clip_delta",
)
"""Catalogue terms that turn step scores into a return, by name."""
FIELD = "step_scores"


def is_column(process: Any) -> bool:
    """Whether a specification names a log's column: no function, no file, no folder."""
    if callable(process):
        return False
    return FILE.match(str(process)) is None and not Path(str(process)).is_dir()


def check(process: Any, steps: str, *, log: bool) -> None:
    """Refuse at the door what can't be a source of step scores.

    log : there is a log, whose column it may be. Raises UsageError.
    """
    from toyrl.graders.steps.splits import SPLITTERS

    if steps not in SPLITTERS:
        near = difflib.get_close_matches(str(steps), SPLITTERS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        msg = f"steps={shortened(steps)} is no splitter; {hint}there are {', '.join(SPLITTERS)}"
        raise UsageError(msg)
    if process is None:
        msg = f"steps={steps!r} splits texts for process, which is not given; leave it out"
        raise UsageError(msg)
    if callable(process):
        return
    text = str(process)
    file = FILE.match(text)
    if file and not Path(file["path"]).expanduser().is_file():
        msg = f"process={shortened(text, PATH)} does not exist; give {KINDS}"
        raise UsageError(msg)
    if file and not file["name"]:
        msg = f"process={shortened(text, PATH)} names no function; write {text}:NAME"
        raise UsageError(msg)
    if is_column(text) and not log:
        msg = (
            f"process={shortened(text, PATH)} is no file and no folder, so it names a column, and "
            f"there is no log: name one with rollouts, or give {KINDS}"
        )
        raise UsageError(msg)


def reward_of(rewards: Reward | None, settings: Settings) -> Reward:
    """The reward as given, or `DEFAULT` where step scores alone are.

    Raises UsageError where there is neither.
    """
    if rewards is not None and (isinstance(rewards, str) or callable(rewards) or _some(rewards)):
        return rewards
    if settings.process is None:
        msg = (
            "REWARD is missing: name one, such as my_rewards.py:brevity, or give the scores of "
            "steps with --process"
        )
        raise UsageError(msg)
    return DEFAULT


def _some(rewards: Any) -> bool:
    return len(rewards) > 0 if hasattr(rewards, "__len__") else True


def check_terms(terms: Sequence[Term]) -> None:
    """Refuse a reward none of whose terms says what steps are paid; UsageError."""
    if not any(t.shaper is not None and reads_steps(t.shaper) for t in terms):
        names = ", ".join(f"{name}()" for name in PAYS)
        msg = (
            "process scores steps, and no term of the reward says what they pay: add one of "
            f"{names}, such as outcome() + 0.3*step_clip()"
        )
        raise UsageError(msg)


def reads_steps(shaper: Any) -> bool:
    """Whether a shaper reads step scores."""
    return FIELD in (*shaper.all_needs(), *shaper.all_wants())


def asking(process: Any, steps: str) -> Term:
    """The term whose value is the score of the step that a row's column `STEP` names: of an object
    of this process a live function, of a file or a folder one in the sandbox."""
    name = f"step scores of {source_name(process)}"
    if callable(process):
        return Term(name, function=of_step(process, steps=steps))
    place = _resolved(str(process))
    target = Target(
        source_name(process),
        module=of_step.__module__,
        name=of_step.__name__,
        places=(repr(place),),
        arguments={"steps": repr(steps)},
    )
    found = FILE.match(place)
    return Term(f"{name} (steps={steps})", target=target, source=found["path"] if found else place)


def _resolved(text: str) -> str:
    found = FILE.match(text)
    if found:
        return f"{Path(found['path']).expanduser().resolve()}:{found['name']}"
    return str(Path(text).resolve())


def source_name(process: Any) -> str:
    """How a source of step scores is called in reports."""
    return (
        getattr(process, "__name__", type(process).__name__) if callable(process) else str(process)
    )


def told(log: Log) -> list[TextRow]:
    """The rows of a log with the column that says whether they are right."""
    r = log.rollouts
    right = np.asarray(r.correct)[np.asarray(r.w) > 0]
    return [marked(row, c) for row, c in zip(log.rows, right, strict=True)]


def marked(row: TextRow, right: Any) -> TextRow:
    """The row with the column that says whether it is right."""
    return replace(row, columns={**row.columns, CORRECT: float(right)})


# -- a log's column --------------------------------------------------------------------------------
def read_in(log: Log, settings: Settings) -> Log:
    """The log with the step scores of its column, where that is their source; else as it is."""
    if settings.process is None or not is_column(settings.process):
        return log
    return with_column(log, str(settings.process), settings.steps)


def with_scorer(log: Log, scores: Scores, how: str) -> Log:
    """The log with the fields step_scores and step_ends in its rows, asked of a scorer."""
    found = zip(log.rows, scores(log.rows), strict=True)
    return replace(log, rows=[with_scores(row, own, how) for row, own in found])


def with_column(log: Log, column: str, how: str) -> Log:
    """The log with the fields step_scores and step_ends in its rows, from a column of scores.

    column : holds one list of scores a row, or its JSON text; a number for a single step

    Raises UsageError that names the line for a column that is not there, and for scores that don't
    go with the steps of the text.
    """
    there = dict.fromkeys(k for row in log.rows for k in row.columns)
    if column not in there:
        near = difflib.get_close_matches(column, there, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}? " if near else ""
        msg = (
            f"process={shortened(column, PATH)} is no file, no folder and no column of the log; "
            f"{hint}its columns: {', '.join(there) or 'none'}"
        )
        raise UsageError(msg)
    rows = []
    for row, line in zip(log.rows, log.lines, strict=True):
        try:
            rows.append(with_scores(row, column_scores(row, column, how), how))
        except ValueError as error:
            msg = f"line {line} of the log: {error}"
            raise UsageError(msg) from error
    return replace(log, rows=rows)


def column_scores(row: TextRow, column: str, how: str) -> list[float]:
    """One score per step of a row's text from a column, NaN where one is missing.

    A row without any (None) misses all of them. Raises ValueError as
    `toyrl.graders.steps.scores.checked`.
    """
    count, value = len(split(row.completion, how)), row.columns.get(column)
    if value is None:
        return [math.nan] * count
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                msg = f"column {column!r} holds {shortened(value)}, no list of numbers"
                raise ValueError(msg) from None
    if isinstance(value, (int, float)):
        value = [value]
    return checked(value, count, by=f"column {column!r} (steps={how!r})")


def asked(score: Callable[[Sequence[TextRow]], Sequence[float | None]], how: str) -> Scores:
    """f(rows) -> one list of scores a row, NaN missing, through a term that `asking` made."""
    return partial(_asked, score, how)


def _without_scores(row: TextRow) -> dict[str, Any]:
    """Its columns without those of scores, which are as long as the text and nobody's question."""
    return {k: v for k, v in row.columns.items() if k not in (FIELD, "step_ends", SCORES)}


def _asked(
    score: Callable[[Sequence[TextRow]], Sequence[float | None]], how: str, rows: Sequence[TextRow]
) -> list[list[float]]:
    counts = [len(split(row.completion, how)) for row in rows]
    rows = [replace(row, columns=_without_scores(row)) for row in rows]
    flat = [
        replace(row, columns={**row.columns, STEP: k})
        for row, count in zip(rows, counts, strict=True)
        for k in range(count)
    ]
    values = iter(score(flat))
    return [[math.nan if (v := next(values)) is None else v for _ in range(n)] for n in counts]
