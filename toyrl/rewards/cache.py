"""Values of slow rewards, kept on disk by text, and a budget of calls.

A judge that costs money or minutes is asked once per text: values survive the run, so one that
was stopped, by a budget, a fault or Ctrl-C, goes on where it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toyrl.files import cause_of
from toyrl.rewards.errors import RewardError

CHUNK = 500  # keys in one question; SQLite's old limit is 999
COLUMNS, VERSION = ["reward", "text", "value"], 1
OPENING, WRITING = 1.0, 10.0  # seconds to wait for another process, at first and later
AWAY = "name another folder, or move the file away"
CAUSES = {
    sqlite3.SQLITE_BUSY: "another process uses it; wait for its end, or name another folder",
    sqlite3.SQLITE_LOCKED: "another process uses it; wait for its end, or name another folder",
    sqlite3.SQLITE_READONLY: "it can't be written (permission denied); name another folder",
    sqlite3.SQLITE_CANTOPEN: "it can't be written (permission denied); name another folder",
    sqlite3.SQLITE_PERM: "it can't be written (permission denied); name another folder",
    sqlite3.SQLITE_FULL: "no space left; make room, or name another folder",
    sqlite3.SQLITE_IOERR: "no space left, or a fault of the disk; name another folder",
    sqlite3.SQLITE_NOTADB: f"it is no cache but another file; {AWAY}",
    sqlite3.SQLITE_CORRUPT: f"it is damaged; {AWAY}",
}
"""SQLite's error codes -> what is told."""


def fingerprint(label: str, source: Path | str | None) -> str:
    """Name of a reward's values: its label and its file's content (edited code is asked anew)."""
    text = label
    if source is not None and Path(source).is_file():
        text += hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class CacheError(ValueError):
    """The cache can't be used: its file, why, and the way out."""


class ValueCache:
    """Values by text key in one SQLite file under a folder; every write is a transaction.

    spoilt : values met that are no finite numbers, which count as unknown

    A file that is no such cache is an error that names it; nothing is deleted. Raises CacheError
    for it, for a folder that is a file, where nothing can be written, and where another process
    holds the file.
    """

    def __init__(self, folder: Path | str) -> None:
        place = Path(folder)
        if place.exists() and not place.is_dir():
            msg = f"cache={str(place)!r} is a file; name a folder, it is made where it's missing"
            raise CacheError(msg)
        self.path, self.spoilt = place / "rewards.sqlite", 0
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cache={str(place)!r}: the folder can't be made ({cause_of(error)})"
            raise CacheError(msg) from error
        with self._told():
            self.base = sqlite3.connect(self.path, timeout=OPENING)
            try:
                self._prepare()
            except BaseException:
                self.base.close()
                raise

    def _prepare(self) -> None:
        """Make the table, or see that it is ours; and write, to find out here if that fails."""
        tables = [name for (name,) in self.base.execute("SELECT name FROM sqlite_master "
                  "WHERE type != 'index'")]  # fmt: skip
        columns = [row[1] for row in self.base.execute("PRAGMA table_info(value)")]
        (version,) = self.base.execute("PRAGMA user_version").fetchone()
        if tables not in ([], ["value"]) or columns not in ([], COLUMNS) or version > VERSION:
            msg = f"it is no cache of this toyrl; {AWAY}"
            raise self._error(msg)
        self.base.execute("BEGIN IMMEDIATE")
        self.base.execute(
            "CREATE TABLE IF NOT EXISTS value (reward TEXT, text TEXT, value REAL, "
            "PRIMARY KEY (reward, text))"
        )
        self.base.execute(f"PRAGMA user_version = {VERSION}")
        self.base.commit()
        self.base.execute(f"PRAGMA busy_timeout = {int(1000 * WRITING)}")

    def _error(self, why: str) -> CacheError:
        return CacheError(f"cache={str(self.path)!r} can't be used: {why}")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as a CacheError."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            raise self._error(CAUSES.get(code, f"{error}; {AWAY}")) from error

    def find(self, reward: str, keys: Sequence[str]) -> dict[str, float | None]:
        """Known values by key; None is a value (unscorable). Raises CacheError."""
        out: dict[str, float | None] = {}
        short = {_short(k): k for k in keys}
        names = list(short)
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            marks = ",".join("?" * len(part))
            with self._told():
                rows = self.base.execute(
                    f"SELECT text, value FROM value WHERE reward = ? AND text IN ({marks})",
                    (reward, *part),
                ).fetchall()
            good = {short[text]: value for text, value in rows if _usable(value)}
            self.spoilt += len(rows) - len(good)
            out.update(good)
        return out

    def keep(self, reward: str, values: Mapping[str, float | None]) -> None:
        """Store values by key. Raises CacheError."""
        rows = [(reward, _short(k), v) for k, v in values.items()]
        with self._told(), self.base:
            self.base.executemany("INSERT OR REPLACE INTO value VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self.base.close()


@dataclass
class Budget:
    """Texts that may still be graded; `limit` None: any number.

    used : texts that were asked; seconds : of the calls that graded them, over all processes
    heard : is called with the budget after every call
    """

    limit: int | None = None
    used: int = 0
    seconds: float = 0.0
    heard: Callable[[Budget], Any] | None = field(default=None, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def room(self, rows: int) -> int:
        """As many of `rows` as the budget still allows, at least 1 (which `spend` refuses)."""
        return rows if self.limit is None else max(1, min(rows, self.limit - self.used))

    def spend(self, rows: int) -> None:
        """Take `rows` off, or raise RewardError(budget) before anything is called."""
        with self._lock:
            if self.limit is None or self.used + rows <= self.limit:
                self.used += rows
                return
            msg = (
                f"the budget of {self.limit} graded texts is spent ({self.used} were graded); "
                "what was graded once is in the cache folder if one was given: run again with a "
                "larger --max-calls to go on"
            )
            raise RewardError(kind="budget", message=msg)

    def graded(self, seconds: float) -> None:
        """A call has answered."""
        with self._lock:
            self.seconds += seconds
            if self.heard is not None:
                self.heard(self)


def _usable(value: Any) -> bool:
    """None, or a finite number: what a reward's values are."""
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
