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
from dataclasses import dataclass

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text.dialects import columns, mark
from toyrl.worlds.text.problems import SYMBOLS, Problem, evaluate, make_problem
from toyrl.worlds.text.render import RenderedRow

DIALECT = "gsm8k"
FILLERS = ("so then", "I think", "let see", "go slow")
CHARACTERS = 8
"""Of one action, the end of line (or of text) included, about."""
ALPHABET = "0123456789+-*=# \n" + "".join(sorted({c for text in FILLERS for c in text if c != " "}))
STEP = re.compile(r"(-?\d+)([-+*])(\d+)=(-?\d+)")
WORDS = {sign: word for word, sign in SYMBOLS.items()}


@dataclass(frozen=True)
class Read:
    """What a completion says.

    steps, right_steps : lines of the form a+b=c, and those among them that do the problem's next
        operation on the right running value
    fillers : FILL lines; other : lines that are none of ours
    answer : the last marked answer, or None
    """

    steps: int
    right_steps: int
    fillers: int
    other: int
    answer: str | None


def prompt(problem: Problem) -> str:
    """The problem as its prompt."""
    asked = "".join(f"{SYMBOLS[word]}{operand}" for word, operand in problem.operations)
    return f"{problem.values[0]}{asked}=\n"


def write(problem: Problem, actions: Sequence[str], rng: random.Random, *, slip: int = -1) -> str:
    """The completion of these actions (STEP, FILL, ANSWER).

    slip : the step (0, 1, ...) whose result is wrong, and all later ones with it; -1: none.
    An answer before the last step is the right one, unless a step went wrong.
    """
    value, done, lines = problem.values[0], 0, []
    for action in actions:
        if action == "STEP" and done < problem.difficulty:
            word, operand = problem.operations[done]
            result = evaluate(word, value, operand)
            if done == slip:
                result += rng.choice((-3, -2, -1, 1, 2, 3))
            lines.append(f"{value}{SYMBOLS[word]}{operand}={result}")
            value, done = result, done + 1
        elif action == "ANSWER":
            for word, operand in problem.operations[done:]:
                value = evaluate(word, value, operand)
            lines.append(mark(DIALECT, value))
        else:
            lines.append(rng.choice(FILLERS))
    return "\n".join(lines) + ("" if actions and actions[-1] == "ANSWER" else "\n")


def parse(text: str, problem: Problem) -> Read:
    """Count a completion's lines by kind; any text is allowed."""
    steps = right = fillers = other = 0
    answer = None
    for line in text.splitlines():
        if found := STEP.fullmatch(line.strip()):
            steps += 1
            right += right < problem.difficulty and _is_next(found, problem, right)
        elif line.startswith("####"):
            answer = line[4:].strip()
        elif line.strip() in FILLERS:
            fillers += 1
        else:
            other += bool(line.strip())
    return Read(steps, right, fillers, other, answer)


def _is_next(found: re.Match[str], problem: Problem, i: int) -> bool:
    word, operand = problem.operations[i]
    before, sign, by, after = found.groups()
    wanted = (problem.values[i], SYMBOLS[word], operand, problem.values[i + 1])
    return (int(before), sign, int(by), int(after)) == wanted


def sample(
    problem: Problem,
    rng: random.Random,
    *,
    fill: float = 0.25,
    jump: float = 0.15,
    stop: float = 0.7,
    limit: int = 12,
) -> str:
    """A right completion by a random policy: where pretraining texts and warm-ups come from.

    fill : P(FILL) at each line; jump : P(ANSWER) at each line before the last step is done;
    stop : P(ANSWER) after it, else FILL; limit : lines
    """
    actions, done = [], 0
    while len(actions) < limit:
        u = rng.random()
        solved = done == problem.difficulty
        if u < (stop if solved else jump):
            actions.append("ANSWER")
            break
        if solved or u > 1 - fill:
            actions.append("FILL")
        else:
            actions.append("STEP")
            done += 1
    return write(problem, actions, rng)


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
