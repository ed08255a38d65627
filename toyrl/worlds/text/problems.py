"""Arithmetic prompts for the chain: d operations on a running number, all values in 1..99.

Start with 7. Add 5. Subtract 2. Multiply by 3. What is the result?
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from toyrl.ranges import COUNT, Range, checked

LARGEST = 99
SMALLEST = 4
SYMBOLS = {"Add": "+", "Subtract": "-", "Multiply by": "*"}


@dataclass(frozen=True)
class Problem:
    """One prompt.

    difficulty : number of operations
    operations : (word, operand) of each
    values : the d + 1 exact running values, the start included
    answer : the last value, as text
    """

    difficulty: int
    prompt: str
    operations: tuple[tuple[str, int], ...]
    values: tuple[int, ...]
    answer: str

    @property
    def gold(self) -> int:
        """The answer as a number."""
        return self.values[-1]


@dataclass(frozen=True)
class Worked:
    """A prompt whose running value is a text.

    difficulty : number of operations, each one character; values : the d + 1 texts, the start
    included; answer : the right answer
    """

    difficulty: int
    prompt: str
    operations: tuple[str, ...]
    values: tuple[str, ...]
    answer: str


def evaluate(word: str, value: int, operand: int) -> int:
    """One operation."""
    if word == "Add":
        return value + operand
    return value - operand if word == "Subtract" else value * operand


@lru_cache(maxsize=4096)
@checked
def make_problem(
    difficulty: Annotated[int, COUNT],
    seed: int,
    largest: Annotated[int, Range(f"[{SMALLEST}, inf)", whole=True)] = LARGEST,
) -> Problem:
    """The problem of this difficulty (>= 1 operations) and seed, with all values in 1..largest.

    Raises ValueError for a difficulty or a largest value too small to make a problem.
    """
    rng = random.Random(1009 * seed + difficulty)
    values = [rng.randint(2, min(20, largest))]
    operations = []
    for _ in range(difficulty):
        word, operand = _operation(values[-1], rng, largest)
        operations.append((word, operand))
        values.append(evaluate(word, values[-1], operand))
    asked = " ".join(f"{word} {operand}." for word, operand in operations)
    return Problem(
        difficulty,
        f"Start with {values[0]}. {asked} What is the result?",
        tuple(operations),
        tuple(values),
        str(values[-1]),
    )


def _operation(value: int, rng: random.Random, largest: int) -> tuple[str, int]:
    """A random operation that keeps the value in 1..largest."""
    allowed = []
    if value + 2 <= largest:
        allowed.append(("Add", rng.randint(2, min(12, largest - value))))
    if value > 2:
        allowed.append(("Subtract", rng.randint(1, min(12, value - 1))))
    if 2 * value <= largest:
        allowed.append(("Multiply by", rng.randint(2, min(4, largest // value))))
    return rng.choice(allowed)


@lru_cache(maxsize=4096)
def problem_of(asked: str) -> Problem | None:
    """The problem that a prompt of ours states, or None for another text."""
    words = "|".join(SYMBOLS)
    found = re.fullmatch(
        rf"Start with (\d+)\. ((?:(?:{words}) \d+\. )+)What is the result\?", asked
    )
    if found is None:
        return None
    steps = re.findall(rf"({words}) (\d+)\.", found[2])
    operations = tuple((word, int(operand)) for word, operand in steps)
    values = [int(found[1])]
    for word, operand in operations:
        values.append(evaluate(word, values[-1], operand))
    return Problem(len(operations), asked, operations, tuple(values), str(values[-1]))
