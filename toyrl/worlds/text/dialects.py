"""How rendered texts mark their answer, and the gold columns that go with it.

A dialect is one of five names or a mark of one's own: text with `{}` where the answer stands, such
as `Final answer: {}` or `{"answer": "{}"}`. `<think></think>` before it puts the working between
these tags.
"""

from __future__ import annotations

import re
from functools import lru_cache

from toyrl.worlds.text.problems import SYMBOLS, Problem

DIALECTS = ("tag", "boxed", "think_boxed", "gsm8k", "prose")
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
PLACE = "{}"
THINK = "<think></think>"
_THINKING = ("tag", "think_boxed")
_MARKS = {
    "tag": re.compile(r"<answer>(.*?)</answer>", re.DOTALL),
    "boxed": BOXED,
    "think_boxed": BOXED,
    "gsm8k": re.compile(r"^####[ \t]*(.*)$", re.MULTILINE),
    "prose": re.compile(r"[Tt]he answer is[ \t]*([^\n]*?)\.?[ \t]*$", re.MULTILINE),
}
_LOOSE = ".,;! \t"  # what a reader doesn't need behind an answer


def check_dialect(dialect: str) -> None:
    """ValueError for an unknown dialect or a mark that can't be used."""
    if dialect in DIALECTS:
        return
    before, *after = _own(dialect).split(PLACE)
    if len(after) != 1:
        msg = (
            f"dialect={dialect!r} is not one of {', '.join(DIALECTS)}, nor a mark with one {PLACE} "
            f"where the answer stands, such as 'Final answer: {PLACE}'"
        )
        raise ValueError(msg)
    if not before.strip():
        msg = f"dialect={dialect!r} has no text before {PLACE} to find the answer by"
        raise ValueError(msg)


def thinks(dialect: str) -> bool:
    """Whether the working stands between <think> and </think>."""
    return dialect in _THINKING or (dialect not in DIALECTS and dialect.startswith(THINK))


def _own(dialect: str) -> str:
    """The mark alone of a dialect of one's own."""
    return dialect.removeprefix(THINK).lstrip()


@lru_cache(maxsize=64)
def _pattern(dialect: str) -> re.Pattern[str]:
    """What finds marked answers; after a mark that closes itself, more may stand in the line."""
    check_dialect(dialect)
    if dialect in _MARKS:
        return _MARKS[dialect]
    before, after = _own(dialect).split(PLACE)
    start = re.escape(before.rstrip()) + r"[ \t]*(?:\n[ \t]*)?" * (before != before.rstrip())
    closing = after.strip(_LOOSE)
    end = re.escape(after) if closing else rf"(?:{re.escape(after.strip())})?[ \t]*$"
    return re.compile(f"{start}([^\\n]*?){end}", re.MULTILINE)


def columns(problem: Problem, dialect: str) -> dict[str, str]:
    """Gold columns of a data row under the names that graders use.

    `answer`, `ground_truth`, `target` and `label` hold the bare number. `solution` is what
    data sets hold: working and `#### 9` for gsm8k, else `$9$`, as TRL's `accuracy_reward` reads it.
    """
    check_dialect(dialect)
    gold = problem.answer
    solution = f"${gold}$"
    if dialect == "gsm8k":
        lines = [
            step_text(problem, i, problem.values[i], problem.values[i + 1])
            for i in range(problem.difficulty)
        ]
        solution = "\n".join([*lines, f"#### {gold}"])
    return {
        "answer": gold,
        "solution": solution,
        "ground_truth": gold,
        "target": gold,
        "label": gold,
    }


def mark(dialect: str, value: object) -> str:
    """The answer as this dialect marks it."""
    check_dialect(dialect)
    if dialect == "tag":
        return f"<answer>{value}</answer>"
    if dialect in ("boxed", "think_boxed"):
        return f"So the result is \\boxed{{{value}}}."
    if dialect == "gsm8k":
        return f"#### {value}"
    if dialect == "prose":
        return f"The answer is {value}."
    return _own(dialect).replace(PLACE, str(value))


def compose(dialect: str, work: str, answer: str, *, after: str = "", tags: bool = True) -> str:
    """A whole completion; answer : a marked answer, or "" for none; after : between the two."""
    if tags and thinks(dialect):
        work = f"<think>\n{work}\n</think>"
    return "\n".join(part for part in (work, after, answer) if part)


def answers(text: str, dialect: str) -> list[str]:
    """Every marked answer of a text, in order, stripped."""
    return [found.strip() for found in _pattern(dialect).findall(text)]


def working(text: str, dialect: str) -> str:
    """The reasoning alone: without the tags around it, the line of the last answer and what
    follows."""
    if "</think>" in text and thinks(dialect):
        return text.rpartition("</think>")[0].replace("<think>", "").strip()
    found = [m.start() for m in _pattern(dialect).finditer(text)]
    if found:
        text = text[: text.rfind("\n", 0, found[-1]) + 1]
    return text.replace("<think>", "").strip()


def step_text(problem: Problem, i: int, before: int, after: int) -> str:
    """Operation i written out on a running value."""
    word, operand = problem.operations[i]
    return f"Step {i + 1}: {before} {SYMBOLS[word]} {operand} = {after}."
