"""Queries on a SQLite database that they can't change, leave or keep busy.

    with_script("CREATE TABLE t(a); INSERT INTO t VALUES (1);").run("SELECT a FROM t").rows
    with_file("shop.sqlite").run(text, seconds=30, rows=5000)

A file is opened with `mode=ro`, and `query_only` holds for scripts too. An authorizer lets a query
read and call functions and do nothing else: no writes, ATTACH, PRAGMA, VACUUM INTO, transactions or
extensions. A progress handler ends it at its time limit; values are at most 1 MB, and no more rows
are fetched than asked for. Temporary tables stay in memory, of which SQLite gets 2 GiB: a limit of
the whole process, which can't be raised again (`HEAP`, to be set before the first database).
"""

from __future__ import annotations

import math
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from toyrl.messages import shortened

SECONDS, ROWS = 30.0, 5000
LARGEST = 1_000_000
"""Bytes of one value."""
ALTOGETHER = 2**26
"""Bytes of text in the rows of one answer; looked at every `CHUNK` rows."""
CHUNK = 200
HEAP = 2**31
"""Bytes that SQLite may hold in this process, all connections together, once a database is open."""
STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""
WAIT = 5.0
"""Most seconds that a locked file is waited for."""
KEPT, ANSWERS = 8, 256
"""Open databases a thread keeps, and answers of gold queries each of them keeps."""
MAY = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, 33}  # 33: recursive
MAY_NOT = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH}
UNSAFE = ("load_extension", "fts3_tokenizer")
BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
WAL = 2


class DatabaseProblem(ValueError):
    """A database that can't be used: missing, no database, or a script that fails."""


class DatabaseLocked(RuntimeError):
    """Someone else is writing to the database; no query is to blame."""


class Ran(NamedTuple):
    """What a query gave.

    began : it is valid SQL, read up to its first row without an error
    rows : the set of its rows, None where it failed or ran past the time limit
    count : rows fetched, copies included; cut : there were more than were fetched
    error : what SQLite said, or "" where it ended well
    """

    began: bool
    rows: frozenset[tuple[Any, ...]] | None
    count: int = 0
    cut: bool = False
    error: str = ""


class Fetched(NamedTuple):
    """What a query gave, in order.

    began, cut, error : as of `Ran`; rows : in the order in which they came, None where it failed or
        ran past a limit; count : rows fetched; steps : instructions of SQLite's machine, in whole
        multiples of `STEPS`
    """

    began: bool
    rows: list[tuple[Any, ...]] | None
    count: int = 0
    cut: bool = False
    error: str = ""
    steps: int = 0


class Database:
    """One connection that reads. `with_script` and `with_file` make one and keep it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._deadline = self._left = math.inf
        self._used = 0
        self._gold: OrderedDict[tuple[str, float, int], Ran] = OrderedDict()
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA query_only = 1")
        connection.execute(f"PRAGMA hard_heap_limit = {HEAP}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        for name in ("json_each", "json_tree"):  # set up by a first use, which is a CREATE TABLE
            connection.execute(f"SELECT 1 FROM {name}('[]')")
        connection.set_progress_handler(self._late, STEPS)
        connection.set_authorizer(_reads)

    def run(self, sql: str, *, seconds: float = SECONDS, rows: int = ROWS) -> Ran:
        """The set of the first `rows` rows of one query, within `seconds`.

        Raises DatabaseLocked where somebody else holds the file; no other error of SQLite.
        """
        got = self.fetch(sql, seconds=seconds, rows=rows)
        found = None if got.rows is None else frozenset(got.rows)
        return Ran(got.began, found, got.count, got.cut, got.error)

    def fetch(
        self, sql: str, *, seconds: float = SECONDS, rows: int = ROWS, steps: float = math.inf
    ) -> Fetched:
        """The first `rows` rows of one query in order, within `seconds` and `steps`.

        steps : instructions of SQLite's machine; looked at every `STEPS`

        Raises DatabaseLocked as `run` does.
        """
        began, found = False, []
        cursor = self._connection.cursor()
        self._deadline, self._left = time.monotonic() + seconds, steps
        self._used = 0
        try:
            cursor.execute(sql)
            began = True
            size = 0
            while len(found) < rows:
                chunk = cursor.fetchmany(min(CHUNK, rows - len(found)))
                if not chunk:
                    break
                found += chunk
                if len(found) > CHUNK:
                    size += sum(len(v) for row in chunk for v in row if isinstance(v, str | bytes))
                    if size > ALTOGETHER:
                        said = "the rows are larger than 64 MiB"
                        return Fetched(True, None, len(found), True, said, self._used)
            cut = len(found) == rows and cursor.fetchone() is not None
            return Fetched(True, found, len(found), cut, "", self._used)
        except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
            said = self._said(error, seconds, steps)
            return Fetched(began, None, len(found), False, said, self._used)
        finally:
            self._deadline = self._left = math.inf
            cursor.close()

    def remembered(self, sql: str, *, seconds: float = SECONDS, rows: int = ROWS) -> Ran:
        """As `run`; the last answers are kept, for gold queries that many texts are held against.

        Raises DatabaseLocked as `run` does.
        """
        key = (sql, seconds, rows)
        if key in self._gold:
            self._gold.move_to_end(key)
            return self._gold[key]
        answer = self._gold[key] = self.run(sql, seconds=seconds, rows=rows)
        if len(self._gold) > ANSWERS:
            self._gold.popitem(last=False)
        return answer

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _late(self) -> bool:
        self._used += STEPS
        return self._used > self._left or time.monotonic() > self._deadline

    def _said(self, error: BaseException, seconds: float, steps: float) -> str:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in BUSY:
            msg = f"the database is in use: {error}"
            raise DatabaseLocked(msg) from None
        if code == sqlite3.SQLITE_INTERRUPT:
            if self._used > steps:
                return f"stopped after {steps:,.0f} steps of SQLite's machine"
            return f"stopped after {seconds:g} seconds"
        if isinstance(error, MemoryError):
            return f"SQLite holds more than {HEAP / 2**20:g} MiB"
        return shortened(str(error) or type(error).__name__, write=str)


def with_script(ddl: str, *, seconds: float = SECONDS) -> Database:
    """A database in memory, made by a script of CREATE and INSERT statements.

    The script can't attach files or load extensions; PRAGMA statements in it are passed over. This
    thread keeps the last `KEPT` databases.

    Raises DatabaseProblem for a script that fails or takes longer than `seconds`.
    """
    return _kept(("script", ddl), lambda: _from_script(ddl, seconds))


def with_file(path: str | os.PathLike[str], *, wait: float = WAIT) -> Database:
    """A database file, opened to be read; this thread keeps the last `KEPT` databases.

    wait : seconds that a lock is waited for, at most `WAIT`

    A file that changes is opened again. One in write-ahead mode is read as it is if nothing waits
    in its log, and counts as in use else: reading it would create files beside it.

    Raises DatabaseProblem for a file that is missing or no database, DatabaseLocked for one in use.
    """
    try:
        told = os.stat(path)  # noqa: PTH116 (asked for each text; a Path takes as long as a lookup)
    except (OSError, ValueError) as error:
        msg = f"there is no database {shortened(str(path), 250)}: {_reason(error)}"
        raise DatabaseProblem(msg) from None
    place = os.path.abspath(path)  # noqa: PTH100
    key = ("file", place, told.st_mtime_ns, told.st_size, min(wait, WAIT))
    return _kept(key, lambda: _from_file(Path(path), wait))


def _from_script(ddl: str, seconds: float) -> Database:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.set_authorizer(_builds)
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS)
    try:
        connection.executescript(ddl)
        if connection.in_transaction:
            connection.execute("COMMIT")
    except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
        connection.close()
        why = f"not done after {seconds:g} seconds" if "interrupted" in str(error) else str(error)
        msg = f"the script {shortened(ddl)} makes no database: {why}"
        raise DatabaseProblem(msg) from None
    connection.set_authorizer(None)
    return Database(connection)


def _from_file(place: Path, wait: float) -> Database:
    still = False
    try:
        with place.open("rb") as file:
            still = WAL in file.read(20)[18:20]
    except OSError as error:
        msg = f"the database {shortened(str(place), 250)} can't be read: {_reason(error)}"
        raise DatabaseProblem(msg) from None
    log = Path(f"{place}-wal")
    if still and log.exists() and log.stat().st_size:
        msg = "the database is in use: what was written last is in its log (wal_checkpoint ends it)"
        raise DatabaseLocked(msg)
    address = f"{place.absolute().as_uri()}?mode=ro{'&immutable=1' if still else ''}"
    connection = sqlite3.connect(address, uri=True, timeout=min(wait, WAIT), isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        return Database(connection)
    except sqlite3.Error as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF in BUSY:
            msg = f"the database is in use: {error}"
            raise DatabaseLocked(msg) from None
        msg = f"{shortened(str(place), 250)} can't be read as a database: {error}"
        raise DatabaseProblem(msg) from None


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error)


def _reads(action: int, _: str | None, second: str | None, *__: Any) -> int:
    """What a query may do: look at columns and call functions that are safe."""
    allowed = action in MAY and not (action == sqlite3.SQLITE_FUNCTION and second in UNSAFE)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _builds(action: int, _: str | None, second: str | None, *__: Any) -> int:
    """What a script may do: everything inside its own database."""
    if action == sqlite3.SQLITE_PRAGMA:
        return sqlite3.SQLITE_IGNORE
    unsafe = action in MAY_NOT or (action == sqlite3.SQLITE_FUNCTION and second in UNSAFE)
    return sqlite3.SQLITE_DENY if unsafe else sqlite3.SQLITE_OK


_open = threading.local()


def _kept(key: tuple[Any, ...], make: Callable[[], Database]) -> Database:
    """This thread's database of that key; a connection is used by one thread of one process."""
    mine: OrderedDict[Any, Database] = _open.__dict__.setdefault("mine", OrderedDict())
    key = (os.getpid(), *key)
    if key in mine:
        mine.move_to_end(key)
        return mine[key]
    mine[key] = made = make()
    if len(mine) > KEPT:
        mine.popitem(last=False)[1].close()
    return made
