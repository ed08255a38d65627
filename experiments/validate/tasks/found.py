"""Which task a reward is for: told by `task`, or read from its signature, source and data columns.

Nothing is run. A task is taken where what speaks for it weighs at least `ENOUGH`, and more than
what speaks for any other; the evidence is named in the report. Arithmetic is the task of a reward
that shows none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.formats.source import source_of
from toyrl.experiments.validate.tasks.clues import ENOUGH, Clue, of_columns, of_source, winner
from toyrl.rewards.errors import RewardError
from toyrl.rewards.specs import read
from toyrl.worlds.text.tasks.base import Task, TaskError
from toyrl.worlds.text.tasks.find import ARITHMETIC, KNOWN, located, of_rows, task_of

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings
    from toyrl.rewards.specs import Reward, Term

OURS = "toyrl.graders"
"""Graders of the catalogue say their task themselves (`of_task`), or are told it: the source of one
names what all of its kind may read."""


@dataclass(frozen=True)
class Found:
    """The task that is judged on.

    told : by the user; task : None for arithmetic; source : whose problems they are, where data
    rows were given; own_rows : they are those of the data rows
    """

    name: str
    task: Task | None
    told: bool = False
    clues: tuple[Clue, ...] = ()
    source: str = ""
    own_rows: bool = False

    def finding(self) -> Finding:
        """Which task it is, and why."""
        own = [c.said for c in self.clues if c.task == self.name]
        if self.told:
            why = "as you said"
        else:
            why = f"found from {', '.join(own[:4])}; --task {ARITHMETIC} says that it is none"
        assert self.task is not None
        layouts = ", ".join(x.replace("\n", "\\n") for x in self.task.layouts)
        form = getattr(self.task, "form", "")
        kind = f" with {form}" if form else ""
        text = f"Judged on texts of the task {self.name}{kind} ({why}), "
        text += f"answers marked as: {layouts}."
        text = f"{text} {self.source}".strip()
        return Finding(1, "contract/task", "info", text)

    def hint(self) -> str:
        """What a reward that arithmetic texts say nothing of may be for; "" without a clue."""
        if self.told or self.task is not None or not self.clues:
            return ""
        top = max(self.clues, key=lambda c: c.weight)
        return f"It may be for the task {top.task} ({top.said}): if so, say --task {top.task}."


def find(rewards: Reward, settings: Settings) -> Found:
    """The task of a run.

    Raises UsageError for a task that can't be used, and for data rows of another task than said.
    """
    columns = _columns(settings)
    clues = tuple(_distinct([*of_columns(columns, "data column"), *_of_terms(rewards)]))
    if settings.task is not None:
        try:
            task = task_of(settings.task)
        except TaskError as error:
            raise UsageError(str(error)) from error
        name = ARITHMETIC if task is None else task.name
        _refuse_others(name, columns)
        _refuse_steps(name, settings)
        return _on_rows(Found(name, task, told=True, clues=clues), settings)
    name = winner(clues) if _open(rewards, settings) else ARITHMETIC
    return _on_rows(Found(name, task_of(name), clues=clues), settings)


def _on_rows(found: Found, settings: Settings) -> Found:
    """A task of ours on the user's data rows, where they hold what it needs."""
    rows = rows_of(settings) if settings.data is not None else ()
    if found.name not in KNOWN or not rows:
        return found
    try:
        task = of_rows(found.name, rows)
    except TaskError as error:
        return replace(found, source=f"Problems are toyrl's own, not those of your rows: {error}.")
    said = f"Problems are those of your data rows, {len(task.problems())} of them"
    note = f"; {task.note}" if task.note else ""
    return replace(found, task=task, source=f"{said}{note}.", own_rows=True)


def _of_terms(rewards: Reward) -> Iterator[Clue]:
    try:
        terms = read(rewards)
    except RewardError:  # told where the reward is loaded
        return
    for term in terms:
        of_task = _of_grader(term)
        if of_task is not None:
            if of_task:
                yield Clue(of_task, ENOUGH, f"the catalogue, which says it of {term.spec}")
            continue
        found = source_of(term)
        if found is not None:
            yield from of_source(*found[:2])


def _of_grader(term: Term) -> str | None:
    """The task that a grader of the catalogue says, "" for one that says none; None for others."""
    if term.target is None:
        own = type(term.function)
        return getattr(own, "of_task", "") if own.__module__.startswith(OURS) else None
    if not term.target.module.startswith(OURS):
        return None
    try:
        grader = getattr(import_module(term.target.module), term.target.name, None)
    except ImportError:  # told where the reward is loaded
        return ""
    return getattr(grader, "of_task", "")


def _distinct(clues: Sequence[Clue]) -> list[Clue]:
    return list(dict.fromkeys(clues))


def _columns(settings: Settings) -> tuple[str, ...]:
    """Columns of the data rows, or of the log's."""
    source = settings.data or settings.rollouts
    return tuple(dict.fromkeys(k for row in rows_of(settings) for k in row)) if source else ()


def rows_of(settings: Settings) -> Sequence[Mapping[str, Any]]:
    """The first data rows; nothing where the file can't be read, which is told where it is."""
    from toyrl.rollouts.logs import LogError, read_columns

    try:
        rows, _ = read_columns(
            settings.data or settings.rollouts,
            skip_bad=settings.skip_bad_rows,
            columns=dict(settings.columns),
        )
    except LogError:
        return ()
    return [located(row, settings.data) for row in rows[:64]]


def _open(rewards: Reward, settings: Settings) -> bool:
    """Whether a task may be taken unasked: a log brings texts of its own, scores of steps are about
    arithmetic, and a reward of the catalogue reads no text."""
    if settings.rollouts is not None or settings.model is not None or settings.process is not None:
        return False
    try:
        return any(term.shaper is None for term in read(rewards))
    except RewardError:
        return False


def _refuse_steps(name: str, settings: Settings) -> None:
    if name != ARITHMETIC and settings.process is not None:
        msg = (
            f"task={name!r} and process are both given; steps are scored on arithmetic texts, "
            "leave one of the two out"
        )
        raise UsageError(msg)


def _refuse_others(name: str, columns: Sequence[str]) -> None:
    """Refuse data rows that are another task's than the one said."""
    if name not in KNOWN:
        return
    clues = list(of_columns(columns, "column"))
    rows = winner(clues)
    if rows in (ARITHMETIC, name) or any(c.task == name for c in clues):
        return
    said = ", ".join(c.said for c in clues if c.task == rows)
    msg = (
        f"task={name!r}, and the data rows are of the task {rows} ({said}); say --task {rows}, or "
        f"give rows of {name}"
    )
    raise UsageError(msg)
