"""Addition in a few characters, for character-level models, and toyrl's own problems as traces.

    75 48:         the prompt: 47 + 85, pairs of digits from the ones on
    750>21         STEP: fetch 7, 5 and the carry 0; write 2, carry 1
    481>31
    #### 132       ANSWER

The running value is the digits written so far and the carry behind them, which is the sum of what
has been read with the least significant digit first. Registered as the task `traces:addition`.

Source: paper 26, addition; the short form is ours.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache

from toyrl.messages import shortened
from toyrl.worlds.text.problems import SYMBOLS, Problem, Worked
from toyrl.worlds.text.script import LETTERS, Script, generator
from toyrl.worlds.traces.states import State, Trace, words

STEP = re.compile(r"\d{3}>\d{2}")
ASKED = re.compile(r"\d\d(?: \d\d)*:")


def prompt(problem: Worked) -> str:
    """The problem as its prompt."""
    return f"{' '.join(problem.operations)}:\n"


def problem_of(asked: str) -> Worked:
    """The problem that a prompt of ours states; ValueError for another text."""
    text = asked.strip()
    if ASKED.fullmatch(text) is None:
        msg = f"{shortened(asked)} is no prompt about an addition, such as 75 48: for 47 + 85"
        raise ValueError(msg)
    return _posed(tuple(text[:-1].split(" ")))


def _posed(pairs: tuple[str, ...]) -> Worked:
    values = ["0"]
    for pair in pairs:
        values.append(_read(pair, values[-1]))
    return Worked(len(pairs), "", pairs, tuple(values), _number(values[-1]))


@lru_cache(maxsize=4096)
def make(difficulty: int, seed: int) -> Worked:
    """Two numbers of so many digits, uniform. Raises ValueError for a difficulty below 1."""
    rng = generator(difficulty, seed)
    return _posed(tuple(f"{rng.randrange(100):02d}" for _ in range(difficulty)))


def _read(pair: str, value: str) -> str:
    total = int(pair[0]) + int(pair[1]) + int(value[-1])
    return f"{value[:-1]}{total % 10}{total // 10}"


def _number(value: str) -> str:
    return value[::-1].lstrip("0") or "0"


def _apply(problem: Worked, i: int, value: str) -> str:
    return _read(problem.operations[i], value)


def _line(problem: Worked, i: int, before: str, after: str) -> str:
    return f"{problem.operations[i]}{before[-1]}>{after[-2:]}"


def _slipped(value: str, rng: random.Random) -> str:
    """The last digit or the carry wrong."""
    if len(value) > 1 and rng.random() < 0.5:
        return f"{value[:-2]}{(int(value[-2]) + rng.randint(1, 9)) % 10}{value[-1]}"
    return f"{value[:-1]}{1 - int(value[-1])}"


SCRIPT = Script(
    "traces:addition",
    "0123456789:>" + LETTERS,
    make,
    prompt,
    problem_of,
    _apply,
    _line,
    STEP,
    _slipped,
    _number,
)


def chain_trace(problem: Problem) -> Trace:
    """The trace of an arithmetic problem of toyrl's texts, as dialects with `{trace}` have it."""
    states = [
        State(SYMBOLS[word], words(problem.values[i], operand), words(problem.values[i + 1]))
        for i, (word, operand) in enumerate(problem.operations)
    ]
    return Trace(tuple(states), problem.answer)
