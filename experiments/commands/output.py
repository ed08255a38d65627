"""Where the commands write: JSON to a file or to standard output, files with clear refusals."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.text import dumps
from toyrl.rollouts.memory import write_atomic


def refuse_unwritable(name: str, path: Path | None) -> None:
    """Find out before the work begins that its answer could not be written."""
    if path is None:
        return
    if path.is_dir():
        msg = f"{name}={str(path)!r} is a folder; name a file"
        raise UsageError(msg)
    if not path.parent.is_dir():
        msg = f"{name}={str(path)!r}: the folder {str(path.parent)!r} does not exist; create it"
        raise UsageError(msg)


def json_path(target: str | None) -> Path | None:
    """The file that `--json` names; None without one or for standard output."""
    if target is None or target == "-":
        return None
    if target.startswith("-"):
        msg = f"json={target!r} looks like an option; give --json a file, or - for standard output"
        raise UsageError(msg)
    return Path(target)


def write_json(target: str | None, data: Any) -> None:
    """Write `data` where `--json` says, or nowhere."""
    path = json_path(target)
    if path is not None:
        write_atomic(path, dumps(data) + "\n")
    elif target == "-":
        sys.stdout.write(dumps(data) + "\n")


def command_line() -> str:
    """The command as typed, ready to be copied."""
    return shlex.join(["toyrl", *sys.argv[1:]])
