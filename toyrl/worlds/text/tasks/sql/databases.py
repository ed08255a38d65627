"""Databases that queries are held to: a user's file, opened read-only in place, or a script.

Nothing is copied and nothing is written. Each query is limited in steps of SQLite's machine, which
are the same on every computer, and in seconds for what waits.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toyrl.graders.sql.database import (
    DatabaseLocked,
    DatabaseProblem,
    Fetched,
    with_file,
    with_script,
)
from toyrl.messages import PATH, shortened
from toyrl.worlds.text.tasks.base import TaskError

STEPS = 20_000_000
"""Of SQLite's machine, for a gold query or an answer on one database."""
SECONDS, ROWS = 10.0, 20_000
DIGITS = 12  # of a number that are compared: a mean may be summed in another order
HIDDEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Strings, quoted names and comments."""
RESERVED = re.compile(
    r"ADD|ALL|ALTER|AND|AS|AUTOINCREMENT|BETWEEN|CASE|CAST|CHECK|COLLATE|COMMIT|CONSTRAINT|"
    r"CREATE|CROSS|CURRENT_DATE|CURRENT_TIME|CURRENT_TIMESTAMP|DEFAULT|DEFERRABLE|DELETE|"
    r"DISTINCT|DROP|ELSE|ESCAPE|EXCEPT|EXISTS|FALSE|FOREIGN|FROM|FULL|GROUP|HAVING|IN|INDEX|"
    r"INNER|INSERT|INTERSECT|INTO|IS|ISNULL|JOIN|LEFT|LIMIT|NATURAL|NOT|NOTHING|NOTNULL|NULL|ON|"
    r"OR|ORDER|OUTER|PRIMARY|RAISE|REFERENCES|RETURNING|RIGHT|SELECT|SET|TABLE|THEN|TO|"
    r"TRANSACTION|TRUE|UNION|UNIQUE|UPDATE|USING|VALUES|WHEN|WHERE",
    re.IGNORECASE,
)
"""Words that name no table and no column unless they are quoted."""
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Base:
    """One database: the path of a file, or a script that makes it in memory."""

    path: str = ""
    script: str = ""

    def fetch(self, query: str, *, steps: float | None = None, rows: int = ROWS) -> Fetched:
        """Rows of one query in order, a semicolon behind it taken off.

        steps : of SQLite's machine that it may take; None: `STEPS`

        Raises TaskError for a database that can't be used.
        """
        try:
            database = with_file(self.path, wait=0.0) if self.path else with_script(self.script)
            most = STEPS if steps is None else steps
            return database.fetch(bare(query), seconds=SECONDS, rows=rows, steps=most)
        except DatabaseLocked as error:
            raise TaskError(_locked(self.path)) from error
        except DatabaseProblem as error:
            if self.path:
                check_database(self.path)
            what = str(error).rpartition("makes no database: ")[2]
            msg = f"schema={shortened(self.script)} is no script that SQLite runs: {what}"
            raise TaskError(msg if self.script else str(error)) from error


def bare(query: str) -> str:
    """A query without white space around it and without semicolons behind."""
    return query.strip().rstrip("; \n\t")


def flat(query: str) -> str:
    """A query on one line, as it stands in a sentence or a comment."""
    return " ".join(bare(query).split())


def ordered(query: str) -> bool:
    """Whether the order of a query's rows counts: it has an ORDER BY of its own, in no bracket."""
    text, before = HIDDEN.sub(" x ", query), ""
    while text != before:
        before, text = text, re.sub(r"\([^()]*\)", " x ", text)
    return re.search(r"\border\s+by\b", text, re.IGNORECASE) is not None


def same(found: Fetched, gold: Fetched, *, in_order: bool) -> bool:
    """Whether two queries gave the same rows, each as often.

    in_order : the order counts too; numbers are compared to 12 digits
    """
    if found.rows is None or gold.rows is None or found.cut or gold.cut:
        return False
    if found.count != gold.count:
        return False
    one, other = ([_told(r) for r in x.rows or ()] for x in (found, gold))
    return one == other if in_order else Counter(one) == Counter(other)


def like(found: Fetched, gold: Fetched) -> bool:
    """Whether two queries gave the same set of rows, as usual graders compare them."""
    if found.rows is None or gold.rows is None:
        return False
    return {_told(r) for r in found.rows} == {_told(r) for r in gold.rows}


def _told(row: Row) -> Row:
    return tuple(float(f"{x:.{DIGITS}g}") if isinstance(x, float) else x for x in row)


def literal(value: Any) -> str:
    """A value as SQLite reads it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, str) and "\0" in value:  # which no statement may hold
        return f"CAST(X'{value.encode().hex()}' AS TEXT)"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {"inf": "9e999", "-inf": "-9e999"}.get(repr(value), repr(value))


def quoted(name: str) -> str:
    """The name of a table or column, in quotes where it needs them."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and not RESERVED.fullmatch(name)
    return name if plain else '"' + name.replace('"', '""') + '"'


def statements(base: Base) -> list[tuple[str, str, str]]:
    """(kind, name, statement) of the tables and views of a database, in the order of their making.

    Raises TaskError as `Base.fetch` does.
    """
    query = (
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND "
        "sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY rowid"
    )
    return [(str(a), str(b), str(c)) for a, b, c in base.fetch(query).rows or ()]


def reads(made: Sequence[tuple[str, str, str]], query: str) -> tuple[str, ...]:
    """Names of the tables that a query reads, also through views; () where it can't be told."""
    seen: dict[str, None] = {}
    tables = {name for kind, name, _ in made if kind == "table"}

    def told(action: int, first: str | None, *_: Any) -> int:
        if action == sqlite3.SQLITE_READ and first in tables:
            seen[first] = None
        return sqlite3.SQLITE_OK

    with contextlib.closing(scratch(made)) as base:
        base.set_authorizer(told)
        try:
            base.execute(f"EXPLAIN {bare(query)}").close()
        except (sqlite3.Error, sqlite3.Warning, ValueError):
            return ()
    return tuple(seen)


def scratch(made: Sequence[tuple[str, str, str]]) -> sqlite3.Connection:
    """The same tables and views in memory, empty; what can't be made so is left out."""
    base = sqlite3.connect(":memory:", isolation_level=None)
    base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for _, _, statement in made:
        with contextlib.suppress(sqlite3.Error, sqlite3.Warning):
            base.execute(statement)
    return base


def check_database(path: str | Path) -> None:
    """TaskError for a database file that is missing, locked, or none."""
    where, file = shortened(str(path), PATH), Path(str(path))
    if not file.is_file():
        msg = f"db_path={where} does not exist; give the path of an SQLite file"
        raise TaskError(msg)
    try:
        with_file(file, wait=0.0).run("SELECT COUNT(*) FROM sqlite_master")
    except DatabaseLocked as error:
        raise TaskError(_locked(path)) from error
    except DatabaseProblem as error:
        what = str(error).rpartition(": ")[2]
        msg = f"db_path={where} can't be read ({what}), or give a copy"
        raise TaskError(msg) from error


def _locked(path: str | Path) -> str:
    where = shortened(str(path), PATH)
    return f"db_path={where} is locked by another process; close that, or give a copy"
