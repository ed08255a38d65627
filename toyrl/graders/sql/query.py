"""A query is paid for its rows and, in part, for its words.

    reward = parse_grader("reasoning_sql(schema='jaccard')")
    reward(prompts, completions, answer=[gold, ...], ddl=[script, ...])  # or db_path, or db_id
    components("SELECT 1", gold, ddl)                                    # one pair, without weights

The query is the last ```sql block of a text, else the whole text. Formulas and what each part is
hacked by: docs/theory/sql.md. The numbers depend on how sqlglot 30 writes SQL.

Source: paper 38, code MohammadrezaPourreza/RLForSQL (grpo_training_llm_partial_reward.py,
utils/execution.py, utils/database_manager.py, utils/ngrams.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward, is_blank, told
from toyrl.graders.sql.batch import ahead
from toyrl.graders.sql.database import (
    ROWS,
    SECONDS,
    Database,
    DatabaseLocked,
    DatabaseProblem,
    Ran,
    with_file,
    with_script,
)
from toyrl.graders.sql.words import read
from toyrl.messages import shortened
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE, one_of
from toyrl.registry import entry

BLOCK = re.compile(r"```sql(.*?)```", re.DOTALL)
INSIDE = r"\n(?:(?!</?(?:reasoning|answer)>).)*\n"
STRICT = re.compile(f"<reasoning>{INSIDE}</reasoning>\n<answer>{INSIDE}</answer>\n?", re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
LONGEST = 100_000
"""Characters of a query that is still read."""
JUDGED = 2.0
"""The judge's largest number."""


class Components(NamedTuple):
    """What a query is worth in each respect, all in [0, 1]."""

    execution: float
    syntax: float
    schema_recall: float
    schema_jaccard: float
    ngram2: float


# -- the text --------------------------------------------------------------------------------------
def sql_of(text: str) -> str:
    """The last ```sql block of a text, stripped; without one the whole text."""
    found = BLOCK.findall(text)
    return found[-1].strip() if found else text


def cleaned(sql: str) -> str:
    """A query as the released code executes it: on one line, double quotes made single.

    So an "identifier" becomes a string, and a -- comment swallows the lines behind it.
    """
    return re.sub(r"\\+(['\"])", r"\1", sql.replace("\n", " ").replace('"', "'"))


def identifiers(sql: str) -> frozenset[str] | None:
    """Names of all columns and tables in a query, without qualifiers; None if it doesn't parse.

    Aliases of tables are not resolved, names are compared to the letter.
    """
    return read(sql).names


def ngrams(sql: str, n: int = 2) -> frozenset[tuple[str, ...]]:
    r"""The set of n-grams of a query's words, as sqlglot writes it: lower case, without aliases.

    n : from 1 on. A query that doesn't parse is taken as it stands; a word is a run of \w.

    Which aliases are dropped is reconstructed: those of tables, subqueries and columns, and "as".
    """
    words = read(sql).words
    return frozenset(zip(*(words[i:] for i in range(n)), strict=False))


def recall(gold: AbstractSet[Any], found: AbstractSet[Any]) -> float:
    """Share of the gold set that was found; NaN for an empty gold set."""
    return len(gold & found) / len(gold) if gold else math.nan


def jaccard(first: AbstractSet[Any], second: AbstractSet[Any]) -> float:
    """Common elements over all elements; NaN where both sets are empty."""
    union = len(first | second)
    return len(first & second) / union if union else math.nan


def format_reward(text: str, form: str = "tags") -> float:
    """The tags of a reply. At most 0.5 for form "tags" and as low as you like; 0 or 1 for "strict".

    tags : 1/8 for each of four tags that stands once, less 0.001 for each character behind the
        last two, as released: the whole text counts where </answer> and a final newline are missing
    strict : a reasoning block, then an answer block, each tag on its line, and nothing else

    Raises ValueError for another form.
    """
    if form == "strict":
        return float(STRICT.fullmatch(text) is not None)
    if form != "tags":
        msg = f"form={shortened(form)} is not one of tags, strict"
        raise ValueError(msg)
    paid = 0.125 * ((text.count("<reasoning>\n") == 1) + (text.count("\n</reasoning>\n") == 1))
    if text.count("\n<answer>\n") == 1:
        paid += 0.125 - 0.001 * len(text.rpartition("\n</answer>\n")[2])
    if text.count("\n</answer>") == 1:
        paid += 0.125 - 0.001 * (len(text.rpartition("\n</answer>")[2]) - 1)
    return paid


def judge_number(said: Any, how: str = "float") -> float:
    """A judge's answer as a number, finite; 0 where there is none.

    float : as released: what Python reads as a number, not clipped ("2/2" is 0, "9" is 9)
    number : the first number in it, clipped to [0, 2]

    Raises ValueError for another way.
    """
    if how not in ("float", "number"):
        msg = f"how={shortened(how)} is not one of float, number"
        raise ValueError(msg)
    if how == "number" and isinstance(said, str):
        first = NUMBER.search(said)
        said = first.group() if first else 0.0
    try:
        value = float(said)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    value = value if math.isfinite(value) else 0.0
    return min(max(value, 0.0), JUDGED) if how == "number" else value


# -- a pair of queries -----------------------------------------------------------------------------
def same_rows(found: Ran, gold: Ran, *, empty: str = "wrong", beyond: str = "cut") -> float:
    """1.0 if both queries gave the same set of rows, else 0.0: order and copies don't count.

    empty : answers without a row score 0 ("wrong", released), or are compared ("equal"); "drop":
        NaN where the gold query has no row
    beyond : of answers with more rows than were fetched the first ones are compared ("cut",
        released), or they score 0 ("wrong")
    """
    if gold.rows is None:
        return 0.0
    if empty == "drop" and not gold.rows:
        return math.nan
    if found.rows is None or (beyond == "wrong" and (found.cut or gold.cut)):
        return 0.0
    if empty != "equal" and not (found.rows and gold.rows):
        return 0.0
    return float(found.rows == gold.rows)


def exec_or_judge(execution: float, judge: float, pred: str, w_exec: float = 3.0) -> float:
    """w_exec for a right answer, else the judge's number; 0 without an upper-case SELECT.

    execution : 0 or 1; judge : in [0, 2]
    """
    if "SELECT" not in pred:
        return 0.0
    return w_exec if execution == 1 else judge


def components(pred: str, gold: str, ddl: str, *, n: int = 2) -> Components:
    """The released parts of one query, without weights, on the database that a script makes.

    n : length of the n-grams

    Raises DatabaseProblem for a script that fails, MissingExtra without sqlglot.
    """
    reward = ReasoningSql(n=n)
    found = reward.graded(TextRow("", pred, {"answer": gold, "ddl": ddl}))
    return Components(found.facts["execution_match"], found.parts["syntax"],
                      found.facts["schema_recall"], found.facts["schema_jaccard"],
                      found.parts["ngram"])  # fmt: skip


# -- the reward ------------------------------------------------------------------------------------
@entry(
    "reasoning_sql",
    kind="grader",
    cards=("38",),
    section="released reward functions; sum without weights",
    provenance="code",
    formula="3 R_ex or R_J, + R_syn + R_sl + R_ng + R_fmt",
)
@dataclass(frozen=True)
class ReasoningSql(TaskReward):
    """Pays SQL for its rows, else a judge's number; and for syntax, schema, n-grams and format.

    Columns: `answer` (the gold query), and the database: `ddl` (a script that makes it), `db_path`
    or `db` (a file), or `db_id` in `folder` (FOLDER/ID/ID.sqlite). `judge`, where there is one, is
    what a judge said of this text.

    The defaults are what was released, but for writing, which is never done: execution wants an
    upper-case SELECT (`select`), both queries are run as `cleaned` (`quotes`), and answers without
    rows score 0 (`empty`). Sound settings: select="any", quotes="keep", empty="drop" or "equal",
    beyond="wrong", bare="equal", judge_read="number", format="strict".

    w_execution : for the right rows; w_judge : what a judge's 2 is worth where they are wrong, 0:
        it is not asked. No wrong query is above a right one if w_execution >= w_judge + w_schema +
        w_ngram: 3 < 2 + 1 + 1 as released
    schema : "recall" (code) or "jaccard" (paper); bare : a gold query without names scores 0
        ("zero"), or 1 for a query without names ("equal")
    n : of the n-grams; seconds, rows : limits of each query; workers : threads that run the queries
        of a batch where these are slow, at most one a processor (`toyrl.graders.sql.batch`)
    judge : callable of (question, hint, predicted, gold), asked where the rows are wrong; question
        and hint are the columns `question` (else the prompt) and `evidence`

    Raises ValueError for a field out of its range.
    """

    w_execution: Annotated[float, NOT_NEGATIVE] = 3.0
    w_judge: Annotated[float, NOT_NEGATIVE] = 2.0
    w_syntax: Annotated[float, NOT_NEGATIVE] = 1.0
    w_schema: Annotated[float, NOT_NEGATIVE] = 1.0
    w_ngram: Annotated[float, NOT_NEGATIVE] = 1.0
    w_format: Annotated[float, NOT_NEGATIVE] = 1.0
    schema: Annotated[str, one_of("recall", "jaccard")] = "recall"
    format: Annotated[str, one_of("tags", "strict")] = "tags"
    select: Annotated[str, one_of("upper", "any")] = "upper"
    quotes: Annotated[str, one_of("clean", "keep")] = "clean"
    empty: Annotated[str, one_of("wrong", "equal", "drop")] = "wrong"
    beyond: Annotated[str, one_of("cut", "wrong")] = "cut"
    bare: Annotated[str, one_of("zero", "equal")] = "zero"
    judge_read: Annotated[str, one_of("float", "number")] = "float"
    n: Annotated[int, COUNT] = 2
    seconds: Annotated[float, POSITIVE] = SECONDS
    rows: Annotated[int, COUNT] = ROWS
    folder: str = ""
    judge: Any = None
    workers: Annotated[int, COUNT] = 4

    parts: ClassVar[tuple[str, ...]] = (
        "execution", "judge", "syntax", "schema", "ngram", "format",
    )  # fmt: skip
    facts: ClassVar[tuple[str, ...]] = (
        "execution_match", "schema_recall", "schema_jaccard", "found_rows", "gold_rows",
    )  # fmt: skip
    reads: ClassVar[tuple[str, ...]] = ("answer",)
    any_of: ClassVar[tuple[str, ...]] = ("ddl", "db_path", "db", "db_id")
    of_task: ClassVar[str] = "sql"

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """Parts of one text; execution and syntax are NaN while the database is in use.

        Raises DatabaseProblem for a database that is missing, none, or not named; KeyError without
        the column `answer`; ValueError for a gold query that is no text.
        """
        return self._graded(row, lambda: self._run(row))

    def graded_all(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """As `graded` of each row; slow queries of a batch run side by side, and the rest of the
        reward row by row."""
        runs = ahead([partial(self._run, row) for row in rows if self._asks(row)], self.workers)
        ready = iter(runs)
        return [
            self._graded(row, next(ready) if self._asks(row) else partial(self._run, row))
            for row in rows
        ]

    def _asks(self, row: TextRow) -> bool:
        """Whether a row's queries are run."""
        return isinstance(row.columns["answer"], str) and len(sql_of(row.completion)) <= LONGEST

    def _graded(self, row: TextRow, run: Callable[[], _Seen]) -> Graded:
        """Parts of a text; run : what its query and the gold one gave."""
        gold = row.columns["answer"]
        if not isinstance(gold, str):
            msg = f"answer={shortened(gold)} is no text; give the gold query"
            raise ValueError(msg)
        pred = sql_of(row.completion)
        form = self.w_format * format_reward(row.completion, self.format)
        if len(pred) > LONGEST:
            said = f"a query of {len(pred):,} characters is not read"
            return Graded({**dict.fromkeys(self.parts, 0.0), "format": form},
                          dict.fromkeys(self.facts, 0.0), said)  # fmt: skip
        selects = "SELECT" in (pred if self.select == "upper" else pred.upper())
        seen = run()
        match = seen.match if selects or self._dropped(seen) else 0.0
        linked = self._linked(gold, pred) if selects else (0.0, 0.0)
        shared = jaccard(ngrams(gold, self.n), ngrams(pred, self.n))
        asked = selects and match == 0 and self.w_judge > 0
        judged, trouble = self._judged(row, pred, gold) if asked else (0.0, "")
        parts = {
            "execution": self.w_execution * match,
            "judge": self.w_judge / JUDGED * judged,
            "syntax": self.w_syntax * seen.syntax,
            "schema": self.w_schema * linked[self.schema == "jaccard"],
            "ngram": self.w_ngram * (0.0 if math.isnan(shared) else shared),
            "format": form,
        }
        facts = dict(zip(self.facts, (match, *linked, *seen.counts), strict=True))
        return Graded(parts, facts, seen.problem or trouble)

    def database(self, row: TextRow) -> Database:
        """The database that a row names.

        Raises DatabaseProblem, DatabaseLocked as `toyrl.graders.sql.database` does.
        """
        named = next((n for n in self.any_of if not is_blank(row.columns.get(n))), "")
        value = row.columns.get(named)
        if not isinstance(value, str | Path):
            there = ", ".join(map(str, row.columns)) or "none"
            named = ", ".join(self.any_of)
            msg = f"the row names no database: give a column {named} (there are {there})"
            raise DatabaseProblem(msg)
        if named == "ddl":
            return with_script(str(value), seconds=max(self.seconds, SECONDS))
        if named == "db_id":
            if not self.folder or re.search(r"[/\\]|^\.", str(value)):
                msg = f"db_id={shortened(value)} is looked up as FOLDER/ID/ID.sqlite: "
                msg += "give folder=..., and a plain name"
                raise DatabaseProblem(msg)
            value = Path(self.folder) / str(value) / f"{value}.sqlite"
        return with_file(value, wait=self.seconds)

    def _run(self, row: TextRow) -> _Seen:
        pred, gold = sql_of(row.completion), row.columns["answer"]
        limits: dict[str, Any] = {"seconds": self.seconds, "rows": self.rows}
        clean = cleaned if self.quotes == "clean" else str
        try:
            database = self.database(row)
            right = database.remembered(clean(gold), **limits)
            found = database.run(clean(pred), **limits)
        except DatabaseLocked as error:
            return _Seen(math.nan, math.nan, (math.nan, math.nan), str(error))
        match = same_rows(found, right, empty=self.empty, beyond=self.beyond)
        problem = f"the query fails: {found.error}" if found.error else ""
        if right.rows is None:
            problem = f"the gold query fails: {right.error}"
        elif not right.rows and self.empty != "equal":
            problem = "the gold query gives no rows"
        return _Seen(match, float(found.began), (found.count, right.count), problem)

    def _dropped(self, seen: _Seen) -> bool:
        """True where the gold query has no row and such items are left out, whatever is said."""
        return self.empty == "drop" and math.isnan(seen.match) and not math.isnan(seen.syntax)

    def _linked(self, gold: str, pred: str) -> tuple[float, float]:
        """Recall and Jaccard of the names."""
        want, found = identifiers(gold), identifiers(pred)
        if want is None or found is None:
            return 0.0, 0.0
        if not want:
            same = float(self.bare == "equal" and not found)
            return same, same
        return recall(want, found), jaccard(want, found)

    def _judged(self, row: TextRow, pred: str, gold: str) -> tuple[float, str]:
        """The judge's number, and what went wrong with it."""
        said = row.columns.get("judge", 0.0)
        if self.judge is not None:
            question, hint = (told(row, n, otherwise=o)
                              for n, o in (("question", row.prompt), ("evidence", "")))  # fmt: skip
            try:
                said = self.judge(question, hint, pred, gold)
            except Exception as error:  # a model's server, whatever it raises: 0 as released
                return 0.0, f"the judge failed: {shortened(str(error))}"
        return judge_number(said, self.judge_read), ""


class _Seen(NamedTuple):
    """match, syntax : 0, 1 or NaN; counts : rows of the query and of the gold one."""

    match: float
    syntax: float
    counts: tuple[float, float]
    problem: str
