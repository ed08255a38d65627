"""Arithmetic written as a task: what is said of it is to be what is said of the built-in one."""

from __future__ import annotations

from collections.abc import Sequence

from toyrl.worlds.text.dialects import DIALECTS
from toyrl.worlds.text.problems import Problem, make_problem
from toyrl.worlds.text.tasks.base import Asked, Made, Said, gold

PROBLEMS, STEPS = 48, 4
OFF = (-3, -2, -1, 1, 2, 3, 10)
"""What the built-in texts' wrong numbers are off by."""


def asked(problem: Problem) -> Asked:
    work = tuple(f"{word} {operand} comes next." for word, operand in problem.operations)
    return Asked(problem.prompt, gold(problem.answer), work, {"gold": problem.gold})


def right(p: Asked) -> Sequence[Said]:
    return [Said(str(p.facts["gold"])), Said(f"{p.facts['gold']}.0", "decimal")]


def wrong(p: Asked) -> Sequence[Said]:
    g = p.facts["gold"]
    return [
        *(Said(str(g + k)) for k in OFF),
        Said("", "blank", "a mark without an answer", free=True, fix="refuse it"),
    ]


def holds(p: Asked, text: str) -> bool:
    return text.strip().removesuffix(".0") == str(p.facts["gold"])


ARITHMETIC = Made(
    "sums",
    DIALECTS,
    tuple(asked(make_problem(STEPS, i)) for i in range(PROBLEMS)),
    right,
    wrong,
    holds,
)
