"""Random policies that write completions of a script: where pretraining texts come from.

What a policy does by habit decides how a reward acts on the model that learnt from it: re-checks
after the first solution can be cut at no loss, answers before the last step are what length
repairs, runaways are long and wrong, a missing mark costs right answers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.ranges import COUNT, Range, check_fields
from toyrl.worlds.text.script import DIALECT, Script, mark, write

P = Range("[0, 1]")


@dataclass(frozen=True)
class Habits:
    """How a random policy writes; all but `rounds` and `lines` are probabilities.

    fill : of a filler at each line before the last step is done
    jump : of the answer at each line before the last step is done
    stop : of the answer at each line after it, else a filler
    recheck : of a re-check at each line after the last step; doubt : more of it after a slip
    mend : that a re-check finds the first slip and mends it
    anew : that a re-check begins at the first step, not at a random one or the slip
    slip : of a wrong result, at each step
    guess : that nothing but an answer is written, with some operations left out
    unmarked : that the answer has no mark
    runaway : that the text goes on re-checking a slip for two to three times the usual lines
    rounds : at most so many re-checks, runaways apart
    lines : at most so many actions; a text that has no answer by then ends without one

    Raises ValueError for a number out of its range.
    """

    fill: Annotated[float, P] = 0.25
    jump: Annotated[float, P] = 0.15
    stop: Annotated[float, P] = 0.7
    recheck: Annotated[float, P] = 0.0
    doubt: Annotated[float, P] = 0.0
    mend: Annotated[float, P] = 0.0
    anew: Annotated[float, P] = 0.0
    slip: Annotated[float, P] = 0.0
    guess: Annotated[float, P] = 0.0
    unmarked: Annotated[float, P] = 0.0
    runaway: Annotated[float, P] = 0.0
    rounds: Annotated[int, COUNT] = 2
    lines: Annotated[int, COUNT] = 12

    def __post_init__(self) -> None:
        check_fields(self)


def sample(script: Script, problem: Any, rng: random.Random, habits: Habits) -> str:
    """One completion by these habits. A habit of probability 0 draws no number."""
    marked = not _chance(habits.unmarked, rng)
    if _chance(habits.guess, rng):
        return _guess(script, problem, rng, marked)
    if _chance(habits.runaway, rng):
        return _runaway(script, problem, rng, habits.anew, marked)
    slips = {i for i in range(problem.difficulty) if _chance(habits.slip, rng)}
    actions = _actions(problem.difficulty, rng, habits, bool(slips))
    return write(
        script,
        problem,
        actions,
        rng,
        slips=slips,
        mend=habits.mend,
        anew=habits.anew,
        marked=marked,
    )


def _chance(p: float, rng: random.Random) -> bool:
    return p > 0 and rng.random() < p


def _actions(difficulty: int, rng: random.Random, habits: Habits, slipped: bool) -> list[str]:
    actions, done = [], 0
    again = habits.recheck + habits.doubt * slipped
    while len(actions) < habits.lines:
        solved = done == difficulty
        if solved and actions.count("RECHECK") < habits.rounds and _chance(again, rng):
            actions.append("RECHECK")
            continue
        u = rng.random()
        if u < (habits.stop if solved else habits.jump):
            actions.append("ANSWER")
            break
        if solved or u > 1 - habits.fill:
            actions.append("FILL")
        else:
            actions.append("STEP")
            done += 1
    return actions


def _guess(script: Script, problem: Any, rng: random.Random, marked: bool) -> str:
    """An answer alone: each operation is done or forgotten at even odds."""
    value = problem.values[0]
    for i in range(problem.difficulty):
        if rng.random() < 0.5:
            value = script.apply(problem, i, value)
    said = script.said(value)
    return mark(DIALECT, said) if marked else f"so {said}"


def _runaway(script: Script, problem: Any, rng: random.Random, anew: float, marked: bool) -> str:
    """All steps with a slip, then re-checks and fillers in turn; one in three never answers."""
    d = problem.difficulty
    actions = ["STEP"] * d + ["RECHECK", "FILL", "FILL"] * rng.randint(1, 2)
    if not anew:
        actions += ["RECHECK", "FILL"]
    if rng.random() < 2 / 3:
        actions.append("ANSWER")
    slips = {rng.randrange(d)}
    return write(script, problem, actions, rng, slips=slips, anew=anew, marked=marked)
