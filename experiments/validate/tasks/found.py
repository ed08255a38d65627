"""Which task a reward is for: told by `task`, or read from its signature, source and data columns.

Nothing is run. A task is taken where what speaks for it weighs at least `ENOUGH`, and more than
what speaks for any other; the evidence is named in the report. Arithmetic is the task of a reward
that shows none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.formats.source import literals, reached, source_of
from toyrl.messages import shortened
from toyrl.rewards.errors import RewardError
from toyrl.rewards.specs import read
from toyrl.worlds.text.tasks.base import Task, TaskError
from toyrl.worlds.text.tasks.find import ARITHMETIC, KNOWN, task_of

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings
    from toyrl.rewards.specs import Reward

ENOUGH = 2
"""Weight from where a task is taken without being told."""
COLUMNS = {
    "tools": ("tools", "tool_calls", "tool_call", "available_tools", "expected_calls"),
    "sql": ("sql", "gold_sql", "db_path", "db_id", "db_file", "database"),
    "choice": ("choices", "options", "answer_index"),
}
"""Names of parameters and data columns; each weighs 2."""
MODULES = {"sql": ("sqlite3", "sqlglot", "sqlparse", "duckdb")}
"""Modules that its code names; each weighs 2."""
TEXTS = {
    "tools": ((re.compile(r"</?tool_calls?>"), 2), (re.compile(r"\Aarguments\Z"), 1),
              (re.compile(r"\Aparameters\Z"), 1)),
    "sql": ((re.compile(r"```sql|<sql>"), 2), (re.compile(r"\bSELECT\b.*\bFROM\b"), 1)),
    "choice": ((re.compile(r"\[\(?A-[DEJ]|\bABCD\b"), 1),),
}  # fmt: skip
"""Patterns of strings that its code names, with their weights."""
COLUMN, MODULE = 2, 2
OURS = "toyrl.graders"
"""Graders of the catalogue say their task by `task` alone: they read rows of their own form."""


@dataclass(frozen=True)
class Clue:
    """One thing that speaks for a task: which, how much, and what it is in words."""

    task: str
    weight: int
    said: str


@dataclass(frozen=True)
class Found:
    """The task that is judged on. told : by the user; task : None for arithmetic."""

    name: str
    task: Task | None
    told: bool = False
    clues: tuple[Clue, ...] = ()

    def finding(self) -> Finding:
        """Which task it is, and why."""
        own = [c.said for c in self.clues if c.task == self.name]
        if self.told:
            why = "as you said"
        else:
            why = f"found from {', '.join(own[:4])}; --task {ARITHMETIC} says that it is none"
        assert self.task is not None
        layouts = ", ".join(x.replace("\n", "\\n") for x in self.task.layouts)
        text = f"Judged on texts of the task {self.name} ({why}), answers marked as: {layouts}."
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
        return Found(name, task, told=True, clues=clues)
    name = winner(clues) if _open(rewards, settings) else ARITHMETIC
    return Found(name, task_of(name), clues=clues)


def winner(clues: Sequence[Clue]) -> str:
    """The task that most speaks for, where that is enough and no other has as much."""
    weights = {t: sum(c.weight for c in clues if c.task == t) for t in KNOWN}
    best = max(weights, key=lambda t: weights[t])
    alone = sum(w == weights[best] for w in weights.values()) == 1
    return best if weights[best] >= ENOUGH and alone else ARITHMETIC


def of_columns(names: Sequence[str], what: str) -> Iterator[Clue]:
    """What names of columns or parameters say."""
    for name in names:
        for task, known in COLUMNS.items():
            if name in known:
                yield Clue(task, COLUMN, f"the {what} `{name}`")


def of_source(source: str, name: str) -> Iterator[Clue]:
    """What a function's parameters, the modules that it reaches and its strings say."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    for f in functions:
        if f.name == name:
            asked = [a.arg for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs)]
            yield from of_columns(asked, "parameter")
    own = reached(tree, name) or [tree]  # another reward of the file says nothing of this one
    used = {n.id for node in own for n in ast.walk(node) if isinstance(n, ast.Name)}
    for task, modules in MODULES.items():
        for module in modules:
            if module in used:
                yield Clue(task, MODULE, f"the module {module}")
    for found in literals(_alone(source, tree), name):
        if not found.near:
            continue
        for task, patterns in TEXTS.items():
            for pattern, weight in patterns:
                if pattern.search(found.text):
                    yield Clue(task, weight, f"{shortened(found.text)} in line {found.line}")


def _alone(source: str, tree: ast.Module) -> str:
    """The source without its imports, line by line as it was: what a library names says nothing."""
    lines = source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            lines[first:last] = [" " * node.col_offset + "pass", *[""] * (last - first - 1)]
    return "\n".join(lines)


def _of_terms(rewards: Reward) -> Iterator[Clue]:
    try:
        terms = read(rewards)
    except RewardError:  # told where the reward is loaded
        return
    for term in terms:
        if term.target is not None and term.target.module.startswith(OURS):
            continue
        found = source_of(term)
        if found is not None:
            yield from of_source(*found[:2])


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
    return rows[:64]


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
