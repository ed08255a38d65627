"""Closing brackets: what must follow a text of open and closed brackets, worked with a stack.

([{}?          the prompt
(>(            STEP: the bracket read, and what is open after it
[>([
{>([{
}>([
#### ])        ANSWER: what closes all that is open
"""

from __future__ import annotations

import random
import re
from functools import lru_cache

from toyrl.messages import shortened
from toyrl.worlds.text.problems import Worked
from toyrl.worlds.text.script import LETTERS, Script, generator, noted

PAIRS = {"(": ")", "[": "]", "{": "}"}
OPENS = {close: open_ for open_, close in PAIRS.items()}
DEEPEST = 4
STEP = re.compile(r"[\[\](){}]>[\[({]*")


def prompt(problem: Worked) -> str:
    """The problem as its prompt."""
    return f"{''.join(problem.operations)}?\n"


def problem_of(asked: str) -> Worked:
    """The problem that a prompt of ours states; ValueError for another text."""
    text = asked.strip()
    if not re.fullmatch(r"[\[\](){}]+\?", text) or (made := _posed(text[:-1])) is None:
        msg = f"{shortened(asked)} is no prompt about brackets that can be closed, such as ([{{}}?"
        raise ValueError(msg)
    return made


def _posed(text: str) -> Worked | None:
    values = [""]
    for sign in text:
        if sign in OPENS and values[-1][-1:] != OPENS[sign]:
            return None
        values.append(_read(values[-1], sign))
    answer = _closing(values[-1])
    return Worked(len(text), f"{text}?", tuple(text), tuple(values), answer) if answer else None


@lru_cache(maxsize=4096)
def make(difficulty: int, seed: int) -> Worked:
    """A text of so many brackets, of which one to four are open at the end.

    Raises ValueError for a difficulty below 1.
    """
    rng = generator(difficulty, seed)
    while True:
        signs, stack = [], ""
        for _ in range(difficulty):
            closes = stack and (len(stack) == DEEPEST or rng.random() < 0.4)
            signs.append(PAIRS[stack[-1]] if closes else rng.choice(tuple(PAIRS)))
            stack = _read(stack, signs[-1])
        if stack and (made := _posed("".join(signs))) is not None:
            return made


def _read(stack: str, sign: str) -> str:
    """What is open after one more sign; one that doesn't fit is passed over."""
    if sign in PAIRS:
        return stack + sign
    return stack[:-1] if stack[-1:] == OPENS[sign] else stack


def _closing(stack: str) -> str:
    return "".join(PAIRS[sign] for sign in reversed(stack))


def _apply(problem: Worked, i: int, value: str) -> str:
    return _read(value, problem.operations[i])


def _slipped(value: str, rng: random.Random) -> str:
    """One bracket lost, added, or of another kind."""
    other = [value[:-1], value + rng.choice(tuple(PAIRS))] if value else [rng.choice(tuple(PAIRS))]
    if value:
        other.append(value[:-1] + rng.choice([sign for sign in PAIRS if sign != value[-1]]))
    return rng.choice(other)


SCRIPT = Script(
    "brackets",
    "()[]{}?>" + LETTERS,
    make,
    prompt,
    problem_of,
    _apply,
    noted,
    STEP,
    _slipped,
    _closing,
)
