"""Tasks worked line by line in a few characters: one protocol, one writer, one reader.

A problem is a start, operations, and the value after each. A completion is lines: a step (one
operation on the running value), a filler, a re-check, at last the answer. What is written parses
back; an answer is marked as in the dialect gsm8k, so that graders read it unchanged. What a task
adds is a `Script`: how its problems are made, asked and carried on. `SCRIPTS` (`scripts.py`) has
them all, `habits.py` the random policies that write.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from toyrl.worlds.text.dialects import mark

DIALECT = "gsm8k"
FILLERS = ("so then", "I think", "let see", "go slow")
RECHECK = "look"
UNMARKED = "so "
"""What stands before an answer that isn't marked."""
LETTERS = "# \n" + "".join(sorted({c for text in (*FILLERS, RECHECK) for c in text if c != " "}))
"""Characters of the lines that all tasks share."""


class Posed(Protocol):
    """A problem: difficulty (number of operations), d + 1 values (the start first), answer."""

    @property
    def difficulty(self) -> int:
        """Number of operations."""
        ...

    @property
    def values(self) -> Sequence[Any]:
        """The value before the first operation and after each."""
        ...

    @property
    def answer(self) -> str:
        """The right answer as text."""
        ...


def generator(difficulty: int, seed: int) -> random.Random:
    """What a problem of that difficulty is drawn from; ValueError for a difficulty below 1."""
    if difficulty < 1:
        msg = f"difficulty={difficulty} must be at least 1"
        raise ValueError(msg)
    return random.Random(1009 * seed + difficulty)


@dataclass(frozen=True)
class Script:
    """One task's own part.

    alphabet : characters of prompts and completions, those of `LETTERS` included
    make : (difficulty, seed) -> problem
    prompt : problem -> text; problem_of : the way back, ValueError for another text
    apply : (problem, i, value) -> value after operation i, for any value that can come up
    line : (problem, i, before, after) -> the step as text; step : what every such line looks like
    slipped : (value, rng) -> a wrong value near the right one
    said : value -> the answer as text
    """

    name: str
    alphabet: str
    make: Callable[[int, int], Any]
    prompt: Callable[[Any], str]
    problem_of: Callable[[str], Any]
    apply: Callable[[Any, int, Any], Any]
    line: Callable[[Any, int, Any, Any], str]
    step: re.Pattern[str]
    slipped: Callable[[Any, random.Random], Any]
    said: Callable[[Any], str] = str


def noted(problem: Any, i: int, _: str, after: str) -> str:
    """A step as `operation>value after it`, for operations of one character."""
    return f"{problem.operations[i]}>{after}"


@dataclass(frozen=True)
class Read:
    """What a completion says.

    steps, right_steps : lines that look like steps, and those among them that do the problem's
        next operation on the right running value
    fillers : filler and re-check lines; other : lines that are none of ours
    answer : the last marked answer, or None
    solved : characters up to the end of the line that completes the steps, all of them right, or
        None where none does
    """

    steps: int
    right_steps: int
    fillers: int
    other: int
    answer: str | None
    solved: int | None = None


def write(
    script: Script,
    problem: Any,
    actions: Sequence[str],
    rng: random.Random,
    *,
    slips: Container[int] = (),
    mend: float = 0.0,
    anew: float = 0.0,
    marked: bool = True,
) -> str:
    """The completion of these actions (STEP, FILL, RECHECK, ANSWER).

    slips : the steps (0, 1, ...) whose result is wrong, and all later ones with it
    mend : P(a re-check redoes the steps rightly from the first slip on); otherwise it repeats
        some last steps as they stand; anew : P(it begins at the first step, whichever it does)
    marked : False leaves out the answer's mark
    An answer before the last step is worked out "in the head": right, unless a step went wrong.
    """
    values, lines = [problem.values[0]], []
    for action in actions:
        done = len(values) - 1
        if action == "STEP" and done < problem.difficulty:
            after = script.apply(problem, done, values[-1])
            values.append(script.slipped(after, rng) if done in slips else after)
            lines.append(script.line(problem, done, values[-2], values[-1]))
        elif action == "RECHECK" and done:
            lines += [RECHECK, *_again(script, problem, values, rng, mend, anew)]
        elif action == "ANSWER":
            value = values[-1]
            for i in range(done, problem.difficulty):
                value = script.apply(problem, i, value)
            said = script.said(value)
            lines.append(mark(DIALECT, said) if marked else f"{UNMARKED}{said}")
        else:
            lines.append(rng.choice(FILLERS))
    return "\n".join(lines) + ("" if actions and actions[-1] == "ANSWER" else "\n")


def _again(
    script: Script, problem: Any, values: list[Any], rng: random.Random, mend: float, anew: float
) -> list[str]:
    """Lines of a re-check; changes the running values where it mends a slip."""
    done = len(values) - 1
    first = next((i for i in range(done) if values[i + 1] != problem.values[i + 1]), None)
    if first is not None and mend and rng.random() < mend:
        values[first + 1 :] = problem.values[first + 1 : done + 1]
        start = first
    else:
        start = rng.randrange(done)
    if anew and rng.random() < anew:
        start = 0
    return [script.line(problem, i, values[i], values[i + 1]) for i in range(start, done)]


def parse(script: Script, text: str, problem: Any) -> Read:
    """Count a completion's lines by kind; any text is allowed."""
    steps = right = fillers = other = at = 0
    answer = solved = None
    for whole in text.splitlines(keepends=True):
        line, at = whole.strip(), at + len(whole)
        if script.step.fullmatch(line):
            steps += 1
            if right < problem.difficulty and line == script.line(
                problem, right, problem.values[right], problem.values[right + 1]
            ):
                right += 1
                solved = at if right == problem.difficulty else None
        elif whole.startswith("####"):
            answer = line[4:].strip()
        elif line in FILLERS or line == RECHECK:
            fillers += 1
        else:
            other += bool(line)
    return Read(steps, right, fillers, other, answer, solved)
