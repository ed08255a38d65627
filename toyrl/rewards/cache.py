"""Values of slow rewards, kept on disk by text, and a budget of calls.

A judge that costs money or minutes is asked once per text: values survive the run, so one that
was stopped, by a budget, a fault or Ctrl-C, goes on where it was.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from toyrl.rewards.errors import RewardError

CHUNK = 500  # keys in one question; SQLite's old limit is 999


def fingerprint(label: str, source: Path | str | None) -> str:
    """Name of a reward's values: its label and its file's content (edited code is asked anew)."""
    text = label
    if source is not None and Path(source).is_file():
        text += hashlib.sha256(Path(source).read_bytes()).hexdigest()
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class ValueCache:
    """Values by text key in one SQLite file under a folder; every write is a transaction.

    A file that is no such cache is an error that names it; nothing is deleted.

    Raises ValueError for a folder that is a file, and for a file that is no such cache.
    """

    def __init__(self, folder: Path | str) -> None:
        place = Path(folder)
        if place.exists() and not place.is_dir():
            msg = f"cache={str(place)!r} is a file; name a folder, it is made where it's missing"
            raise ValueError(msg)
        self.path = place / "rewards.sqlite"
        try:
            place.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(self.path, timeout=30.0)
            self.base.execute(
                "CREATE TABLE IF NOT EXISTS value (reward TEXT, text TEXT, value REAL, "
                "PRIMARY KEY (reward, text))"
            )
            self.base.commit()
        except (sqlite3.Error, OSError) as error:
            msg = f"cache={str(self.path)!r} can't be used: {error}; name another folder"
            raise ValueError(msg) from error

    def find(self, reward: str, keys: Sequence[str]) -> dict[str, float | None]:
        """Known values by key; None is a value (unscorable)."""
        out: dict[str, float | None] = {}
        short = {_short(k): k for k in keys}
        names = list(short)
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            marks = ",".join("?" * len(part))
            rows = self.base.execute(
                f"SELECT text, value FROM value WHERE reward = ? AND text IN ({marks})",
                (reward, *part),
            )
            out.update((short[text], value) for text, value in rows)
        return out

    def keep(self, reward: str, values: Mapping[str, float | None]) -> None:
        """Store values by key."""
        rows = [(reward, _short(k), v) for k, v in values.items()]
        with self.base:
            self.base.executemany("INSERT OR REPLACE INTO value VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Close the file."""
        self.base.close()


@dataclass
class Budget:
    """Texts that may still be graded; `limit` None: any number."""

    limit: int | None = None
    used: int = 0

    def room(self, rows: int) -> int:
        """As many of `rows` as the budget still allows, at least 1 (which `spend` refuses)."""
        return rows if self.limit is None else max(1, min(rows, self.limit - self.used))

    def spend(self, rows: int) -> None:
        """Take `rows` off, or raise RewardError(budget) before anything is called."""
        if self.limit is not None and self.used + rows > self.limit:
            msg = (
                f"the budget of {self.limit} graded texts is spent ({self.used} were graded); "
                "what was graded once is in the cache folder if one was given: run again with a "
                "larger --max-calls to go on"
            )
            raise RewardError(kind="budget", message=msg)
        self.used += rows


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
