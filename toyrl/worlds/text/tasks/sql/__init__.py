"""SQL: a question about a database, and the query that answers it.

Truth is told by two databases of one schema: a right query gives the gold query's rows on both, one
that gives them on the first by accident differs on the second. `own` has questions made up here,
`data` reads a user's rows; `second` makes the second database, `edits` other queries of a gold one,
and `answers` runs each before it is called right or wrong.
"""

from __future__ import annotations

from toyrl.worlds.text.tasks.base import Made
from toyrl.worlds.text.tasks.sql.answers import holds, right, wrong
from toyrl.worlds.text.tasks.sql.data import LAYOUTS, check_row, located, of_rows
from toyrl.worlds.text.tasks.sql.databases import check_database
from toyrl.worlds.text.tasks.sql.own import PEOPLE, is_right, problems, restored, rows_of

__all__ = [
    "PEOPLE", "SQL", "check_database", "check_row", "is_right", "located", "of_rows", "restored",
    "rows_of",
]  # fmt: skip

SQL = Made("sql", LAYOUTS, problems(), right, wrong, holds)
