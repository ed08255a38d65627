"""A second database of the same schema and other rows, as a script: what is right by accident on
the first is wrong there.

A sample of the rows of the tables that a query reads, a fifth of them left out, each column but the
keys shuffled by itself; and some rows that are made up of the columns' values, of the constants in
the query and of their neighbours, so that a limit moved by one shows.
"""

from __future__ import annotations

import contextlib
import random
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.graders.sql.database import Fetched
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.sql.databases import (
    Base,
    Row,
    like,
    literal,
    quoted,
    reads,
    scratch,
    statements,
)

SAMPLE = 300  # rows of a table that are taken
MADE, EMPTY = 12, 30  # rows made up, beside some and in an empty table
TRIES = 4
CHUNK = 100  # rows of one INSERT
KEPT = 0.8  # share of the rows
WORDS = ("Ann", "Bob", "red", "blue", "north", "south")
DAYS = ("2019-12-31", "2020-01-01", "2020-06-15", "2021-03-02")
STRING = re.compile(r"'((?:[^']|'')*)'|\"([^\"]*)\"")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.])")


@dataclass(frozen=True)
class Column:
    """name, declared type in capitals, and whether it is part of the primary key."""

    name: str
    kind: str
    key: bool


def second_base(first: Base, gold: str, found: Fetched, made: Sequence[Any] = ()) -> Base | None:
    """The second database, on which the gold query runs; None where none can be made.

    found : the gold query's rows of the first; made : `statements` of that

    Of a few the first is taken on which the gold query gives rows, and others than on the first.
    """
    made = made or statements(first)
    tables = reads(made, gold)
    if not tables:
        return None
    with contextlib.closing(scratch(made)) as empty:
        columns = {t: _columns(empty, t) for t in tables}
    rows = {t: _sample(first, t, columns[t]) for t in tables}
    best: tuple[int, Base] | None = None
    for seed in range(TRIES):
        base = Base(script=script_of(made, columns, rows, gold, seed))
        try:
            got = base.fetch(gold)
        except TaskError:
            continue
        if got.rows is None or got.cut:
            continue
        worth = bool(got.rows) + (not like(got, found))
        if best is None or worth > best[0]:
            best = worth, base
        if worth == 2:
            break
    return best[1] if best else None


def script_of(
    made: Sequence[tuple[str, str, str]],
    columns: Mapping[str, Sequence[Column]],
    rows: Mapping[str, Sequence[Row]],
    gold: str,
    seed: int,
) -> str:
    """The script: all tables and views, and new rows of those that are given."""
    kept = [s for kind, _, s in made if not re.match(r"\s*CREATE\s+VIRTUAL\b", s, re.IGNORECASE)]
    lines = [f"{s.rstrip().rstrip(';')};" for s in kept]
    for table, its in columns.items():
        rng = random.Random(f"{seed} {table}")
        new = [*_shuffled(rows[table], its, rng), *_made(rows[table], its, gold, rng)]
        names = ", ".join(quoted(c.name) for c in its)
        for start in range(0, len(new), CHUNK):
            values = ", ".join(
                "(" + ", ".join(map(literal, row)) + ")" for row in new[start : start + CHUNK]
            )
            lines.append(f"INSERT OR IGNORE INTO {quoted(table)} ({names}) VALUES {values};")
    return "\n".join(lines) + "\n"


def _columns(base: sqlite3.Connection, table: str) -> list[Column]:
    """Columns that hold values of their own: no generated ones."""
    found = base.execute("SELECT name, type, pk FROM pragma_table_info(?)", (table,)).fetchall()
    return [Column(name, str(kind).upper(), bool(pk)) for name, kind, pk in found]


def _sample(base: Base, table: str, columns: Sequence[Column]) -> list[Row]:
    names = ", ".join(quoted(c.name) for c in columns)
    return base.fetch(f"SELECT {names} FROM {quoted(table)} LIMIT {SAMPLE}").rows or []


def _shuffled(rows: Sequence[Row], columns: Sequence[Column], rng: random.Random) -> list[Row]:
    kept = [r for r in rows if rng.random() < KEPT] if len(rows) > 2 else list(rows)
    by_column = [list(values) for values in zip(*kept, strict=True)]
    for column, values in zip(columns, by_column, strict=False):
        if not column.key:
            rng.shuffle(values)
    return list(zip(*by_column, strict=True))


def _made(
    rows: Sequence[Row], columns: Sequence[Column], gold: str, rng: random.Random
) -> list[Row]:
    words = [a.replace("''", "'") or b for a, b in STRING.findall(gold)]
    numbers = [float(x) if "." in x else int(x) for x in NUMBER.findall(STRING.sub(" ", gold))]
    near = [n + step for n in numbers for step in (-1, 0, 1)]
    out = []
    for i in range(MADE if rows else EMPTY):
        row = []
        for k, column in enumerate(columns):
            known = [r[k] for r in rows if r[k] is not None]
            if column.key and all(isinstance(x, int) for x in known):
                row.append(max(known, default=0) + i + 1)
                continue
            named = _pool(column.kind, words, near)
            row.append(rng.choice(known if known and rng.random() < 0.6 else named))
        out.append(tuple(row))
    return out


def _pool(kind: str, words: Sequence[str], near: Sequence[float]) -> list[Any]:
    """Values of a declared type that the query tells apart, and a few others."""
    if re.search(r"INT|REAL|FLOA|DOUB|NUM|DEC|BOOL", kind):
        return [*near, 1, 2, 3, 4, 5, 6]
    if re.search(r"DATE|TIME", kind):
        return [*[w for w in words if re.match(r"\d{4}", w)], *DAYS]
    if not kind:
        return [*words, *near, 1, 2, 3]
    return [*words, *words, *WORDS]
