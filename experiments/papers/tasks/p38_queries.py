"""The database of paper 38's toy, its queries, and what a query is worth on it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.shared import shared
from toyrl.graders.base import TextRow
from toyrl.graders.sql.query import ReasoningSql

TABLES = """CREATE TABLE dept(id INTEGER, title TEXT, budget INTEGER);
CREATE TABLE student(id INTEGER, name TEXT, age INTEGER, dept_id INTEGER);
"""
DDL = (
    TABLES
    + """INSERT INTO dept VALUES (1,'Math',100), (2,'Bio',50), (3,'Art',20);
INSERT INTO student VALUES (1,'Ann',19,1), (2,'Bob',22,1), (3,'Cal',25,1), (4,'Dee',31,2),
 (5,'Eve',20,2), (6,'Fay',28,3), (7,'Gus',21,1);
"""
)
FRESH = (
    TABLES
    + """INSERT INTO dept VALUES (1,'Art',90), (2,'Math',40), (3,'Bio',70),
 (4,'Math',10);
INSERT INTO student VALUES (1,'Hal',30,2), (2,'Ida',18,2), (3,'Jon',22,1), (4,'Kim',23,4),
 (5,'Lee',21,4), (6,'Moe',40,3);
"""
)
"""Other rows of the same tables: a query that answers the question is right on these too."""
JOIN = "student JOIN dept ON student.dept_id = dept.id"
GOLD = f"SELECT name FROM {JOIN} WHERE title = 'Math' AND age > 21"
SIX = "name, age, dept_id, title, budget, student.id"
LISTS = ("name", "age", "title", "name, age", SIX, "1", "COUNT(*)")
ENDS = ("", "age > 21", "title = 'Math'", "title = 'Math' AND age > 21",
        "title = 'Math' AND age > 18", "title = 'Bio' AND age > 21",
        "age > 21 AND title = 'Math'")  # fmt: skip
ONE, BROKEN, WORDS = "SELECT 1", "SELECT name FROM", "all students of maths over 21"
NESTED = ("SELECT name FROM student WHERE dept_id IN (SELECT id FROM dept WHERE title = 'Math') "
          "AND age > 21")  # fmt: skip
COMMA = ("SELECT name FROM student AS s, dept AS d WHERE s.dept_id = d.id AND title = 'Math' "
         "AND age > 21")  # fmt: skip
HARD = "SELECT name FROM student WHERE id IN (2, 3)"
SWAPPED = GOLD.replace("title = 'Math' AND age > 21", "age > 21 AND title = 'Math'")
OFF = GOLD.replace("21", "18")
DUMP = GOLD.replace("SELECT name", f"SELECT {SIX}")
TURNED = GOLD.replace(">", "<")
UNREAD = "SELECT 'Bob' UNION SELECT 'Cal'"
COLUMNS = ("execution", "syntax", "recall", "jaccard", "ngram")
SLOTS = (
    (*LISTS, "budget"),
    (JOIN, "student", "dept", "dept JOIN student ON student.id = dept.id"),
    ("title = 'Math'", "", "title = 'Bio'", "title = 'Art'", "budget > 60", "budget < 60"),
    ("age > 21", "", "age > 18", "age < 21", "age > 28", "age = 22", "age > 24", "student.id > 3"),
)
SHAPE = tuple(map(len, SLOTS))
QUERY = 5000
"""Units of work of one query, parsed and run: half a millisecond."""


def arms() -> list[str]:
    """The 153 queries: 7 lists of columns, 3 FROM clauses, 7 endings, and six made by hand."""
    grid = [
        f"SELECT {a} FROM {b}" + (f" WHERE {c}" if c else "")
        for a, b, c in itertools.product(LISTS, ("student", "dept", JOIN), ENDS)
    ]
    return [*grid, ONE, BROKEN, WORDS, NESTED, COMMA, HARD]


def grammar() -> list[str]:
    """The 1536 queries, in the order of `SLOTS`."""
    out = []
    for a, b, *conditions in itertools.product(*SLOTS):
        end = " AND ".join(c for c in conditions if c)
        out.append(f"SELECT {a} FROM {b}" + (f" WHERE {end}" if end else ""))
    return out


@shared
def measured(queries: Sequence[str], ddl: str = DDL, n: int = 2) -> np.ndarray:
    """(K, 5) what the grader finds in queries, by `COLUMNS`."""
    spend(QUERY * len(queries))
    reward = ReasoningSql(n=n, w_judge=0.0)
    found = []
    for row in (TextRow("", q, {"answer": GOLD, "ddl": ddl}) for q in queries):
        (got,) = reward.grade_parts([row])
        names = ("execution_match", "schema_recall", "schema_jaccard")
        match, recall, jaccard = (got.facts[name] for name in names)
        found.append([match, got.parts["syntax"], recall, jaccard, got.parts["ngram"]])
    return np.array(found)
