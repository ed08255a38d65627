"""Data rows of a task, checked once at the door: each thing that is wrong in one message."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.tasks.found import rows_of
from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import TaskError

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings

SCHEMAS = ("tools", "available_tools")
DATABASES = ("db_path", "db_file")
STEPS = 1_000_000  # of SQLite's machine that a schema's script may take


def check_rows(task: str, settings: Settings) -> None:
    """Refuse data rows that a reward of this task couldn't be graded on.

    Raises UsageError for a schema that can't be read and for a database that is missing or locked.
    """
    if settings.data is None or task not in ("tools", "sql"):
        return
    for i, row in enumerate(rows_of(settings)):
        try:
            (_tools if task == "tools" else _sql)(row)
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise UsageError(msg) from error


def _tools(row: Mapping[str, Any]) -> None:
    for name in SCHEMAS:
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                msg = f"{name}={shortened(value)} is no JSON ({error}); give a list of schemas"
                raise TaskError(msg) from error
        if not isinstance(value, list) or not all(isinstance(t, Mapping) for t in value):
            msg = f"{name}={shortened(value)} is no list of schemas, each a mapping with a name"
            raise TaskError(msg)


def _sql(row: Mapping[str, Any]) -> None:
    from toyrl.worlds.text.tasks.sql import check_database

    for name in DATABASES:
        if row.get(name):
            check_database(row[name])
    script = row.get("schema")
    if isinstance(script, str):
        _script(script)


def _script(script: str) -> None:
    """Run a schema in memory; nothing is written anywhere."""
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        left = iter(range(STEPS // 1000))
        base.set_progress_handler(lambda: next(left, None) is None, 1000)
        try:
            base.executescript(script)
        except (sqlite3.Error, sqlite3.Warning) as error:
            msg = f"schema={shortened(script)} is no script that SQLite runs: {error}"
            raise TaskError(msg) from error
