"""Base texts out of a user's log: their right and wrong completions, in their own format.

What contract, hacks and prices are tried on is then what the user's model writes. How these texts
mark their answers is read off the right ones (`toyrl.experiments.validate.formats.own`), else a
known dialect that finds the gold answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from toyrl.experiments.validate.formats.own import of_rollouts
from toyrl.graders.answers import gold_answer, same_answer
from toyrl.graders.base import TextRow
from toyrl.rollouts.logs import Log
from toyrl.worlds.text.dialects import DIALECTS, answers, dialect_of, thinks, working
from toyrl.worlds.text.problems import Problem
from toyrl.worlds.text.render import RenderedRow

FEWEST = 2  # right ones, and wrong ones, that a base needs
ALIKE = 0.8  # of right texts whose answer is read in a layout that they suggest
FOUND = 0.5  # of right texts in which a dialect finds the gold answer
CUT_SHARE = 12  # one base text in so many is a truncated one
WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class OwnTexts:
    """A user's texts as base rows.

    dialect : how they mark answers (`toyrl.worlds.text.dialects`), "" where that wasn't found
    found : share of right complete texts whose answer is read in it; rows : empty where they
        can't be used, and `why` says why not
    """

    dialect: str
    found: float
    rows: tuple[RenderedRow, ...] = ()
    why: str = ""

    def __bool__(self) -> bool:
        return bool(self.rows)


def own_texts(log: Log, n: int, *, limit: int, marks: Sequence[str] = DIALECTS) -> OwnTexts:
    """At most n base rows of a log, right and wrong by turns, over as many prompts as there are.

    marks : the dialects that are tried; with one alone, no other is looked for
    """
    known = [(x, gold) for x in _spread(log) if (gold := whole_gold(x[0])) is not None]
    if not known:
        return OwnTexts("", 0.0, why="no row has a whole number as gold answer")
    right = [(row, gold) for (row, good), gold in known if good and not row.truncated]
    wrong = [(row, gold) for (row, good), gold in known if not good and not row.truncated]
    if len(right) < FEWEST or len(wrong) < FEWEST:
        counts = f"{len(right)} right and {len(wrong)} wrong complete rollouts with a gold answer"
        return OwnTexts("", 0.0, why=f"there are {counts}, and {FEWEST} of each are needed")
    dialect, found = mark_of(right, marks)
    if not dialect:
        return OwnTexts("", found, why="how they mark their answers wasn't found")
    right = [x for x in right if _reads(x, dialect)]
    wrong = [x for x in wrong if not _reads(x, dialect)]
    if min(len(right), len(wrong)) < FEWEST:
        why = f"only {len(right)} right and {len(wrong)} wrong ones are marked as what they are"
        return OwnTexts(dialect, found, why=why)
    cut = [(row, gold) for (row, good), gold in known if not good and row.truncated]
    each = (n - n // CUT_SHARE) // 2
    pairs = zip(right[:each], wrong[:each], strict=False)
    picked = [(x, good) for a, b in pairs for x, good in ((a, True), (b, False))]
    picked += [(x, False) for x in cut[: n - len(picked)][: n // CUT_SHARE]]
    rows = tuple(_rendered(row, gold, good, dialect, limit) for (row, gold), good in picked)
    return OwnTexts(dialect, found, rows)


def _spread(log: Log) -> list[tuple[TextRow, bool]]:
    """(row, right?) of every rollout: the first of each prompt, then the second of each, ..."""
    r = log.rollouts
    at = [(g, b) for b in range(r.shape[0]) for g in range(r.shape[1]) if r.w[b, g] > 0]
    right = [bool(r.correct[b, g] > 0.5) for g, b in at]
    order = sorted(range(len(at)), key=lambda i: at[i])
    return [(log.rows[i], right[i]) for i in order]


def whole_gold(row: TextRow) -> int | None:
    """The row's gold answer, where it is one whole number."""
    try:
        text = gold_answer(row)
    except KeyError:
        return None
    bare = text.replace("$", "").replace(",", "").strip().rstrip(".")
    return int(bare) if WHOLE.fullmatch(bare) and len(bare) <= 60 else None


# -- how answers are marked ------------------------------------------------------------------------
def mark_of(right: Sequence[tuple[TextRow, int]], marks: Sequence[str]) -> tuple[str, float]:
    """(dialect, share of right texts in which it finds the gold answer), ("", best share)."""
    shares = {d: sum(_reads(x, d) for x in right) / len(right) for d in marks}
    work = sum("</think>" in row.completion for row, _ in right) > len(right) / 2
    best = max(shares, key=lambda d: (shares[d], thinks(d) == work))
    for hint in of_rollouts([row for row, _ in right], [1.0] * len(right)) if marks[1:] else ():
        share = sum(_reads(x, hint.template) for x in right) / len(right)
        if share >= ALIKE:
            known = not hint.whole and shares[best] >= share  # and says nothing that it doesn't
            return (best if known else dialect_of(hint.template).name), share
    return (best if shares[best] >= FOUND else ""), shares[best]


def _reads(x: tuple[TextRow, int], dialect: str) -> bool:
    found = answers(x[0].completion, dialect)
    return bool(found) and same_answer(found[-1], str(x[1]))


def _rendered(row: TextRow, gold: int, good: bool, dialect: str, limit: int) -> RenderedRow:
    problem = Problem(1, row.prompt, (), (gold,), str(gold))
    work = working(row.completion, dialect)
    return RenderedRow(row, good, row.truncated, (), dialect, problem, work, limit)
