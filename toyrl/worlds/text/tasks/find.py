"""The task of a name, or of a user's file."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from toyrl.messages import PATH, shortened
from toyrl.worlds.text.tasks.base import Made, Task, TaskError, check

ARITHMETIC = "arithmetic"
"""The task of `toyrl.worlds.text.problems`, which is none of these."""
KNOWN = {
    "choice": "CHOICE",
    "tools": "TOOL_CALLS",
    "sql": "SQL",
    "code": "CODE",
    "translation": "TRANSLATION",
    "boxes": "BOXES",
    "open": "OPEN",
}
"""Name of a task, which is its module's too -> the object in it."""
NAMES = (ARITHMETIC, *KNOWN)
FILE = re.compile(r"(?P<path>.+\.py):(?P<name>[A-Za-z_]\w*)\Z")


def check_name(spec: Any) -> None:
    """TaskError for an unknown name, for a file that isn't there and for an object that is no task;
    a file is not run."""
    if not isinstance(spec, str):
        check(spec)
    elif found := FILE.match(spec):
        _refuse_missing(Path(found["path"]))
    elif spec not in NAMES:
        msg = (
            f"task={shortened(spec)} is no task; there are {', '.join(NAMES)}, and a task of your "
            "own: file.py:NAME (docs/tasks.md)"
        )
        raise TaskError(msg)


def task_of(spec: Any) -> Task | None:
    """The task of a name or of file.py:NAME, or the object itself; None for arithmetic.

    A user's file is run in this process, as an import is; NAME may be a task, or a function or
    class that makes one.

    Raises TaskError for an unknown name, and for a file or an object that is no task.
    """
    check_name(spec)
    if not isinstance(spec, str):
        return spec
    if spec == ARITHMETIC:
        return None
    if found := FILE.match(spec):
        return _of_file(Path(found["path"]), found["name"])
    module = module_of(spec)
    if spec == "sql":
        module.restored()
    return getattr(module, KNOWN[spec])


def module_of(name: str) -> ModuleType:
    """The module of a task of ours, one of `KNOWN`."""
    return importlib.import_module(f"toyrl.worlds.text.tasks.{name}")


def of_rows(name: str, rows: Sequence[Mapping[str, Any]]) -> Made:
    """The task of this name with a user's data rows as its problems.

    Raises TaskError where the rows lack what the task needs, or are too few.
    """
    module = module_of(name)
    if not hasattr(module, "of_rows"):
        msg = f"the task {name} has problems of its own alone"
        raise TaskError(msg)
    made = module.of_rows(rows)
    check(made)
    return made


def located(row: Mapping[str, Any], source: Any) -> Mapping[str, Any]:
    """A row of a file, with paths of databases that are told from where the file is; as it is where
    `source` is no file or folder."""
    if not isinstance(source, str | Path) or not Path(source).exists():
        return row
    from toyrl.worlds.text.tasks.sql import located

    place = Path(source)
    return located(row, place if place.is_dir() else place.parent)


def _refuse_missing(path: Path) -> None:
    if not path.is_file():
        where = shortened(str(path), PATH)
        msg = f"task={where} does not exist; name a Python file with a task in it, file.py:NAME"
        raise TaskError(msg)


def _of_file(path: Path, name: str) -> Task:
    where = shortened(str(path), PATH)
    spec = importlib.util.spec_from_file_location(f"toyrl_task_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        msg = f"task={where} can't be run: {type(error).__name__}: {error}"
        raise TaskError(msg) from error
    if not hasattr(module, name):
        have = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
        msg = f"task={where} has no {name}; it has {shortened(have)}"
        raise TaskError(msg)
    made = getattr(module, name)
    return check(made() if isinstance(made, type) or _makes(made) else made)


def _makes(value: Any) -> bool:
    """Whether it is a function that makes a task."""
    return isinstance(value, Callable) and not hasattr(value, "problems")
