"""Is a completion's marked answer the gold one? The default meaning of "correct" in a trainer.

An answer is marked as <answer>9</answer>, \\boxed{9}, `#### 9` or "The answer is 9."; the first of
these that a text uses counts, and of several marks the last. Equal means the same number (9 = 9.0
= $9$ = 18/2) or, if one is no number, the same text up to case and spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from toyrl.graders.base import TextRow
from toyrl.rewards.signatures import GOLD, GOLD_SYNONYMS
from toyrl.worlds.text.dialects import BOXED, answers

READ = ("tag", "boxed", "gsm8k", "prose")
NUMBER = re.compile(r"[+-]?(\d{1,60}|\d{1,3}(,\d{3}){1,18})(\.\d{1,60})?(/\d{1,60})?")
TEXT = re.compile(r"\\text\{([^{}]*)\}")


def marked_answer(text: str, mark: str | None = None) -> str | None:
    """The last marked answer of a completion, or None; mark : a dialect to read alone."""
    for dialect in READ if mark is None else (mark,):
        found = answers(text, dialect)
        if found:
            return found[-1]
    return None


def gold_answer(row: TextRow) -> str:
    """The bare gold answer out of the row's gold column; KeyError names the columns otherwise."""
    for name in (*GOLD, *GOLD_SYNONYMS):
        value = row.columns.get(name)
        if value is not None:
            text = str(value)
            inside = BOXED.findall(text)
            return inside[-1] if inside else text.rpartition("####")[2]
    have = ", ".join(row.columns) or "none"
    msg = (
        f"no gold answer: the rows have the columns {have}, and none of {', '.join(GOLD)}; rename "
        "one, or grade with a function of your own"
    )
    raise KeyError(msg)


def same_answer(a: str, b: str) -> bool:
    """Equal as numbers, or as texts up to case, spaces, $ signs and a final full stop."""
    return answer_key(a) == answer_key(b)


def answer_key(text: str) -> Fraction | str:
    """What two answers have alike if and only if they are `same_answer`."""
    bare = _bare(text)
    number = _number(bare)
    return bare.casefold() if number is None else number


def is_correct(row: TextRow, mark: str | None = None) -> float:
    """1.0 if the row's marked answer is the gold one, else 0.0; truncated texts without one are 0.

    mark : a dialect to read alone (`toyrl.worlds.text.dialects`).
    Raises KeyError where the row has no gold column.
    """
    gold, said = gold_answer(row), marked_answer(row.completion, mark)
    return float(said is not None and same_answer(said, gold))


def answer_identities(
    rows: Sequence[TextRow],
    right: Sequence[float],
    mark: str | None = None,
    read: Callable[[str], str | None] | None = None,
) -> list[float]:
    """Which answer each text of one prompt gives: 0 the right one, 1, 2, ... wrong ones in order of
    appearance, -1 none that can be read.

    right : whether each was found right; mark : a dialect to read alone
    read : the answer of a text, None where there is none; in the place of `marked_answer`
    """
    known: dict[object, int] = {}
    out = []
    for row, good in zip(rows, right, strict=True):
        said = marked_answer(row.completion, mark) if read is None else read(row.completion)
        if good > 0:
            out.append(0.0)
        elif said is None:
            out.append(-1.0)
        else:
            out.append(float(known.setdefault(answer_key(said), len(known) + 1)))
    return out


def is_answered(row: TextRow) -> float:
    """1.0 if the completion marks an answer, right or wrong."""
    return float(marked_answer(row.completion) is not None)


def _bare(text: str) -> str:
    text = TEXT.sub(r"\1", text).replace("$", "").strip().rstrip(".").strip()
    return re.sub(r"\s+", " ", text)


def _number(text: str) -> Fraction | None:
    if not NUMBER.fullmatch(text):
        return None
    above, _, below = text.replace(",", "").partition("/")
    divisor = Fraction(below) if below else Fraction(1)
    return Fraction(above) / divisor if divisor else None
