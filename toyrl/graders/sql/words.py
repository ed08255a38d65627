"""What sqlglot reads in a query: names of columns and tables, and words without aliases."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import NamedTuple

from toyrl.extras import needed_by

WORD = re.compile(r"\w+")
_OURS: ContextVar[bool] = ContextVar("reading a query that is graded", default=False)


class Read(NamedTuple):
    """names : of columns and tables, None if it doesn't parse; words : without aliases."""

    names: frozenset[str] | None
    words: tuple[str, ...]


@lru_cache(maxsize=512)
def read(sql: str) -> Read:
    """A query of SQLite as sqlglot reads and writes it; one that doesn't parse as it stands.

    Raises MissingExtra without sqlglot.
    """
    with needed_by("the reward reasoning_sql"):
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError
    try:
        with _unheard():
            tree = sqlglot.parse_one(sql, read="sqlite")
            found = list(tree.find_all(exp.Column, exp.Table, exp.Alias, exp.Subquery))
            names = frozenset(x.name for x in found if isinstance(x, exp.Column | exp.Table))
            dropped = {x.alias.lower() for x in found if not isinstance(x, exp.Column)}
            text = tree.sql(dialect="sqlite", copy=False)  # which may change the tree
    except (SqlglotError, RecursionError, ValueError):
        return Read(None, _words(sql, {"as"}))
    return Read(names, _words(text, dropped | {"as"}))


def _words(text: str, dropped: AbstractSet[str]) -> tuple[str, ...]:
    return tuple(w for w in WORD.findall(text.lower()) if w not in dropped)


@contextmanager
def _unheard() -> Iterator[None]:
    """What sqlglot logs of the queries read in this block reaches nobody.

    It warns of syntax that it knows in part. A policy's query is graded either way, and a warning
    for each would bury the answer. Queries of others, in other threads too, are heard as before.
    """
    logging.getLogger("sqlglot").addFilter(_heard)  # the same filter is added once
    before = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(before)


def _heard(_record: logging.LogRecord) -> bool:
    return not _OURS.get()
