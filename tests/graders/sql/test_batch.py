"""A batch of queries by threads: the same answers and the same errors, in the same order."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from toyrl.graders.base import TextRow
from toyrl.graders.sql import batch as sql_batch
from toyrl.graders.sql.batch import TRIED, ahead, processors
from toyrl.graders.sql.database import DatabaseProblem
from toyrl.graders.sql.query import ReasoningSql


@pytest.fixture(autouse=True)
def two(monkeypatch):
    monkeypatch.setattr(sql_batch, "processors", lambda: 2)


def where(n: int):
    return [lambda k=k: (k, threading.current_thread().name) for k in range(n)]


def test_answers_come_in_order_from_threads_where_the_rest_is_worth_it():
    found = [run() for run in ahead(where(40), 2, worth=0.0)]
    assert [k for k, _ in found] == list(range(40))
    own = threading.current_thread().name
    assert {name for _, name in found[:TRIED]} == {own}
    assert all(name.startswith("toyrl-sql") for _, name in found[TRIED:])


@pytest.mark.parametrize(("n", "workers", "worth"), [(40, 2, 1e9), (40, 1, 0.0), (TRIED, 8, 0.0)])
def test_quick_and_small_batches_and_one_worker_stay_in_this_thread(n, workers, worth):
    found = [run() for run in ahead(where(n), workers, worth=worth)]
    assert [k for k, _ in found] == list(range(n))
    assert {name for _, name in found} == {threading.current_thread().name}


def test_no_more_threads_than_processors(monkeypatch):
    monkeypatch.setattr(sql_batch, "processors", lambda: 1)
    found = [run() for run in ahead(where(40), 8, worth=0.0)]
    assert {name for _, name in found} == {threading.current_thread().name}
    assert processors() >= 1


@pytest.mark.parametrize("bad", [1, TRIED + 2])
def test_an_error_is_raised_where_its_answer_is_asked_for(bad):
    def fail():
        raise DatabaseProblem(bad)

    runs = [fail if k == bad else (lambda k=k: k) for k in range(20)]
    got = ahead(runs, 2, worth=0.0)
    assert [run() for run in got[:bad]] == list(range(bad))
    with pytest.raises(DatabaseProblem):
        got[bad]()
    assert [run() for run in got[bad + 1 :]] == list(range(bad + 1, 20))


def test_the_reward_pays_a_batch_as_it_pays_each_row(tmp_path, monkeypatch):
    pytest.importorskip("sqlglot", reason="needs the extra tasks")
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as c:
        c.executescript("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'y');")
    c.close()
    gold = {"answer": "SELECT a FROM t WHERE b = 'y'", "db_path": str(path)}
    script = {"answer": "SELECT a FROM t", "ddl": "CREATE TABLE t (a); INSERT INTO t VALUES (7);"}
    texts = ["SELECT a FROM t WHERE a > 1", "SELECT a FROM t", "SELECT", "DELETE FROM t",
             "x" * 200_000, "```sql\nSELECT a FROM t WHERE b = 'y'\n```"]  # fmt: skip
    rows = [TextRow("", x, columns) for columns in (gold, script) for x in texts * 2]
    monkeypatch.setattr("toyrl.graders.sql.query.ahead", lambda runs, n: ahead(runs, n, worth=0.0))
    reward = ReasoningSql()
    assert repr(reward.grade_parts(rows)) == repr([reward.graded(r) for r in rows])
    gone = TextRow("", texts[0], {**gold, "db_path": str(tmp_path / "none.sqlite")})
    with pytest.raises(DatabaseProblem, match=r"none\.sqlite"):
        reward.grade_parts([*rows, gone, *rows])
