"""A text of three characters changed by a list of edits, one after another.

bead:rlx       the prompt: reverse, turn left, exchange the first two
r>daeb         STEP: the edit, and the text after it
l>aebd
x>eabd
#### eabd      ANSWER
"""

from __future__ import annotations

import random
import re
from functools import lru_cache

from toyrl.messages import shortened
from toyrl.worlds.text.problems import Worked
from toyrl.worlds.text.script import LETTERS, Script, generator, noted

CHARACTERS = "abcde"
LENGTH = 3
EDITS = "rlxd"
STEP = re.compile(rf"[{EDITS}]>[{CHARACTERS}]{{{LENGTH}}}")


def edit(name: str, text: str) -> str:
    """r reverse; l turn left; x exchange the first two; d make the last like the first."""
    if name == "r":
        return text[::-1]
    if name == "l":
        return text[1:] + text[:1]
    if name == "x":
        return text[1::-1] + text[2:]
    return text[:-1] + text[:1]


def prompt(problem: Worked) -> str:
    """The problem as its prompt."""
    return f"{problem.values[0]}:{''.join(problem.operations)}\n"


def problem_of(asked: str) -> Worked:
    """The problem that a prompt of ours states; ValueError for another text."""
    found = re.fullmatch(rf"([{CHARACTERS}]{{{LENGTH}}}):([{EDITS}]+)", asked.strip())
    if found is None:
        msg = f"{shortened(asked)} is no prompt about edits, such as bed:rlx"
        raise ValueError(msg)
    return _posed(found[1], found[2])


def _posed(start: str, edits: str) -> Worked:
    values = [start]
    for name in edits:
        values.append(edit(name, values[-1]))
    return Worked(len(edits), f"{start}:{edits}", tuple(edits), tuple(values), values[-1])


@lru_cache(maxsize=4096)
def make(difficulty: int, seed: int) -> Worked:
    """So many edits of a text of different characters.

    Raises ValueError for a difficulty below 1.
    """
    rng = generator(difficulty, seed)
    start = "".join(rng.sample(CHARACTERS, LENGTH))
    return _posed(start, "".join(rng.choice(EDITS) for _ in range(difficulty)))


def _apply(problem: Worked, i: int, value: str) -> str:
    return edit(problem.operations[i], value)


def _slipped(value: str, rng: random.Random) -> str:
    """One character is another one."""
    at = rng.randrange(len(value))
    other = rng.choice([c for c in CHARACTERS if c != value[at]])
    return f"{value[:at]}{other}{value[at + 1 :]}"


SCRIPT = Script(
    "edits",
    "".join(dict.fromkeys(f"{CHARACTERS}{EDITS}:>{LETTERS}")),
    make,
    prompt,
    problem_of,
    _apply,
    noted,
    STEP,
    _slipped,
)
