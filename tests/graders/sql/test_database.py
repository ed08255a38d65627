"""Queries that write, leave, loop or swell: each has its answer, and nothing is written."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from toyrl.graders.sql import database as sql_database
from toyrl.graders.sql.database import (
    DatabaseLocked,
    DatabaseProblem,
    with_file,
    with_script,
)

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT {} FROM c"
DDL = "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (2, 'y');"


def make(path: Path, script: str = DDL) -> Path:
    with sqlite3.connect(path) as c:
        c.executescript(script)
    c.close()
    return path


def state(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture(params=["file", "script"])
def database(request, tmp_path):
    return with_file(make(tmp_path / "a b.db")) if request.param == "file" else with_script(DDL)


FORBIDDEN = [
    "DELETE FROM t", "INSERT INTO t VALUES (1, 2)", "UPDATE t SET a = 0", "DROP TABLE t",
    "WITH c AS (SELECT 1) DELETE FROM t", "CREATE TEMP TABLE z(a)", "CREATE TABLE z(a)",
    "ATTACH '{}/x.db' AS x", "VACUUM INTO '{}/y.db'", "VACUUM", "PRAGMA query_only = 0",
    "PRAGMA writable_schema = 1", "PRAGMA table_info(t)", "BEGIN IMMEDIATE", "SAVEPOINT s",
    "SELECT load_extension('x')", "SELECT writefile('{}/z', 'z')", "ANALYZE", "DETACH main",
    "SELECT 1; DROP TABLE t", "CREATE VIRTUAL TABLE v USING fts5(a)",
]  # fmt: skip


def test_a_query_reads_and_does_nothing_else(database, tmp_path):
    before = state(tmp_path)
    for sql in FORBIDDEN:
        found = database.run(sql.format(tmp_path))
        assert (found.began, found.rows) == (False, None), sql
        assert found.error, sql
    assert database.run("REINDEX").rows == frozenset()  # begins, and finds nothing it may touch
    assert database.run("SELECT * FROM t").rows == {(1, "x"), (2, "y")}
    assert database.run("SELECT value FROM json_each('[7]')").rows == {(7,)}
    assert state(tmp_path) == before


def test_what_never_ends_or_swells_is_stopped(database):
    found = database.run(ENDLESS.format("COUNT(*)"), seconds=0.02)
    assert (found.began, found.rows, found.error) == (False, None, "stopped after 0.02 seconds")
    found = database.run(ENDLESS.format("x"), rows=5000)
    assert (found.began, len(found.rows), found.count, found.cut) == (True, 5000, 5000, True)
    found = database.run(ENDLESS.format("x").replace("+ 1 FROM c", "+ 1 FROM c LIMIT 10000000"))
    assert found.cut
    assert "too big" in database.run("SELECT zeroblob(100000000)").error
    for deep in ("(" * 5000 + "1" + ")" * 5000, "'" + "x" * 10**6 + "'", "'\0'", "'\ud800'"):
        assert not database.run(f"SELECT {deep}").began
    assert database.run("SELECT a FROM t", rows=3).cut is False
    assert database.run("SELECT a FROM t", rows=2).cut is True


def test_large_rows_are_bounded_together(monkeypatch):
    monkeypatch.setattr(sql_database, "ALTOGETHER", 10**6)
    found = with_script(DDL).run(ENDLESS.format("x, hex(zeroblob(5000))"), rows=5000)
    assert (found.rows, found.count, found.error) == (None, 400, "the rows are larger than 64 MiB")


def test_memory_is_bounded_by_sqlite_itself():
    query = ENDLESS.format("randomblob(900000)") + " ORDER BY 1"
    program = (
        "from toyrl.graders.sql import database as d; d.HEAP = 30 * 2**20; "
        f"print(d.with_script('CREATE TABLE t(a)').run({query!r}).error)"
    )  # in a process of its own, since the limit stays
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "SQLite holds more than 30 MiB\n"


def test_the_rows_gone_wrong_late_are_an_error_after_a_beginning():
    found = with_script(DDL).run("SELECT abs(CASE a WHEN 1 THEN 1 ELSE -9223372036854775808 END) "
                                 "FROM t")  # fmt: skip
    assert (found.began, found.rows) == (True, None)
    assert "overflow" in found.error


def test_files_that_can_t_be_used_are_named(tmp_path):
    text = tmp_path / "n.txt"
    text.write_text("no database at all" * 100)
    for path, said in ((tmp_path / "none.db", "there is no database '.*none.db'"), (text, "not a "),
                       (tmp_path, "directory"), ("a\0b", "null")):  # fmt: skip
        with pytest.raises(DatabaseProblem, match=said):
            with_file(path)


def test_a_database_in_use_is_no_query_s_fault(tmp_path):
    path = make(tmp_path / "a.db")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseLocked, match="in use"):
        with_file(path, wait=0.01)
    writer.execute("ROLLBACK")
    assert with_file(path).run("SELECT a FROM t").count == 3
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO t VALUES (3, 'z')")
    with pytest.raises(DatabaseLocked, match="its log"):
        with_file(path)
    writer.close()
    before = state(tmp_path)
    assert with_file(path).run("SELECT a FROM t").count == 4  # opened anew: the file has changed
    assert state(tmp_path) == before


def test_scripts_stay_in_memory(tmp_path):
    dump = "PRAGMA foreign_keys = OFF; BEGIN TRANSACTION; " + DDL + " COMMIT;"
    assert with_script(dump).run("SELECT a FROM t").count == 3
    attach = f"ATTACH '{tmp_path}/q.db' AS q; CREATE TABLE q.t(a)"
    for script in (attach, f"VACUUM INTO '{tmp_path}/y.db'", "CREATE TABLE", "SELECT '\0'"):
        with pytest.raises(DatabaseProblem, match="makes no database"):
            with_script(script)
    with pytest.raises(DatabaseProblem, match=r"not done after 0\.02 seconds"):
        with_script(ENDLESS.format("COUNT(*)"), seconds=0.02)
    assert not list(tmp_path.iterdir())


def test_each_thread_has_its_own_connection_and_keeps_a_few():
    here, found = with_script(DDL), []
    worker = threading.Thread(target=lambda: found.append(with_script(DDL)))
    worker.start()
    worker.join()
    assert here is with_script(DDL) is not found[0]
    for i in range(sql_database.KEPT):
        with_script(f"{DDL} -- {i}")
    assert with_script(DDL) is not here
