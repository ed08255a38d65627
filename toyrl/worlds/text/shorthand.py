"""The chain in a few characters, for character-level models: every action is about eight of them.

    7+5-2=         the prompt: operations on a running value, from left to right
    7+5=12         STEP
    so then        FILL
    12-2=10        STEP
    #### 10        ANSWER

Actions are lines. An answer given before all steps are done is worked out "in the head". What is
written parses back (`parse`); answers are marked as in the dialect gsm8k, so that graders read
them unchanged.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import habits, script
from toyrl.worlds.text.dialects import columns
from toyrl.worlds.text.problems import SYMBOLS, Problem, evaluate, make_problem
from toyrl.worlds.text.render import RenderedRow
from toyrl.worlds.text.script import DIALECT, LETTERS, Read, Script

CHARACTERS = 8
"""Of one action, the end of line (or of text) included, about."""
ALPHABET = "0123456789+-*=" + LETTERS
LARGEST = 10
"""Values stay in 1..10 in the problems that models are trained on: a table that is learnt soon."""
STEP = re.compile(r"(-?\d+)([-+*])(\d+)=(-?\d+)")
WORDS = {sign: word for word, sign in SYMBOLS.items()}


def prompt(problem: Problem) -> str:
    """The problem as its prompt."""
    asked = "".join(f"{SYMBOLS[word]}{operand}" for word, operand in problem.operations)
    return f"{problem.values[0]}{asked}=\n"


def problem_of(asked: str) -> Problem:
    """The problem that a prompt of ours states; ValueError for another text."""
    found = re.fullmatch(r"(\d+)((?:[-+*]\d+)+)=", asked.strip())
    if found is None:
        msg = f"{shortened(asked)} is no prompt in shorthand, such as 7+5-2="
        raise ValueError(msg)
    values = [int(found[1])]
    operations = tuple((WORDS[s], int(n)) for s, n in re.findall(r"([-+*])(\d+)", found[2]))
    for word, operand in operations:
        values.append(evaluate(word, values[-1], operand))
    return Problem(len(operations), asked, operations, tuple(values), str(values[-1]))


def _make(difficulty: int, seed: int) -> Problem:
    return make_problem(difficulty, seed, LARGEST)


def _apply(problem: Problem, i: int, value: int) -> int:
    word, operand = problem.operations[i]
    return evaluate(word, value, operand)


def _line(problem: Problem, i: int, before: int, after: int) -> str:
    word, operand = problem.operations[i]
    return f"{before}{SYMBOLS[word]}{operand}={after}"


def _slipped(value: int, rng: random.Random) -> int:
    return value + rng.choice((-3, -2, -1, 1, 2, 3))


SCRIPT = Script("shorthand", ALPHABET, _make, prompt, problem_of, _apply, _line, STEP, _slipped)


def write(problem: Problem, actions: Sequence[str], rng: random.Random, *, slip: int = -1) -> str:
    """The completion of these actions (STEP, FILL, ANSWER); `script.write` says how.

    slip : the step (0, 1, ...) whose result is wrong, and all later ones with it; -1: none.
    """
    return script.write(SCRIPT, problem, actions, rng, slips={slip})


def parse(text: str, problem: Problem) -> Read:
    """Count a completion's lines by kind; any text is allowed."""
    return script.parse(SCRIPT, text, problem)


def sample(
    problem: Problem,
    rng: random.Random,
    *,
    fill: float = 0.25,
    jump: float = 0.15,
    stop: float = 0.7,
    limit: int = 12,
) -> str:
    """A right completion by a random policy (`Habits`); limit : lines."""
    how = habits.Habits(fill=fill, jump=jump, stop=stop, lines=limit)
    return habits.sample(SCRIPT, problem, rng, how)


def class_rows(
    chain: Chain,
    difficulty: int,
    dialect: str,
    *,
    correct: bool,
    length_actions: int,
    truncated: bool = False,
    renderings: int = 3,
    seed: int = 0,
) -> list[RenderedRow]:
    """Texts of one outcome class; the counterpart of `toyrl.worlds.text.render.class_rows`.

    Lines that are not steps are FILL; a wrong answer follows a slip in a random step, or is off
    by a little where there is no step.

    Raises ValueError for another dialect or actions that it has no line for.
    """
    if dialect != DIALECT or set(chain.actions) - {"STEP", "FILL", "ANSWER"}:
        msg = (
            f"dialect={dialect!r}, actions={chain.actions}: shorthand knows {DIALECT!r} and STEP, "
            "FILL, ANSWER"
        )
        raise ValueError(msg)
    out = []
    for k in range(renderings):
        rng = random.Random(7919 * seed + 31 * k + difficulty)
        problem = make_problem(difficulty, seed + k)
        room = length_actions - (not truncated)
        steps = min(difficulty, room)
        if not correct and steps and rng.random() < 0.5:
            steps -= rng.randrange(steps)
        kinds = ["STEP"] * steps + ["FILL"] * (room - steps)
        rng.shuffle(kinds)
        actions = (*kinds, *(() if truncated else ("ANSWER",)))
        slip = rng.randrange(steps) if not correct and steps else -1
        text = write(problem, actions, rng, slip=slip)
        if not correct and not truncated and str(parse(text, problem).answer) == problem.answer:
            text = text[: text.rindex("#")] + f"# {problem.gold + rng.choice((-2, -1, 1, 2))}"
        row = TextRow(
            prompt(problem),
            text,
            {**columns(problem, DIALECT), "difficulty": difficulty},
            len(text) + (not truncated),
            truncated,
        )
        out.append(RenderedRow(row, correct, truncated, actions, DIALECT, problem, text))
    return out
