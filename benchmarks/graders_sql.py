"""What the sandbox and the parts of reasoning_sql cost over SQLite and sqlglot themselves.

    python benchmarks/graders_sql.py [--queries 1000 --megabytes 10 --batch 64 --workers 4]

CPU seconds of one thread on one database file. Each side opens it once; both must find the same
rows before anything is timed. The peers do what cannot be saved: run the query and keep its set of
rows, parse it and write it out again. Then, in wall time, what threads gain on a batch: they lose
on lookups, which the reward runs one by one therefore, and gain by the processors that are free.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import sqlglot

from toyrl.graders.base import TextRow
from toyrl.graders.sql import query as sql
from toyrl.graders.sql import words as sql_words
from toyrl.graders.sql.batch import ahead, processors
from toyrl.graders.sql.database import ROWS, with_file

CITIES = ("Oslo", "Rome", "Lima", "Bonn", "Kyiv")


def build(path: Path, megabytes: float) -> None:
    """A shop: orders of 60 bytes each, as many as fill the file, customers and an index."""
    count = max(int(megabytes * 1e6 / 60), 10)
    with sqlite3.connect(path) as c:
        c.execute("CREATE TABLE customer(id INTEGER PRIMARY KEY, name TEXT, city TEXT)")
        c.execute("CREATE TABLE purchase(id INTEGER PRIMARY KEY, customer_id INTEGER, item TEXT, "
                  "price REAL)")  # fmt: skip
        buyers = max(count // 20, 1)
        c.executemany("INSERT INTO customer VALUES (?, ?, ?)",
                      ((i, f"customer {i}", CITIES[i % 5]) for i in range(buyers)))  # fmt: skip
        c.executemany("INSERT INTO purchase VALUES (?, ?, ?, ?)",
                      ((i, i * 7919 % buyers, f"item number {i % 500} of the catalogue", i % 97 / 4)
                       for i in range(count)))  # fmt: skip
        c.execute("CREATE INDEX of ON purchase(customer_id)")
    c.close()


def texts(count: int) -> list[str]:
    """Queries of four kinds: a lookup, a join, a list of some hundred rows, a sum over a range."""
    kinds = (
        "SELECT name, city FROM customer WHERE id = {i}",
        "SELECT item, price FROM purchase JOIN customer ON purchase.customer_id = customer.id "
        "WHERE customer.id = {i} AND price > 3",
        "SELECT id, name FROM customer WHERE id BETWEEN {i} AND {i} + 300 AND city = 'Rome'",
        "SELECT COUNT(*), SUM(price) FROM purchase WHERE customer_id BETWEEN {i} AND {i} + 40",
    )
    return [kinds[k % 4].format(i=k * 31 % 5000) for k in range(count)]


def spent(work: Callable[[str], Any], queries: Sequence[str]) -> float:
    """CPU seconds for all of them."""
    start = time.process_time()
    for q in queries:
        work(q)
    return time.process_time() - start


def times(path: Path, count: int) -> dict[str, tuple[float, float]]:
    """Part -> CPU seconds of ours and of the library's own calls, for `count` queries."""
    queries, plain, ours = texts(count), sqlite3.connect(path), with_file(path)
    gold = "SELECT name FROM customer WHERE city = 'Rome' AND id < 50"
    reward = sql.ReasoningSql(w_judge=0.0)

    def direct(q: str) -> frozenset[Any]:
        return frozenset(plain.execute(q).fetchmany(ROWS))

    def parse(q: str) -> str:
        return sqlglot.parse_one(q, read="sqlite").sql(dialect="sqlite")

    def words(q: str) -> tuple[Any, Any]:
        return sql.identifiers(q), sql.ngrams(q)

    def whole(q: str) -> float:
        return reward.graded(TextRow("", q, {"answer": gold, "db_path": str(path)})).total

    def both(q: str) -> None:
        direct(q)
        parse(q)

    for q in queries[:20]:
        assert ours.run(q).rows == direct(q), q
    warm = texts(8)  # caches of SQLite's pages and of sqlglot's tables
    found = {}
    rows = (("run the query", ours.run, direct), ("names and bigrams", words, parse),
            ("the whole reward", whole, both))  # fmt: skip
    for name, mine, peer in rows:
        spent(mine, warm)
        spent(peer, warm)
        sql_words.read.cache_clear()
        found[name] = (spent(mine, queries), spent(peer, queries))
    plain.close()
    return found


def side_by_side(path: Path, count: int, workers: int, turns: int = 3) -> dict[str, float]:
    """Kind of query -> seconds of `count` of them one by one over seconds by threads.

    The least of some turns each, taken in turn; threads are used however small the batch is, and
    both must give the same.
    """
    kinds = {
        "a lookup": "SELECT name FROM customer WHERE id = {i}",
        "a search of all rows": "SELECT COUNT(*), SUM(price) FROM purchase WHERE item LIKE '%{i}%'",
    }
    found = {}
    for kind, text in kinds.items():
        row = {"answer": text.format(i=7), "db_path": str(path)}
        rows = [TextRow("", text.format(i=k % 90), row) for k in range(count)]
        reward = sql.ReasoningSql(w_judge=0.0)
        runs = [partial(reward._run, r) for r in rows]
        spent: dict[int, list[float]] = {1: [], workers: []}
        for _ in range(turns):
            given = {}
            for n, seconds in spent.items():
                start = time.perf_counter()
                given[n] = [repr(run()) for run in ahead(runs, n, worth=0.0)]
                seconds.append(time.perf_counter() - start)
            assert given[1] == given[workers], kind
        found[kind] = min(spent[1]) / min(spent[workers])
    return found


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--queries", type=int, default=1000)
    ask.add_argument("--megabytes", type=float, default=10.0)
    ask.add_argument("--batch", type=int, default=64)
    ask.add_argument("--workers", type=int, default=4)
    given = ask.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.sqlite"
        build(path, given.megabytes)
        print(f"{given.queries} queries, {path.stat().st_size / 1e6:.1f} MB")
        for name, (own, peer) in times(path, given.queries).items():
            print(f"    {name:<20} {own:7.3f} s  {given.queries / own:8.0f} a second   "
                  f"{own / peer:5.2f} x the libraries' own calls")  # fmt: skip
        workers = max(2, min(given.workers, processors()))
        for kind, gain in side_by_side(path, given.batch, workers).items():
            print(f"    {given.batch} times {kind} by {workers} threads: {gain:.2f} times as fast "
                  f"as one by one")  # fmt: skip


if __name__ == "__main__":
    main()
