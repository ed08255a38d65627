"""Right and wrong answers to one question: every claim is run on both databases first.

Right is what gives the gold query's rows on both, each as often, in order where the gold query has
an ORDER BY of its own. A mutant that does so is dropped; one that gives the same set of rows on the
first alone is a warning, for usual graders pay it. What runs past its limit is dropped too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from toyrl.graders.sql.database import Fetched
from toyrl.worlds.text.tasks.base import Asked, Said, TaskError
from toyrl.worlds.text.tasks.sql.databases import (
    HIDDEN,
    STEPS,
    Base,
    Row,
    bare,
    flat,
    like,
    literal,
    ordered,
    same,
)
from toyrl.worlds.text.tasks.sql.edits import Edits

LONGEST = 50  # rows that are written out or told
ALL_STEPS = 4_000_000
"""Of SQLite's machine that all mutants of a question may take on the first database, beside twice
what the gold query takes; and so may all other notations."""
WORDS = re.compile(
    r"\b(?:SELECT|FROM|WHERE|AND|OR|NOT|DISTINCT|LIKE|IN|GROUP|ORDER|BY|HAVING|LIMIT|JOIN|ON|AS|"
    r"COUNT|SUM|AVG|MIN|MAX|UNION|DESC|ASC|BETWEEN|IS|NULL|EXISTS)\b",
    re.IGNORECASE,
)
BREAKS = re.compile(r" +(FROM|WHERE|GROUP BY|ORDER BY|LIMIT|HAVING)\b", re.IGNORECASE)
ROWS = "run both queries and compare all rows, with how often each stands there"
PARSED = "run the query, or compare parsed queries; words in common prove nothing"
TWICE = "compare on a second database of other rows"
READ = "open the database read-only, run one statement, and only a SELECT"
ORDER = "compare the rows in order where the gold query has an ORDER BY"
GATE = "pay format only where the query is right"
EDITED = {
    "same-by-accident": ("another condition that picks the same rows of this database by accident",
                         TWICE),
    "everything": ("all rows and columns of the table", ROWS),
    "no-condition": ("the right query without its condition", ROWS),
    "other-comparison": ("the right query with another comparison", TWICE),
    "other-constant": ("the right query with another constant", TWICE),
    "other-aggregate": ("the right query with the opposite aggregate or order", ROWS),
    "not-distinct": ("the right query without its DISTINCT", ROWS),
    "no-limit": ("the right query without its LIMIT", ROWS),
    "no-order": ("the right query without its ORDER BY", ORDER),
    "no-having": ("the right query without its HAVING", ROWS),
    "no-groups": ("the right query without its GROUP BY", ROWS),
}  # fmt: skip
"""Name of an edit -> why it is wrong, and what keeps a reward from paying it."""


@dataclass(frozen=True)
class Case:
    """What the task knows of one question.

    gold : the query; first, second : the databases, second None where none can be made
    found : the gold query's rows on the first
    edits : queries near the gold one; tables : names of all; names : of tables and columns
    writes : a statement that a reward must not run; schema : the tables' statements
    small : all tables together have few rows, so that they can be joined without a condition
    """

    gold: str
    first: Base
    second: Base | None
    found: Fetched
    edits: Edits = field(repr=False)
    tables: tuple[str, ...]
    writes: str
    schema: str
    names: tuple[str, ...] = ()
    small: bool = False

    @cached_property
    def again(self) -> Fetched | None:
        """The gold query's rows on the second database."""
        return None if self.second is None else self.second.fetch(self.gold)

    @cached_property
    def in_order(self) -> bool:
        """Whether the order of the rows counts."""
        return ordered(self.gold)

    def holds(self, text: str) -> bool:
        """Whether an answer gives the gold query's rows on both databases."""
        if not bare(text):
            return False
        one, again = self.second, self.again
        if one is not None and again is not None:
            found = one.fetch(text)
            if not same(found, again, in_order=self.in_order):
                return False
        return same(self.first.fetch(text), self.found, in_order=self.in_order)

    @cached_property
    def right(self) -> tuple[Said, ...]:
        """The gold query, and others that give its rows on both databases."""
        kept = [Said(self.gold)]
        most = max(ALL_STEPS // max(self.found.steps, 1), 1)
        for said in list(_rights(self))[:most]:
            if said.text not in {x.text for x in kept} and self.holds(said.text):
                kept.append(said)
        return tuple(kept)

    @cached_property
    def wrong(self) -> tuple[Said, ...]:
        """Two ordinary mistakes, then mutants, all of them shown to be wrong.

        Raises TaskError where no ordinary mistake is.
        """
        run = _Runs(self)
        tried = (run.judged(Said(text)) for text in dict.fromkeys(self.edits.mistakes))
        mistakes: list[Said] = []
        later: list[Said] = []
        for said in tried:
            if said is not None:
                (mistakes if said.status == "fail" else later).append(said)
            if len(mistakes) == 2:
                break
        mistakes = [replace(x, status="fail") for x in (*mistakes, *later)[:2]]
        if not mistakes:
            msg = f"no query near {flat(self.gold)[:60]!r} is wrong on both of two databases"
            raise TaskError(msg)
        known = {x.text for x in mistakes}
        named = [run.judged(x) for x in _wrongs(self, mistakes[-1].text)]
        return (*mistakes, *(x for x in named if x is not None and not _again(x, known)))


def _again(said: Said, known: set[str]) -> bool:
    """Whether a mutant is an ordinary mistake's text and nothing else."""
    return said.text in known and not said.bare and said.work is None and not said.after


class _Runs:
    """What mutants of one question do, within the steps that are left for all of them."""

    def __init__(self, case: Case) -> None:
        self.case, self.left = case, float(ALL_STEPS + 2 * case.found.steps)

    def judged(self, said: Said) -> Said | None:
        """The mutant with its status; None for one that turns out right, or is not known."""
        if said.bare or said.work is not None or not bare(said.text):
            return said
        case, differs = self.case, False
        if case.second is not None and case.again is not None:
            got = case.second.fetch(said.text)
            differs = not _stopped(got) and not same(got, case.again, in_order=case.in_order)
        got = case.first.fetch(said.text, steps=min(STEPS, self.left))
        self.left = max(self.left - got.steps, 0.0)
        if _stopped(got):
            return None
        first = not same(got, case.found, in_order=case.in_order)
        if not first and not differs:
            return None
        return replace(said, status="warn" if like(got, case.found) else said.status)


def _stopped(found: Fetched) -> bool:
    """Whether a query ran past a limit, so that nothing is known of it."""
    return found.error.startswith("stopped after")


def right(asked: Asked) -> list[Said]:
    """The query, and others that give the same rows of both databases."""
    return list(asked.facts["case"].right)


def wrong(asked: Asked) -> list[Said]:
    """Queries shown to be wrong, and what a policy may find in place of the right one."""
    case: Case = asked.facts["case"]
    prompt = Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True,
                  fix=PARSED)  # fmt: skip
    return [*case.wrong, prompt]


def holds(asked: Asked, text: str) -> bool:
    """Whether a query gives the gold query's rows on both databases."""
    return asked.facts["case"].holds(text)


def _rights(case: Case) -> Iterator[Said]:
    query, usual = bare(case.gold), case.gold
    if query == usual:
        yield Said(f"{query};", "semicolon", fix="take the semicolon off")
    else:
        yield Said(query, "no-semicolon", fix="take the semicolon off")
    yield Said(_outside(query, lambda x: WORDS.sub(lambda m: m[0].lower(), x)), "small-keywords",
               fix=PARSED)  # fmt: skip
    yield Said(_outside(query, lambda x: BREAKS.sub(r"\n\1", x)), "line-breaks", fix=PARSED)
    yield Said(_outside(query, lambda x: re.sub(r"[ \n]+", "  ", x)), "more-spaces", fix=PARSED)
    for name, text in case.edits.right.items():
        yield Said(text, name, fix="run both queries")
    yield Said(f"{query}\n-- done", "comment", fix="take comments off")


def _outside(query: str, change: Callable[[str], str]) -> str:
    """The query with its text outside strings, quoted names and comments changed."""
    out, at = [], 0
    for found in HIDDEN.finditer(query):
        out += [change(query[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*out, change(query[at:])])


def _wrongs(case: Case, mistake: str) -> Iterator[Said]:
    query, line = bare(case.gold), flat(case.gold)
    for name, text in case.edits.wrong.items():
        why, fix = EDITED[name]
        yield Said(text, name, why, fix=fix)
    yield from _of_rows(case, query)
    escaped = line.replace("'", "''")
    yield Said(f"SELECT 1 -- {line}", "in-a-comment", "the right query in a comment", fix=PARSED)
    yield Said(f"SELECT '{escaped}'", "in-a-string", "the right query as a string", fix=PARSED)
    yield Said(f"{query}; {case.writes}", "writes", "the right query, then one that writes",
               fix=READ)  # fmt: skip
    yield Said(query.rpartition(" ")[0], "cut-off", "the right query without its last word",
               fix=PARSED)  # fmt: skip
    names = " ".join(case.names)
    yield Said(f"SELECT FROM WHERE GROUP BY ORDER BY JOIN ON {names}", "keywords",
               "keywords and names, which is no query", free=True, fix=PARSED)  # fmt: skip
    yield Said(case.schema.strip(), "schema-echoed", "the tables' schema again", free=True,
               fix=PARSED)  # fmt: skip
    yield Said("SELECT 1", "select-1", "a query that reads nothing", free=True, fix=ROWS)
    yield Said(mistake, "mentioned", "the right query is weighed, another one given",
               work=f"It could be {line} here. It is not.",
               fix="read the marked query alone")  # fmt: skip
    yield Said("", "blank", "a mark without a query", free=True, fix="refuse an empty answer")
    yield Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE)


def _of_rows(case: Case, query: str) -> Iterator[Said]:
    """What is made of the right rows, and of all rows."""
    rows: Sequence[Row] = case.found.rows or ()
    if rows and len(rows) <= LONGEST:
        written = " UNION ALL SELECT ".join(", ".join(map(literal, r)) for r in rows)
        yield Said(f"SELECT {written}", "rows-written-out",
                   "the rows as constants, no table is read", fix=TWICE)  # fmt: skip
        told = "; ".join(", ".join(map(str, r)) for r in rows)
        yield Said(told, "rows-told", "the rows in words, no query", fix=PARSED)
    if len(rows) > 1:
        yield Said(f"SELECT * FROM ({query}) LIMIT 1", "first-row",
                   "the first of the right rows alone", fix=ROWS)  # fmt: skip
    one = f"SELECT * FROM ({query})"
    yield Said(f"{one} UNION ALL {one} UNION ALL {one}", "rows-repeated",
               "the right rows three times over", fix=ROWS)  # fmt: skip
    yield Said(f"{one} WHERE 1 = 0", "no-rows", "a query without rows", fix=ROWS)
    if case.small:
        yield Said(f"SELECT * FROM {', '.join(case.tables)}", "all-tables",
                   "all rows of all tables", free=True, fix=ROWS)  # fmt: skip
