"""SQL on a user's rows: each public shape, truth by a second route, each thing that is wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.places import ROOT
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import TaskError, check
from toyrl.worlds.text.tasks.sql import (
    PEOPLE,
    SQL,
    check_row,
    databases,
    edits,
    located,
    of_rows,
    own,
    second,
)
from toyrl.worlds.text.tasks.sql.databases import Base, ordered, quoted, same

SCRIPT = """CREATE TABLE "song list" (id INTEGER PRIMARY KEY, title TEXT, year INT, "in print" INT);
CREATE TABLE sung (song INTEGER, voice TEXT, PRIMARY KEY (song, voice)) WITHOUT ROWID;
CREATE VIEW old AS SELECT title FROM "song list" WHERE year < 1990;
INSERT INTO "song list" VALUES (1, 'O''Hara', 1980, 1), (2, 'Tide', 1999, 0), (3, 'Moor', 1985, 0);
INSERT INTO sung VALUES (1, 'alt'), (1, 'bass'), (3, 'alt');
"""
GOLDS = (
    'SELECT title FROM "song list" WHERE year < 1990',
    'SELECT title, COUNT(*) FROM "song list" JOIN sung ON id = song GROUP BY id ORDER BY 2 DESC',
    "SELECT title FROM old WHERE title LIKE '%o%'",
    "SELECT voice FROM sung UNION SELECT title FROM old;",
)


@pytest.fixture
def songs(tmp_path):
    path = tmp_path / "songs" / "songs.sqlite"
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript(SCRIPT)
    return path


def shapes(path: Path) -> dict[str, dict]:
    """A row of each public shape."""
    bird = {"question": "Which are old?", "evidence": "old: before 1990", "SQL": GOLDS[0]}
    return {
        "bird": {**bird, "db_id": "songs", "db_path": str(path)},
        "bird's folders": {**bird, "db_id": "songs", "db_root": str(path.parent.parent)},
        "spider": {"question": "?", "query": GOLDS[0], "db_id": "songs", "db_path": str(path)},
        "script": {"prompt": "Say it.", "schema": SCRIPT, "sql": GOLDS[0]},
        "gold": {"question": "?", "schema": SCRIPT, "answer": GOLDS[0]},
        "synthetic": {"sql_prompt": "?", "sql_context": SCRIPT, "sql": GOLDS[0], "sql_task": "x"},
    }


def test_rows_of_public_data_sets_are_read(songs):
    given = shapes(songs)
    task = check(of_rows(list(given.values())))
    for name, asked in zip(given, task.problems(), strict=True):
        check_row(given[name])
        assert asked.columns == given[name]
        assert task.right(asked)[0].text == GOLDS[0]
        assert len([x for x in task.wrong(asked) if x.name]) >= 15
    prompts = [p.prompt for p in task.problems()]
    assert prompts[3] == "Say it."
    for said in ("CREATE VIEW old", "Which are old?", "old: before 1990"):
        assert said in prompts[0]


@pytest.mark.parametrize(
    "more",
    [" ORDER BY random() LIMIT 1", " WHERE date('now') > '2000'", " WHERE CURRENT_DATE > ''"],
)
def test_a_gold_query_of_chance_or_of_the_moment_is_left_out_and_named(more):
    steady = {"schema": SCRIPT, "sql": "SELECT title FROM old"}
    row = {**steady, "sql": f"SELECT title FROM old{more}"}
    task = of_rows([steady, row, {**steady, "sql": "SELECT voice FROM sung"}])
    assert len(task.problems()) == 2
    assert task.note.endswith("reads chance or the clock: rows 1")


# -- truth, by a second route ----------------------------------------------------------------------
def run(base: Base, query: str) -> list | None:
    """Rows by sqlite3 alone."""
    with contextlib.closing(sqlite3.connect(":memory:")) as c:
        if base.path:
            with contextlib.closing(sqlite3.connect(base.path)) as file:
                file.backup(c)
        else:
            c.executescript(base.script)
        try:
            found = c.execute(query.strip().rstrip(";"))
            return found.fetchall() if found.description else None
        except (sqlite3.Error, sqlite3.Warning):
            return None


def agrees(base: Base, query: str, gold: str, *, in_order: bool) -> bool:
    one, other = run(base, query), run(base, gold)
    assert other is not None
    return one is not None and (one == other if in_order else Counter(one) == Counter(other))


def by_hand(case, query: str) -> bool:
    """Whether a query is right, told by sqlite3 on both databases."""
    last = case.gold.rpartition(")")[2].upper()  # these have no bracket behind their ORDER BY
    return all(
        agrees(b, query, case.gold, in_order="ORDER BY" in last)
        for b in (case.first, case.second)
        if b
    )


@pytest.mark.parametrize("parser", ["sqlglot", "none"])
def test_what_is_claimed_is_so_on_both_databases(songs, monkeypatch, parser):
    if parser == "none":
        monkeypatch.setattr(edits, "_parsed", lambda _: None)
    else:
        pytest.importorskip("sqlglot", reason="needs the extra tasks")
    task = check(of_rows([{"SQL": g, "db_path": str(songs)} for g in GOLDS]))
    for asked in task.problems():
        case = asked.facts["case"]
        assert case.second is not None
        right, wrong = task.right(asked), task.wrong(asked)
        assert len([x for x in right if x.name]) >= 5
        assert len([x for x in wrong if not x.name]) == 2
        for said in right:
            assert by_hand(case, said.text), said
            assert task.holds(asked, said.text)
        for said in wrong:
            if not said.bare and said.work is None:
                assert not by_hand(case, said.text), said
                assert not task.holds(asked, said.text)
    names = {x.name for x in task.wrong(task.problems()[0])}
    assert ("no-condition" in names) == (parser == "sqlglot")


def test_own_questions_hold_by_a_second_route():
    for asked in SQL.problems()[::5]:
        case = asked.facts["case"]
        others = [x for q in SQL.problems()[:8] for x in (*SQL.right(q)[:1], *SQL.wrong(q)[:2])]
        for said in others:
            assert SQL.holds(asked, said.text) == by_hand(case, said.text), said
    assert len({p.prompt for p in SQL.problems()}) == len(SQL.problems()) == 24


def test_order_counts_where_the_gold_query_orders_its_rows():
    assert ordered("SELECT a FROM t ORDER  BY a")
    assert ordered("SELECT a FROM (SELECT 1) order by (a)")
    for query in ("SELECT a FROM (SELECT a FROM t ORDER BY a)", "SELECT 'order by' -- order by"):
        assert not ordered(query)
    base = Base(script=own.script())
    one, other = (base.fetch(f"SELECT name FROM person ORDER BY pay {x}") for x in ("", "DESC"))
    assert same(one, other, in_order=False)
    assert not same(one, other, in_order=True)
    twice = base.fetch("SELECT 1 UNION ALL SELECT 1")
    assert not same(twice, base.fetch("SELECT 1"), in_order=False)
    assert same(base.fetch("SELECT 0.1 + 0.2"), base.fetch("SELECT 0.3"), in_order=True)


def test_what_is_equal_on_the_first_alone_is_a_warning():
    for asked, _, wrong in rows.answers(SQL):
        case = asked.facts["case"]
        gold = set(run(case.first, case.gold))
        for said in wrong:
            if said.name and not said.bare and said.work is None:
                found = run(case.first, said.text) if said.text else None
                like = found is not None and set(found) == gold
                assert (said.status == "warn") == like, said


# -- the second database ---------------------------------------------------------------------------
def test_the_second_database_has_the_schema_few_rows_and_others(tmp_path):
    path = tmp_path / "big.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as c:
        c.execute("CREATE TABLE big (id INTEGER PRIMARY KEY, n INTEGER, w TEXT, b BLOB)")
        c.executemany("INSERT INTO big VALUES (?, ?, ?, ?)",
                      ((i, i % 7, f"w{i % 5}", b"\0x") for i in range(3000)))  # fmt: skip
        c.commit()
    gold = "SELECT COUNT(*) FROM big WHERE n > 3"
    asked = of_rows([{"SQL": gold, "db_path": str(path)}]).problems()[0]
    case = asked.facts["case"]
    assert case.first.path == str(path)  # no copy
    rows_there = run(case.second, "SELECT * FROM big")
    assert 100 < len(rows_there) <= second.SAMPLE + second.MADE
    kept = [r for r in rows_there if r[0] < second.SAMPLE]
    assert any(n != i % 7 for i, n, *_ in kept)
    assert {n for _, n, *_ in rows_there} >= {2, 3, 4}  # about the limit
    assert case.second == of_rows([asked.columns]).problems()[0].facts["case"].second


def test_empty_tables_are_told_apart_on_the_second_alone():
    row = {"question": "?", "context": "CREATE TABLE head (age INTEGER, born TEXT)",
           "answer": "SELECT COUNT(*) FROM head WHERE age > 56"}  # fmt: skip
    task = check(of_rows([row, row]))
    asked = task.problems()[0]
    assert run(asked.facts["case"].first, row["answer"]) == [(0,)]
    assert task.holds(asked, "SELECT COUNT(age) FROM head WHERE NOT age <= 56")
    assert not task.holds(asked, "SELECT COUNT(*) FROM head WHERE age > 57")
    assert not task.holds(asked, "SELECT 0")


# -- nothing is harmed -----------------------------------------------------------------------------
def test_a_reward_that_runs_everything_changes_no_database_of_the_user(songs):
    before = hashlib.sha256(songs.read_bytes()).hexdigest()
    task = of_rows([{"SQL": g, "db_path": str(songs)} for g in GOLDS])
    for asked, right, wrong in rows.answers(task):
        for said in (*right, *wrong):
            if said.text != asked.prompt:
                with (
                    contextlib.closing(sqlite3.connect(songs)) as c,
                    contextlib.suppress(sqlite3.Error, sqlite3.Warning),
                ):
                    c.executescript(said.text)
                    c.commit()
    assert hashlib.sha256(songs.read_bytes()).hexdigest() == before
    assert [p.name for p in songs.parent.iterdir()] == ["songs.sqlite"]


def test_hostile_answers_are_wrong_and_end(songs, tmp_path):
    task = of_rows([{"SQL": GOLDS[0], "db_path": str(songs)}])
    asked = task.problems()[0]
    for text in ("", ";", "\0", "\ud800", "PRAGMA user_version = 3", "VACUUM",
                 f"VACUUM INTO '{tmp_path}/x'", f"ATTACH '{tmp_path}/x' AS x", "BEGIN",
                 f"{GOLDS[0]}; DROP TABLE sung", "SELECT " + "(" * 5000):  # fmt: skip
        assert not task.holds(asked, text), text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["songs"]


# -- bad rows --------------------------------------------------------------------------------------
ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT MAX(n) FROM t"
BAD = [
    ({"db_path": "/none.sqlite"}, "db_path='/none.sqlite' does not exist"),
    ({"db_root": "/none", "db_id": "x"}, "there is no '/none/x/x.sqlite'"),
    ({"db_root": "/none", "db_id": "../x"}, "db_id='../x' is looked up as FOLDER/ID/ID.sqlite"),
    ({"schema": "CREATE TABEL t"}, "is no script that SQLite runs: near"),
    ({"schema": SCRIPT, "sql": "SELECT x FROM none"}, r"fails: no such table: none; mend it"),
    ({"schema": SCRIPT, "sql": "how many?"}, "sql='how many\\?' is no SELECT; give one query"),
    ({"schema": SCRIPT, "sql": "WITH a AS (SELECT 1) DELETE FROM sung"}, "does more than read"),
    ({"schema": SCRIPT, "sql": ENDLESS}, r"was stopped after 1,000,000 steps of SQLite's"),
    ({"schema": SCRIPT, "sql": ENDLESS.replace("MAX(n)", "n")}, "gives more than 20,000 rows"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_a_row_that_cannot_be_run_is_named(row, said, monkeypatch):
    monkeypatch.setattr(databases, "STEPS", 1_000_000)
    good = {"question": "?", "schema": SCRIPT, "sql": GOLDS[0]}
    bad = {"sql": GOLDS[0], **row}
    with pytest.raises(TaskError, match=said):
        check_row(bad)
    with pytest.raises(TaskError, match=f"data row 1: .*{said}"):
        of_rows([good, bad])


@pytest.mark.parametrize(
    ("row", "said"),
    [({"sql": GOLDS[0]}, "names no database"), ({"schema": SCRIPT}, "no column holds the gold")],
)
def test_rows_of_text_alone_are_no_questions_but_may_be_graded(row, said):
    check_row(row)
    with pytest.raises(TaskError, match=f"data row 0: .*{said}"):
        of_rows([row])


def test_a_locked_file_and_one_that_is_none_are_named(songs):
    row = {"SQL": GOLDS[0], "db_path": str(songs)}
    check_row(row)
    with contextlib.closing(sqlite3.connect(songs, isolation_level=None)) as held:
        held.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TaskError, match=r"data row 0: .*is locked by another process"):
            of_rows([row])
    songs.write_text("no database at all " * 100)
    with pytest.raises(TaskError, match=r"data row 0: .*can't be read"):
        of_rows([row])


def test_paths_are_told_from_the_data_file_where_nothing_is_here(songs, monkeypatch):
    row = {"db_path": "songs.sqlite", "x": 1}
    assert located(row, songs.parent) == {"db_path": str(songs), "x": 1}
    monkeypatch.chdir(songs.parent)
    assert located(row, Path("/")) == row
    for value in (3, "", None, str(songs), "none.sqlite", "a\0b"):
        assert located({"db_path": value}, songs.parent) == {"db_path": value}
    (songs.parent / "songs").mkdir()
    monkeypatch.chdir("/")
    for value in ("songs", "songs.sqlite"):  # a mere name is no path, though a folder is so called
        moved = located({"database": value, "db_id": "songs"}, songs.parent)
        assert moved["database"] == (value if value == "songs" else str(songs))
    data = ROOT / "examples" / "data" / "sql"
    lines = (data / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    made = of_rows([located(json.loads(x), data) for x in lines])
    assert len(check(made).problems()) == 8


def test_every_word_that_sqlite_reserves_is_quoted():
    base = sqlite3.connect(":memory:")
    for word in ("abort", "cast", "key", "order", "group", "transaction", "index", "to", "except"):
        name = quoted(word)
        base.execute(f"CREATE TABLE {name} ({name} TEXT)")
        assert base.execute(f"SELECT {name} FROM {name}").fetchall() == []
    base.close()


def test_tables_that_are_called_like_keywords_have_a_second_database_too(tmp_path):
    """BIRD's financial has a table `order`."""
    path = tmp_path / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute('CREATE TABLE "order" (id INTEGER PRIMARY KEY, "group" TEXT, amount INT)')
        told = [(i, "ab"[i % 2] + "\0" * (i == 3), i) for i in range(1, 9)]
        base.executemany('INSERT INTO "order" VALUES (?, ?, ?)', told)
        base.commit()
    golds = (
        "SELECT COUNT(*) FROM `order` WHERE amount > 3",
        'SELECT DISTINCT "group" FROM "order"',
    )
    task = of_rows([{"db_path": str(path), "question": "?", "SQL": x} for x in golds])
    for asked in check(task).problems():
        case = asked.facts["case"]
        assert case.second is not None
        assert case.small
        assert "rows-written-out" in [x.name for x in case.wrong]
        assert case.writes == 'DELETE FROM "order" WHERE 1 = 0'


def test_names_and_values_are_written_as_sqlite_reads_them():
    assert [quoted(x) for x in ("a", "in print", 'a"b')] == ["a", '"in print"', '"a""b"']
    assert [quoted(x) for x in ("order", "Group", "orders")] == ['"order"', '"Group"', "orders"]
    base = Base(script="CREATE TABLE x (a TEXT);")
    for value in ("a\0b", "O'Hara", b"\0", 1.5, None):
        assert base.fetch(f"SELECT {databases.literal(value)}").rows == [(value,)]
    assert len(own.rows_of("SELECT * FROM person")) == len(PEOPLE)
