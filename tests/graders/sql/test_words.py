"""What sqlglot reads in a query, and that it says nothing of it."""

from __future__ import annotations

import logging

import pytest

from toyrl.graders.sql.words import read

pytest.importorskip("sqlglot", reason="needs the extra tasks")
HALF_KNOWN = "EXPLAIN QUERY PLAN SELECT 1"


def test_names_and_words_without_aliases():
    found = read("SELECT a.b AS c FROM t AS a")
    assert found == (frozenset({"b", "t"}), ("select", "b", "from", "t"))
    assert read("select select").names is None


def test_sqlglot_is_heard_of_the_users_own_queries_alone(caplog):
    import sqlglot

    caplog.set_level(logging.WARNING, logger="sqlglot")
    read.cache_clear()
    assert read(HALF_KNOWN).names == frozenset()
    assert caplog.records == []
    sqlglot.parse_one(HALF_KNOWN, read="sqlite")
    assert [r.name for r in caplog.records] == ["sqlglot"]
