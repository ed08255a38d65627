"""What sqlglot reads in a query: names of columns and tables, and the words of what it writes."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import NamedTuple

from toyrl.extras import needed_by

WORD = re.compile(r"\w+")


class Read(NamedTuple):
    """names : of columns and tables, None if it doesn't parse; words : without aliases."""

    names: frozenset[str] | None
    words: tuple[str, ...]


@lru_cache(maxsize=512)
def read(sql: str) -> Read:
    """Names and words of a query in SQLite's dialect. Raises MissingExtra without sqlglot."""
    with needed_by("the reward reasoning_sql"):
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError
    try:
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
