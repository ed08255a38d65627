"""Five ways in which rendered texts mark their answer, and the gold columns that go with each."""

from __future__ import annotations

import re

from toyrl.envs.problems import SYMBOLS, Problem

DIALECTS = ("tag", "boxed", "think_boxed", "gsm8k", "prose")
THINKING = ("tag", "think_boxed")
"""Dialects whose working stands between <think> and </think>."""
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
MARKS = {
    "tag": re.compile(r"<answer>(.*?)</answer>", re.DOTALL),
    "boxed": BOXED,
    "think_boxed": BOXED,
    "gsm8k": re.compile(r"^####[ \t]*(.*)$", re.MULTILINE),
    "prose": re.compile(r"[Tt]he answer is[ \t]*([^\n]*?)\.?[ \t]*$", re.MULTILINE),
}


def check_dialect(dialect: str) -> None:
    """ValueError for an unknown dialect."""
    if dialect not in DIALECTS:
        msg = f"dialect={dialect!r} is not one of {', '.join(DIALECTS)}"
        raise ValueError(msg)


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
    return f"#### {value}" if dialect == "gsm8k" else f"The answer is {value}."


def compose(dialect: str, work: str, answer: str, *, after: str = "", tags: bool = True) -> str:
    """A whole completion; answer : a marked answer, or "" for none; after : between the two."""
    if dialect in THINKING and tags:
        work = f"<think>\n{work}\n</think>"
    return "\n".join(part for part in (work, after, answer) if part)


def answers(text: str, dialect: str) -> list[str]:
    """Every marked answer of a text, in order, stripped."""
    check_dialect(dialect)
    return [found.strip() for found in MARKS[dialect].findall(text)]


def step_text(problem: Problem, i: int, before: int, after: int) -> str:
    """Operation i written out on a running value."""
    word, operand = problem.operations[i]
    return f"Step {i + 1}: {before} {SYMBOLS[word]} {operand} = {after}."
