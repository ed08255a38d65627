"""Data rows of a task, checked once at the door: each thing that is wrong in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.tasks.found import rows_of
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.find import KNOWN, module_of

if TYPE_CHECKING:
    from toyrl.experiments.validate.settings import Settings


def check_rows(task: str, settings: Settings) -> None:
    """Refuse data rows that a reward of this task couldn't be graded on.

    Raises UsageError with the row, as the task's own `check_row` says it: a schema that can't be
    read, a database that is missing or locked.
    """
    if settings.data is None or task not in KNOWN:
        return
    module = module_of(task)
    if hasattr(module, "check_rows"):  # that looks at them side by side
        try:
            module.check_rows(rows_of(settings))
        except TaskError as error:
            raise UsageError(str(error)) from error
        return
    check_row = getattr(module, "check_row", lambda _: None)
    for i, row in enumerate(rows_of(settings)):
        try:
            check_row(row)
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise UsageError(msg) from error
