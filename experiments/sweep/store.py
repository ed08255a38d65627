"""The folder of a sweep: its plan, finished parts, and one run at a time.

plan.json            what is swept; another plan is refused
parts/NAME.npz       a part's cells with what was found, written whole or not at all
lock                 held by the run that is going on
cells.csv, .parquet  all cells, once they are there; result.json, map.*: the answer
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep.cells import COLUMNS, Found
from toyrl.experiments.sweep.plan import Plan, changes
from toyrl.files import WriteError, write_file

PLAN, PARTS, LOCK = "plan.json", "parts", "lock"
DAMAGED = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile)
"""What reading a part may raise that is not there, or not whole."""
Place = tuple[int, ...]


@dataclass(frozen=True)
class Store:
    """One sweep in its folder."""

    folder: Path
    plan: Plan

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """Hold the folder; the number of cells that it has already.

        Raises UsageError for a folder of another plan, for one that another run holds, and for one
        that can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._held():
                self._same_plan()
                (self.folder / PARTS).mkdir(exist_ok=True)
                yield len(self.finished())
        except (PermissionError, NotADirectoryError, FileExistsError) as error:
            if isinstance(error, WriteError):
                raise
            msg = f"out={str(self.folder)!r} can't be written: {error.strerror or error}"
            raise UsageError(msg) from error

    def _same_plan(self) -> None:
        path = self.folder / PLAN
        if not path.is_file():
            taken = [p.name for p in self.folder.iterdir() if p.name != LOCK]
            if taken:
                msg = (
                    f"out={str(self.folder)!r} holds other files ({', '.join(sorted(taken)[:3])}) "
                    "and no sweep; name an empty or a new folder"
                )
                raise UsageError(msg)
            write_file(path, self.plan.to_json())
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            schemas.check(before, "sweep-plan", str(path))
        except ValueError as error:
            msg = f"{path} is no plan of a sweep ({error}); name another out"
            raise UsageError(msg) from error
        differ = changes(before, self.plan.to_dict())
        if differ:
            msg = (
                f"out={str(self.folder)!r} holds a sweep of another plan ({differ}); name another "
                "folder, or repeat that plan to go on with it"
            )
            raise UsageError(msg)

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """Keep other runs out; a killed one leaves no trace, as the system drops its hold."""
        try:
            import fcntl
        except ImportError:  # pragma: no cover - Windows: parts are still written whole
            yield
            return
        with (self.folder / LOCK).open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read().strip() or "another process"
                msg = (
                    f"out={str(self.folder)!r} is being written by {holder}; wait for it, or name "
                    "another folder"
                )
                raise UsageError(msg) from error
            file.truncate(0)
            file.write(f"process {os.getpid()}")
            file.flush()
            yield

    # -- parts -------------------------------------------------------------------------------------
    def write(self, name: str, places: Sequence[Place], found: Found) -> None:
        """Keep a finished part. Raises WriteError where it can't be written."""
        data = io.BytesIO()
        np.savez(data, plan=self.plan.digest, places=np.array(places, dtype=np.int64),
                 **found.columns)  # type: ignore[arg-type] # fmt: skip
        write_file(self.folder / PARTS / f"{name}.npz", data.getvalue())

    def read(self, name: str, places: Sequence[Place]) -> Found | None:
        """A part that was kept; None where it is not there, of another plan, or damaged."""
        path = self.folder / PARTS / f"{name}.npz"
        try:
            with _loaded(path) as data:
                same = str(data["plan"]) == self.plan.digest
                if not same or data["places"].tolist() != [list(p) for p in places]:
                    return None
                return Found({c: data[c] for c in COLUMNS})
        except DAMAGED:
            return None

    def finished(self) -> dict[Place, int]:
        """Places of the cells that are kept -> how often; more than once would be a defect."""
        out: dict[Place, int] = {}
        for path in sorted((self.folder / PARTS).glob("*.npz")):
            with contextlib.suppress(*DAMAGED), _loaded(path) as data:
                if str(data["plan"]) == self.plan.digest:
                    for place in data["places"].tolist():
                        out[tuple(place)] = out.get(tuple(place), 0) + 1
        return out


def _loaded(path: Path) -> Any:
    """A part's arrays; whole in memory, so that a damaged one leaves no file open."""
    return np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
