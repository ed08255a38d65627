"""The task's own questions, about two small tables of teams and people.

Truth is told by two databases of one schema. A reward is handed the first alone, as a script
(`schema`, `ddl`) and as a file in a temporary folder (`db_path`).
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from toyrl.worlds.text.tasks.base import Asked, gold
from toyrl.worlds.text.tasks.sql.answers import Case
from toyrl.worlds.text.tasks.sql.databases import Base, ordered, same
from toyrl.worlds.text.tasks.sql.edits import Edits

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
STEPS = 100_000
"""Of SQLite's machine that a query may take here."""
PERSON, JOINED = "person", "person JOIN team ON person.team_id = team.id"


@dataclass(frozen=True)
class Query:
    """One question with its query in parts.

    cols : what is selected; source : after FROM; where : condition; tail : ORDER BY and so on
    """

    question: str
    cols: str
    source: str
    where: str
    tail: str = ""

    def text(self, where: str | None = None, cols: str | None = None, tail: str = "") -> str:
        """The query, with another condition, other columns, or another end."""
        end = tail or self.tail
        condition = self.where if where is None else where
        said = f"SELECT {cols or self.cols} FROM {self.source} WHERE {condition}"
        return f"{said} {end}" if end else said

    def edits(self, turn: int) -> Edits:
        """Queries near it; turn : which of two ordinary mistakes comes first."""
        picked = _fetch(f"SELECT person.id FROM {self.source} WHERE {self.where}", PEOPLE) or []
        ids = ", ".join(str(x) for (x,) in sorted(picked))
        right = {
            "in-brackets": self.text(f"({self.where})"),
            "denied-twice": self.text(f"NOT NOT ({self.where})"),
        }
        if not self.tail:
            right["subquery"] = f"SELECT * FROM ({self.text()})"
        wrong = {
            "same-by-accident": self.text(f"person.id IN ({ids})"),
            "everything": f"SELECT * FROM {self.source}",
            "no-condition": self.text("1 = 1"),
        }
        if "ORDER" in self.tail:
            wrong["no-order"] = self.text(tail=self.tail[: self.tail.index("ORDER")])
        mistakes = [self.text(f"NOT ({self.where})"), self.text("person.id = 4"),
                    self.text("person.id = 2"), self.text("1 = 0")]  # fmt: skip
        if turn % 2:
            mistakes[:2] = mistakes[1::-1]
        return Edits(right, mistakes, wrong)


def _kinds() -> Iterator[list[Query]]:
    """Three questions of each kind."""
    limits, teams = (45, 35, 55), (2, 1, 3)
    yield [Query(f"Who is paid more than {n}?", "name", PERSON, f"pay > {n}") for n in limits]
    yield [Query(f"Who is paid less than {n}?", "name", PERSON, f"pay < {n}") for n in limits]
    yield [Query(f"Who is paid over {n}, in which city, the best paid first?", "person.name, city",
                 JOINED, f"pay > {n}", "ORDER BY pay DESC") for n in limits]  # fmt: skip
    yield [Query(f"Who is in team {t}?", "name", PERSON, f"team_id = {t}") for t in teams]
    yield [Query(f"How many people are paid at least {n}?", "COUNT(*)", PERSON, f"pay >= {n}")
           for n in (50, 40, 60)]  # fmt: skip
    yield [Query(f"Which teams have someone paid under {n}?", "DISTINCT team_id", PERSON,
                 f"pay < {n}") for n in (45, 55, 40)]  # fmt: skip
    yield [Query(f"Name and pay of those not in team {t}?", "name, pay", PERSON, f"team_id <> {t}")
           for t in teams]  # fmt: skip
    yield [Query(f"What is the highest pay in team {t}?", "MAX(pay)", PERSON, f"team_id = {t}")
           for t in teams]  # fmt: skip


QUERIES = tuple(q for some in zip(*_kinds(), strict=True) for q in some)
"""A question of each kind, then the next of each."""


def script(people: Sequence[Sequence[Any]] = PEOPLE) -> str:
    """SQL that makes a database with these people."""
    lines = [f"INSERT INTO team VALUES {t};" for t in TEAMS]
    lines += [f"INSERT INTO person VALUES {tuple(p)};" for p in people]
    return SCHEMA + "\n".join(lines) + "\n"


def _fetch(query: str, people: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]] | None:
    return Base(script=script(people)).fetch(query, steps=STEPS).rows


def rows_of(query: str, people: Sequence[Sequence[Any]] = PEOPLE) -> list[tuple[Any, ...]] | None:
    """Sorted rows of a query on a database in memory; None for what is no single SELECT, fails,
    or takes too long. Nothing is written anywhere."""
    found = _fetch(query, people)
    return None if found is None else sorted(found, key=repr)


def is_right(query: str, gold_query: str) -> bool:
    """Whether a query gives the gold query's rows on both databases, in any order unless
    the gold query orders them."""
    bases = [Base(script=script(people)) for people in (PEOPLE, TWIN)]
    pairs = [(b.fetch(query, steps=STEPS), b.fetch(gold_query, steps=STEPS)) for b in bases]
    return all(same(a, b, in_order=ordered(gold_query)) for a, b in pairs)


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

    columns : the gold query under every usual name, `sql`, `query` and `gold_sql`; `schema` and
    `ddl`, the script of the whole database; `db_path`, the same as a file; `db_id`; `question`
    """
    path = str(Path(_folder().name) / FILE)
    out = []
    for i, q in enumerate(QUERIES):
        text, made = q.text(), script()
        named = {**gold(text), "sql": text, "query": text, "gold_sql": text}
        about = {"schema": made, "ddl": made, "db_path": path, "db_id": "people"}
        work = ("The tables say who is in which team.", "One query is enough for it.")
        prompt = f"{SCHEMA}\n{q.question}\nAnswer with one SQLite query."
        columns = {**named, **about, "question": q.question}
        out.append(Asked(prompt, columns, work, {"case": _case(q, q.edits(i))}))
    return tuple(out)


def _case(q: Query, edits: Edits) -> Case:
    first, second = (Base(script=script(people)) for people in (PEOPLE, TWIN))
    found = first.fetch(q.text())
    return Case(
        q.text(), first, second, found, edits, ("person", "team"), "DELETE FROM person", SCHEMA,
        ("name", "pay", "team", "person"), small=True,
    )  # fmt: skip
