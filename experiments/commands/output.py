"""Where the commands write: probed before the work, written after it, told where that fails."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.text import dumps, visible
from toyrl.files import WriteError, cause_of, closed, destination, there, unwritable, write_file
from toyrl.messages import PATH, shortened

CANT = 2
"""Exit code where an answer was found and a file of it couldn't be written."""


class Outputs:
    """The files that options name.

    places : option -> path, or None where it was not given
    inputs : what the command reads, in words -> path, which no output may replace

    Raises UsageError, which names option and path, for a place that can't be written, and for two
    options (or an option and an input) that name one file.
    """

    def __init__(
        self,
        places: Mapping[str, Path | None],
        inputs: Mapping[str, Path | str | None] | None = None,
    ) -> None:
        self.places = {name: path for name, path in places.items() if path is not None}
        self.written: set[str] = set()
        self.failed: dict[str, None] = {}
        taken = {_regular(path): name for name, path in (inputs or {}).items() if path is not None}
        taken.pop(None, None)
        for name, path in self.places.items():
            refuse_unwritable(name, path)
            file = _regular(path)
            if file in taken:
                msg = f"{name}={str(path)!r} is the file of {taken[file]} too; name another one"
                raise UsageError(msg)
            if file is not None:
                taken[file] = name

    def write(self, name: str, content: Callable[[], str]) -> None:
        """Write the content if the option was given; what can't be is told by `code`."""
        path = self.places.get(name)
        if path is None:
            return
        if path.is_fifo():
            print(f"toyrl: {visible(str(path))} waits for its reader", file=sys.stderr)
        if self.attempt(write_file, path, content()):
            self.written.add(name)

    def attempt(self, write: Callable[..., Any], *told: Any) -> bool:
        """Whether `write(*told)` could write; `code` tells what couldn't be."""
        try:
            write(*told)
        except WriteError as error:
            self.failed[str(error)] = None
            return False
        return True

    def json(self, target: str | None, data: Any) -> None:
        """Write `data` where `--json` says: to its file, to standard output, or nowhere."""
        if target == "-":
            sys.stdout.write(dumps(data) + "\n")
        else:
            self.write("json", lambda: dumps(data) + "\n")

    def code(self, answer: int) -> int:
        """The exit code: `answer`, or 2 after a line for each file that couldn't be written."""
        for said in self.failed:
            print(f"toyrl: {visible(said)}", file=sys.stderr)
        return CANT if self.failed else answer


def _regular(path: Path | str) -> str | None:
    """The regular file behind a path, there already or not; None for anything else."""
    try:
        place, kind = destination(path)
    except OSError:
        return None
    return str(place) if kind == "file" else None


def refuse_unwritable(name: str, path: Path | None) -> None:
    """Find out before the work begins that its answer could not be written."""
    if path is not None and (why := unwritable(path)):
        msg = f"{name}={shortened(str(path), PATH)}: {why}"
        raise UsageError(msg)


def refuse_closed(name: str, folder: Path) -> None:
    """Make a folder that a command will fill; UsageError that names the option where it can't."""
    if there(folder) and not folder.is_dir():
        msg = f"{name}={shortened(str(folder), PATH)} is a file; name a folder"
        raise UsageError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{name}={shortened(str(folder), PATH)}: the folder can't be made ({cause_of(error)})"
        raise UsageError(msg) from error
    if why := closed(folder):
        msg = f"{name}={shortened(str(folder), PATH)}: {why}"
        raise UsageError(msg)


def json_path(target: str | None) -> Path | None:
    """The file that `--json` names; None without one or for standard output."""
    if target is None or target == "-":
        return None
    if not target:
        msg = "json='' is no file name; give --json a file, or - for standard output"
        raise UsageError(msg)
    if target.startswith("-"):
        said = f"json={shortened(target)} looks like an option"
        msg = f"{said}; give --json a file, or - for standard output"
        raise UsageError(msg)
    return Path(target)


def command_line() -> str:
    """The command as typed, ready to be copied."""
    return shlex.join(["toyrl", *sys.argv[1:]])
