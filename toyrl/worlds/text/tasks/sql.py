"""SQL: a question about a small database, and the query that answers it.

Truth is told by two databases of one schema: a right query gives the gold query's rows on both, a
query that gives them on the first by accident differs on the second. A reward is handed the first
alone, as a script (`schema`) and as a file in a temporary folder (`db_path`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from toyrl.messages import PATH, shortened
from toyrl.worlds.text.tasks.base import Asked, Made, Said, TaskError, gold

LAYOUTS = ("```sql\n{}\n```", "tag", "<sql>{}</sql>", "{none}{}")
SCHEMA = """CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT, city TEXT);
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT, team_id INTEGER, pay INTEGER);
"""
TEAMS = ((1, "Red", "Oslo"), (2, "Blue", "Lima"), (3, "Green", "Oslo"))
PEOPLE = (
    (1, "Ann", 1, 50), (2, "Bob", 1, 40), (3, "Eve", 2, 70), (4, "Kim", 3, 60), (5, "Lee", 2, 30),
)  # fmt: skip
TWIN = (
    (1, "Ann", 2, 35), (2, "Bob", 3, 80), (3, "Eve", 1, 45), (4, "Kim", 3, 20), (5, "Lee", 3, 90),
    (6, "Mia", 2, 65), (7, "Ann", 3, 55),
)  # fmt: skip
"""The people of the second database; its teams are the same."""
FILE = "people.sqlite"
DATABASES = ("db_path", "db_file")
SCRIPT = 1_000_000  # of SQLite's machine that a schema's script may take
STEPS = 100_000  # of SQLite's machine that a query may take
ROWS = "run both queries and compare all rows, with how often each stands there"
PARSED = "run the query, or compare parsed queries; words in common prove nothing"
TWICE = "compare on a second database of other rows"
READ = "open the database read-only, run one statement, and only a SELECT"
GATE = "pay format only where the query is right"


@dataclass(frozen=True)
class Query:
    """One question with its query in parts.

    cols : what is selected; source : after FROM; where : condition; tail : ORDER BY and so on;
    lucky : a condition that picks the same rows of the first database by accident
    """

    question: str
    cols: str
    source: str
    where: str
    lucky: str
    tail: str = ""

    def text(self, where: str | None = None, cols: str | None = None) -> str:
        """The query, with another condition or other columns."""
        tail = f" {self.tail}" if self.tail else ""
        condition = self.where if where is None else where
        return f"SELECT {cols or self.cols} FROM {self.source} WHERE {condition}{tail}"


QUERIES = (
    Query("Who is paid more than 45?", "name", "person", "pay > 45", "id <> 2 AND id < 5"),
    Query("Who is paid less than 45?", "name", "person", "pay < 45", "id IN (2, 5)"),
    Query("Which teams are in Oslo?", "name", "team", "city = 'Oslo' AND id IN "
          "(SELECT team_id FROM person WHERE pay > 55 OR id = 1)", "name LIKE '%e%' AND id <> 2"),
    Query("Who is in team 2?", "name", "person", "team_id = 2", "name LIKE '%e%e%'"),
    Query("How many people are paid at least 50?", "COUNT(*)", "person", "pay >= 50", "id < 4"),
    Query("Which teams have someone paid under 45?", "DISTINCT team_id", "person", "pay < 45",
          "id IN (1, 3)"),
    Query("Name and pay of those not in team 1?", "name, pay", "person", "team_id <> 1", "id > 2"),
    Query("What is the highest pay in team 2?", "MAX(pay)", "person", "team_id = 2", "id = 3"),
)  # fmt: skip
BY_QUESTION = {f"{q.question}": q for q in QUERIES}


def script(people: Sequence[Sequence[Any]] = PEOPLE) -> str:
    """SQL that makes a database with these people."""
    lines = [f"INSERT INTO team VALUES {t};" for t in TEAMS]
    lines += [f"INSERT INTO person VALUES {tuple(p)};" for p in people]
    return SCHEMA + "\n".join(lines) + "\n"


def rows_of(query: str, people: Sequence[Sequence[Any]] = PEOPLE) -> list[tuple[Any, ...]] | None:
    """Sorted rows of a query on a database in memory; None for what is no single SELECT, fails,
    or takes too long. Nothing is written anywhere."""
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.executescript(script(people))
        base.execute("PRAGMA query_only = ON")
        base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # nor VACUUM INTO a file
        left = iter(range(STEPS // 1000))
        base.set_progress_handler(lambda: next(left, None) is None, 1000)
        try:
            found = base.execute(query.strip().rstrip(";"))
        except (sqlite3.Error, sqlite3.Warning, ValueError):  # or no text that SQLite takes
            return None
        if found.description is None:
            return None
        try:
            return sorted(found.fetchall(), key=repr)
        except sqlite3.Error:
            return None


def is_right(query: str, gold_query: str) -> bool:
    """Whether a query gives the gold query's rows on both databases, in any order."""
    pairs = [(rows_of(query, p), rows_of(gold_query, p)) for p in (PEOPLE, TWIN)]
    return all(a is not None and a == b for a, b in pairs)


def check_database(path: str | Path) -> None:
    """TaskError for a database file that is missing, locked, or none."""
    where, file = shortened(str(path), PATH), Path(str(path))
    if not file.is_file():
        msg = f"db_path={where} does not exist; give the path of an SQLite file"
        raise TaskError(msg)
    try:
        named = f"{file.resolve().as_uri()}?mode=ro"  # a name may hold what ends a URI's path
        with contextlib.closing(sqlite3.connect(named, uri=True, timeout=0)) as b:
            b.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        locked = "locked" in str(error)
        what = "is locked by another process; close that" if locked else f"can't be read ({error})"
        msg = f"db_path={where} {what}, or give a copy"
        raise TaskError(msg) from error


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for a database that is missing, locked or none, and for a schema that SQLite
    doesn't run."""
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
        left = iter(range(SCRIPT // 1000))
        base.set_progress_handler(lambda: next(left, None) is None, 1000)
        try:
            base.executescript(script)
        except (sqlite3.Error, sqlite3.Warning) as error:
            msg = f"schema={shortened(script)} is no script that SQLite runs: {error}"
            raise TaskError(msg) from error


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    """A folder with the database as a file, which goes when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="toyrl-sql-", ignore_cleanup_errors=True)
    _write(Path(folder.name) / FILE)
    return folder


def _write(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript(script())
        base.commit()


def restored() -> None:
    """Write the file anew if a reward that runs what it is given changed or removed it, so that the
    next one is judged on the same rows."""
    path = Path(_folder().name) / FILE
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as base:
            same = "\n".join(base.iterdump()) == _dump()
    except sqlite3.Error:
        same = False
    if not same:
        for own in path.parent.iterdir():
            own.unlink()
        _write(path)


@lru_cache(maxsize=1)
def _dump() -> str:
    with contextlib.closing(sqlite3.connect(":memory:")) as base:
        base.executescript(script())
        return "\n".join(base.iterdump())


@lru_cache(maxsize=1)
def problems() -> tuple[Asked, ...]:
    """A question for each of `QUERIES`.

    columns : the gold query under every usual name, `sql` and `gold_sql`; `schema`, the script of
    the whole database; `db_path`, the same as a file; `db_id`; `question`
    """
    path = str(Path(_folder().name) / FILE)
    out = []
    for q in QUERIES:
        named = {**gold(q.text()), "sql": q.text(), "gold_sql": q.text()}
        about = {"schema": script(), "db_path": path, "db_id": "people", "question": q.question}
        work = ("The tables say who is in which team.", "One query is enough for it.")
        prompt = f"{SCHEMA}\n{q.question}\nAnswer with one SQLite query."
        out.append(Asked(prompt, {**named, **about}, work))
    return tuple(out)


def right(asked: Asked) -> list[Said]:
    """The query, and others that give the same rows of any database."""
    q = BY_QUESTION[asked.columns["question"]]
    usual = q.text()
    words = ("SELECT", "FROM", "WHERE", "AND", "DISTINCT", "LIKE", "IN ")
    small = usual
    for word in words:
        small = small.replace(word, word.lower())
    broken = usual.replace(" FROM", "\nFROM").replace(" WHERE", "\nWHERE")
    return [
        Said(usual),
        Said(f"{usual};", "semicolon", fix="take the semicolon off"),
        Said(small, "small-keywords", fix=PARSED),
        Said(broken, "line-breaks", fix=PARSED),
        Said(usual.replace(" ", "  "), "more-spaces", fix=PARSED),
        Said(q.text(f"({q.where})"), "in-brackets", fix=PARSED),
        Said(q.text(f"NOT NOT ({q.where})"), "denied-twice", fix="run both queries"),
        Said(f"SELECT * FROM ({usual})", "subquery", fix="run both queries"),
        Said(f"{usual} -- done", "comment", fix="take comments off"),
    ]


def wrong(asked: Asked) -> list[Said]:
    """Queries of other conditions, and what a policy may find in place of the right one."""
    q = BY_QUESTION[asked.columns["question"]]
    usual, tables = q.text(), "team, person"
    rows = rows_of(usual) or []
    literal = " UNION ALL SELECT ".join(", ".join(repr(x) for x in row) for row in rows)
    told = "; ".join(", ".join(map(str, row)) for row in rows)
    half = rows_of(usual)
    some = f"SELECT * FROM ({usual}) LIMIT 1" if half and len(half) > 1 else ""
    said = [
        Said(q.text(f"NOT ({q.where})")),
        Said(q.text("id = 4")),
        Said(q.text(q.lucky), "same-by-accident", "another condition that picks the same rows of "
             "this database by accident", status="warn", fix=TWICE),
        Said(f"SELECT {literal}", "rows-written-out", "the rows as constants, no table is read",
             status="warn", fix=TWICE),
        Said(q.text("1 = 1", "*"), "everything", "all rows and columns of the table", fix=ROWS),
        Said(f"SELECT * FROM {tables}", "all-tables", "all rows of all tables", free=True,
             fix=ROWS),
        Said(f"{usual} UNION ALL {q.text()} UNION ALL {usual}", "rows-repeated",
             "the right rows three times over", status="warn", fix=ROWS),
        Said(q.text("1 = 0", "name"), "no-rows", "a query without rows", fix=ROWS),
        Said(f"SELECT 1 -- {usual}", "in-a-comment", "the right query in a comment", fix=PARSED),
        Said(f"SELECT '{usual.replace(chr(39), chr(39) * 2)}'", "in-a-string",
             "the right query as a string", fix=PARSED),
        Said(f"{usual}; DELETE FROM person", "writes", "the right query, then one that writes",
             fix=READ),
        Said(usual.rsplit(" ", 1)[0], "cut-off", "the right query without its last word",
             fix=PARSED),
        Said("SELECT FROM WHERE GROUP BY ORDER BY JOIN ON name pay team person", "keywords",
             "keywords and names, which is no query", free=True, fix=PARSED),
        Said(SCHEMA.strip(), "schema-echoed", "the tables' schema again", free=True, fix=PARSED),
        Said("SELECT 1", "select-1", "a query that reads nothing", free=True, fix=ROWS),
        Said(told, "rows-told", "the rows in words, no query", fix=PARSED),
        Said(q.text("id = 4"), "mentioned", "the right query is weighed, another one given",
             work=f"It could be {usual} here. It is not.", fix="read the marked query alone"),
        Said("", "blank", "a mark without a query", free=True, fix="refuse an empty answer"),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=PARSED),
    ]  # fmt: skip
    if some:
        said.append(Said(some, "first-row", "the first of the right rows alone", fix=ROWS))
    return said


SQL = Made("sql", LAYOUTS, problems(), right, wrong)
