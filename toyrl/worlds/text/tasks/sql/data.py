"""A user's rows as questions: where the gold query and the database stand in public data sets.

Read are a path (BIRD, Spider: `db_path`, or `db_id` in a folder `db_root`), a script of CREATE and
INSERT statements (`schema`, `sql_context`, `ddl`, ...), and the gold query (`SQL`, `query`, ...).
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from toyrl.graders.sql.database import Fetched
from toyrl.messages import PATH, shortened
from toyrl.worlds.text.tasks.base import GOLD, Asked, Made, TaskError
from toyrl.worlds.text.tasks.sql.answers import Case, holds, right, wrong
from toyrl.worlds.text.tasks.sql.databases import (
    ROWS,
    Base,
    bare,
    check_database,
    flat,
    quoted,
    reads,
    scratch,
    statements,
)
from toyrl.worlds.text.tasks.sql.edits import edits_of
from toyrl.worlds.text.tasks.sql.second import second_base

LAYOUTS = (
    "```sql\n{}\n```",
    "tag",
    "<sql>{}</sql>",
    "{none}{}",
    "<reasoning>\n{work}\n</reasoning>\n<answer>\n```sql\n{}\n```\n</answer>\n",
)
MOST = 16
"""Rows that are made problems; each takes some fifty queries."""
FILES = ("db_path", "db_file", "database", "database_path", "sqlite_path")
ROOTS = ("db_root", "db_dir", "database_dir")
SCRIPTS = ("schema", "sql_context", "ddl", "context", "create_script")
GOLDS = ("gold_sql", "gold_query", "SQL", "sql", "sql_query", "query", *GOLD)
QUESTIONS = ("question", "sql_prompt", "instruction", "problem")
PROMPT = 4000  # characters of a schema in a prompt of ours
SMALL = 10_000  # rows of all tables joined without a condition
QUERY = re.compile(r"[\s(]*(?:SELECT|WITH|VALUES)\b", re.IGNORECASE)
WORK = ("The tables say what belongs together.", "One query is enough for it.")
UNSTEADY = re.compile(
    r"\brandom(?:blob)?\s*\(|['\"]now['\"]|\bcurrent_(?:date|time|timestamp)\b"
    r"|\b(?:date|time|datetime|julianday|unixepoch)\s*\(\s*\)",
    re.IGNORECASE,
)
"""What makes a query's rows those of chance or of the moment."""


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """The task on a user's questions, the first 16; each row is handed to the reward as it is.

    Rows whose gold query reads chance or the clock are left out: a right query finds other rows
    when it is run again.

    Raises TaskError with the row where the database can't be used, or where its gold query is
    missing, fails, doesn't end or writes.
    """
    golds = defaultdict(list)
    kept = rows[:MOST]
    for row in kept:
        with contextlib.suppress(TaskError):
            golds[base_of(row)].append(bare(gold_of(row)))
    made, unsteady = [], []
    for i, row in enumerate(kept):
        try:
            if UNSTEADY.search(bare(gold_of(row))):
                unsteady.append(i)
            else:
                made.append(_asked(row, golds))
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
    note = ""
    if unsteady:
        places = ", ".join(map(str, unsteady))
        note = f"left out, for their gold query reads chance or the clock: rows {places}"
    return Made("sql", LAYOUTS, tuple(made), right, wrong, holds, note=note)


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for a database that is missing, locked or none, for a schema that SQLite doesn't
    run, and for a gold query that can't be run on it; a row without a database is passed over."""
    try:
        base = base_of(row)
        gold = gold_of(row)
    except _Missing:
        return
    _found(base, gold)


class _Missing(TaskError):
    """A row says nothing of its database or of its gold query."""


def gold_of(row: Mapping[str, Any]) -> str:
    """The gold query of a row. Raises TaskError where no column holds a query."""
    there = [k for k in GOLDS if isinstance(row.get(k), str) and row[k].strip()]
    for key in there:
        if QUERY.match(row[key]):
            return row[key].strip()
    said = f"{there[0]}={shortened(row[there[0]])} is no SELECT" if there else (
        f"no column holds the gold query ({', '.join(GOLDS[:6])}, answer, ...)"
    )  # fmt: skip
    msg = f"{said}; give one query in SQLite's dialect that reads"
    raise TaskError(msg) if there else _Missing(msg)


def base_of(row: Mapping[str, Any]) -> Base:
    """The database of a row: a file that is there, else the script.

    Raises TaskError where a row names no database, a file that can't be used, or a script that
    SQLite doesn't run.
    """
    path = _path_of(row)
    if path is not None:
        check_database(path)
        return Base(path=str(Path(path).absolute()))
    script = next((row[k] for k in SCRIPTS if isinstance(row.get(k), str) and row[k].strip()), "")
    if not script:
        msg = (
            f"the row names no database; give a path ({', '.join(FILES[:2])}), {ROOTS[0]} with "
            f"db_id, or a script of CREATE and INSERT statements ({', '.join(SCRIPTS[:3])})"
        )
        raise _Missing(msg)
    base = Base(script=script)
    base.fetch("SELECT 1")
    return base


def _path_of(row: Mapping[str, Any]) -> Any:
    """Where the file of a row's database should be; None where the row names none."""
    for name in FILES:
        if row.get(name) and _is_file(name, row[name]):
            return row[name]
    root, name = next((row[k] for k in ROOTS if row.get(k)), None), row.get("db_id")
    if root is None or not name:
        return None
    if not isinstance(name, str) or re.search(r"[/\\]|^\.", name):
        msg = f"db_id={shortened(name)} is looked up as FOLDER/ID/ID.sqlite; give a plain name"
        raise TaskError(msg)
    folder = Path(str(root))
    places = [folder / name / f"{name}.sqlite", folder / f"{name}.sqlite"]
    found = next((p for p in places if p.is_file()), None)
    if found is None:
        where = shortened(str(places[0]), PATH)
        msg = f"db_id={shortened(name)}: there is no {where}; give the folder of databases"
        raise TaskError(msg)
    return found


def _is_file(name: str, value: Any) -> bool:
    """Whether a column says a file: `database` may hold a mere name, as db_id does."""
    return name != "database" or re.search(r"\.(sqlite3?|db)\Z", str(value)) is not None


def located(row: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The row with paths that are not there from the working directory, but from `folder` are."""
    moved = {}
    for name in (*FILES, *ROOTS):
        value = row.get(name)
        if not isinstance(value, str) or not value or not _is_file(name, value):
            continue
        if not Path(value).is_absolute():
            here = folder / value
            with contextlib.suppress(OSError, ValueError):  # what can't be a path
                if not Path(value).exists() and here.exists():
                    moved[name] = str(here.resolve())
    return {**row, **moved}


# -- one question ----------------------------------------------------------------------------------
def _found(base: Base, gold: str) -> Fetched:
    """The gold query's rows. Raises TaskError where there are none to compare with."""
    found = base.fetch(gold)
    said = shortened(flat(gold), write=str)
    if found.error.startswith("stopped after"):
        msg = f"its gold query ({said}) was {found.error}; give a smaller database or query"
    elif "not authorized" in found.error or "prohibited" in found.error:
        msg = f"its gold query ({said}) does more than read ({found.error}); give one SELECT"
    elif found.rows is None:
        msg = f"its gold query ({said}) fails: {found.error}; mend it, or leave the row out"
    elif found.cut:
        msg = f"its gold query ({said}) gives more than {ROWS:,} rows; leave the row out"
    else:
        return found
    raise TaskError(msg)


def _asked(row: Mapping[str, Any], golds: Mapping[Base, Sequence[str]]) -> Asked:
    base, gold = base_of(row), gold_of(row)
    found, made = _found(base, gold), statements(base)
    tables = tuple(sorted(name for kind, name, _ in made if kind == "table"))
    first = reads(made, gold)
    keys, names = _keys(made, first or tables)
    schema = "".join(f"{s.strip().rstrip(';')};\n" for _, _, s in made)
    others = [q for q in dict.fromkeys(golds.get(base, ())) if q != bare(gold)][:2]
    case = Case(
        gold, base, second_base(base, gold, found, made), found,
        edits_of(gold, base, keys, others), tables,
        f"DELETE FROM {quoted((first or tables or ('t',))[0])} WHERE 1 = 0",
        schema, names, small=_small(base, tables),
    )  # fmt: skip
    return Asked(_prompt(row, schema), dict(row), WORK, {"case": case})


def _keys(
    made: Sequence[tuple[str, str, str]], tables: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """(table -> its key of one column, names of some tables and columns)."""
    keys, names = {}, list(tables[:3])
    with contextlib.closing(scratch(made)) as empty:
        for table in tables:
            told = empty.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
            key = [name for name, pk in told if pk]
            keys[table] = key[0] if len(key) == 1 else "rowid"
            names += [name for name, _ in told[:3]]
    return keys, tuple(dict.fromkeys(names))


def _small(base: Base, tables: Sequence[str]) -> bool:
    """Whether all tables can be joined without a condition."""
    sizes = []
    for table in tables[:5]:
        found = base.fetch(f"SELECT COUNT(*) FROM (SELECT 1 FROM {quoted(table)} LIMIT {SMALL})")
        sizes.append(found.rows[0][0] if found.rows else SMALL + 1)
    return 0 < len(tables) <= 5 and prod(sizes) <= SMALL


def _prompt(row: Mapping[str, Any], schema: str) -> str:
    """The row's own prompt where it is text, else schema, evidence and question."""
    if isinstance(row.get("prompt"), str):
        return row["prompt"]
    asked = next((row[k] for k in QUESTIONS if isinstance(row.get(k), str)), "")
    hint = row.get("evidence")
    hint = f"\n{hint}" if isinstance(hint, str) and hint.strip() else ""
    return f"{schema[:PROMPT]}\n{asked}{hint}\nAnswer with one SQLite query."
