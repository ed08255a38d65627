"""Laws of rewards for SQL, for your own database and queries.

broken_sql_laws(parse_grader("reasoning_sql()"), ddl, gold, queries)     # [] where all hold
same_meaning(reward, ddl, gold, query, other_spelling_of_it)
"""

from __future__ import annotations

from collections.abc import Sequence

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded
from toyrl.graders.sql.query import ReasoningSql
from toyrl.messages import shortened

SQL_LAWS = (
    "the gold query has every part in full",
    "a right query runs",
    "Jaccard is at most recall",
    "nothing is paid beyond its weight",
    "the judge is not paid for right rows",
    "no wrong query is above a right one",
)
"""The last is asked where the weights guarantee it: w_execution >= w_judge + w_schema + w_ngram."""


def broken_sql_laws(
    reward: ReasoningSql, ddl: str, gold: str, queries: Sequence[str]
) -> list[str]:  # fmt: skip
    """A sentence for each law of `SQL_LAWS` that a query breaks; the gold query has to give rows.

    ddl : script that makes the database

    Raises DatabaseProblem for a script that fails.
    """
    found = [_graded(reward, ddl, gold, q) for q in (gold, *queries)]
    ideal = {"execution": reward.w_execution, "judge": 0.0, "syntax": reward.w_syntax,
             "schema": reward.w_schema, "ngram": reward.w_ngram}  # fmt: skip
    tops = {**ideal, "judge": reward.w_judge}
    first, out = found[0], []
    if any(abs(first.parts[k] - v) > 1e-12 for k, v in ideal.items()):
        out.append(f"{SQL_LAWS[0]}: it has {dict(first.parts)}")
    for text, one in zip((gold, *queries), found, strict=True):
        right, facts = one.facts["execution_match"] == 1, one.facts
        broken = (
            False,
            right and one.parts["syntax"] != reward.w_syntax,
            facts["schema_jaccard"] > facts["schema_recall"],
            any(not -1e-12 <= one.parts[k] <= v + 1e-12 for k, v in tops.items()),
            right and one.parts["judge"] != 0,
        )
        out += [f"{SQL_LAWS[i]}: {shortened(text)}" for i, bad in enumerate(broken) if bad]
    return out + _disordered(reward, (gold, *queries), found)


def same_meaning(
    reward: ReasoningSql, ddl: str, gold: str, first: str, second: str, *, reordered: bool = False
) -> str | None:
    """Two spellings of a query (spaces, aliases) are paid alike; None, or a sentence.

    reordered : their conditions stand in another order: n-grams may differ, rows and names may not

    Raises DatabaseProblem for a script that fails.
    """
    names = ["execution", "syntax", "schema"] + ["ngram"] * (not reordered)
    here, there = (_graded(reward, ddl, gold, q).parts for q in (first, second))
    moved = [n for n in names if here[n] != there[n]]
    said = ", ".join(f"{n} {here[n]:g} and {there[n]:g}" for n in moved)
    return f"{shortened(first)} and {shortened(second)} are paid {said}" if moved else None


def _graded(reward: ReasoningSql, ddl: str, gold: str, text: str) -> Graded:
    return reward.graded(TextRow("", text, {"answer": gold, "ddl": ddl}))


def _disordered(reward: ReasoningSql, texts: Sequence[str], found: Sequence[Graded]) -> list[str]:
    if reward.w_execution < reward.w_judge + reward.w_schema + reward.w_ngram:
        return []
    paid = [(sum(v for k, v in f.parts.items() if k != "format"), t) for f, t in
            zip(found, texts, strict=True)]  # fmt: skip
    right = [p for p, f in zip(paid, found, strict=True) if f.facts["execution_match"] == 1]
    wrong = [p for p, f in zip(paid, found, strict=True) if f.facts["execution_match"] == 0]
    if not (right and wrong) or max(wrong)[0] <= min(right)[0] + 1e-12:
        return []
    return [f"{SQL_LAWS[5]}: {shortened(max(wrong)[1])} is, above {shortened(min(right)[1])}"]
