"""A task: how its inputs are drawn, how they are asked, and the program that writes the trace.

Source: paper 26: eight classes of algorithms, 18 tasks, three ranges of length. Five class names
come from a note on the paper, three from memory (`FROM_MEMORY`, unverified); which 18 tasks the
paper took is not known but for addition and knapsack: ours are a choice.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.traces.states import State, Trace, words

CLASSES = (
    *("simulation", "recursion", "iteration", "greedy", "dynamic programming"),
    *("enumeration", "divide and conquer", "backtracking"),
)
FROM_MEMORY = CLASSES[5:]
RANGES = {"S": (2, 5), "M": (6, 9), "L": (10, 14)}
"""Sizes of inputs, both ends included; a task may have others."""
SMALL = {"S": (2, 3), "M": (4, 4), "L": (5, 5)}
"""Sizes of tasks whose traces grow exponentially."""


@dataclass(frozen=True)
class Task:
    """One program.

    kind : of `CLASSES`; draw : (size, rng) -> input, JSON-able; program : input -> trace
    ranges : sizes by S, M, L
    """

    name: str
    kind: str
    draw: Callable[[int, random.Random], dict[str, Any]]
    program: Callable[[Mapping[str, Any]], Trace]
    ranges: Mapping[str, tuple[int, int]]

    @property
    def from_memory(self) -> bool:
        """Whether its class is one of the three that are remembered and not verified."""
        return self.kind in FROM_MEMORY

    def make(self, size: int, seed: int = 0) -> dict[str, Any]:
        """An input of this size, the same for the same seed.

        Raises ValueError for a size below 1.
        """
        if size < 1:
            msg = f"size={shortened(size)} of the task {self.name} must be at least 1"
            raise ValueError(msg)
        return self.draw(size, random.Random(f"{self.name} {size} {seed}"))

    def sample(self, where: str, seed: int = 0) -> dict[str, Any]:
        """An input of the range S, M or L; KeyError for another."""
        low, high = self.ranges[where]
        return self.make(random.Random(seed).randint(low, high), seed)

    def prompt(self, given: Mapping[str, Any]) -> str:
        """The input as a prompt."""
        return f"{self.name} {json.dumps(dict(given), separators=(',', ':'))}\n"

    def trace(self, given: Mapping[str, Any]) -> Trace:
        """The program's trace; ValueError for an input of another form."""
        try:
            return self.program(given)
        except (KeyError, TypeError, IndexError) as error:
            like = json.dumps(self.make(2))
            msg = f"input {shortened(given)} of the task {self.name}: give one such as {like}"
            raise ValueError(msg) from error


def posed(asked: str) -> tuple[str, dict[str, Any]] | None:
    """(task name, input) of a prompt, or None for a text that is none."""
    name, _, rest = asked.strip().partition(" ")
    if not rest.startswith("{"):
        return None
    try:
        given = json.loads(rest)
    except ValueError:
        return None
    return (name, given) if isinstance(given, dict) else None


class Pen:
    """Writes states one by one."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def write(self, op: str, fetch: tuple[Any, ...], out: tuple[Any, ...]) -> None:
        """One more state."""
        self.states.append(State(op, words(*fetch), words(*out)))

    def done(self, answer: Any) -> Trace:
        """The trace with this answer."""
        return Trace(tuple(self.states), words(answer)[0])


def digits(n: int, rng: random.Random, most: int = 9) -> list[int]:
    """n numbers from 0 to `most`."""
    return [rng.randint(0, most) for _ in range(n)]
