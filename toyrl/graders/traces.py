"""A verifier of traces: how far does a completion follow the program, state by state?

    score = states before the first wrong one / states of the program

What stands behind the first wrong state is worth nothing, however right: it could not be derived
from what stands before it. A trace that is whole and goes on (states behind the end) is paid less,
n / (states written). Between states anything else may stand: words, blank lines, the answer.

    ServedReward.of("trace_prefix()", ...)          reads the field `trace_prefix` off the texts
    TraceVerifier().grade(rows)                     the same numbers; data rows name task and input

The input stands in the prompt (`Task.prompt`, or one of toyrl's own arithmetic prompts), or in the
columns `trace_task` and `trace_input`. The program runs again inside: traces in the data are not
trusted.

Source: extends paper 26 (ours: the paper trains on traces and pays none).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toyrl.graders.base import Grader, TextRow
from toyrl.messages import shortened

STATE = re.compile(r"\s*(#\d+ \|.*|\d{3}>\d{2})\s*")
"""A line that is a state, right or wrong: the full form, or addition in a few characters."""
NO_STATE = 0.5
"""Score of a step without a state: neither right nor wrong."""
TASK, INPUT = "trace_task", "trace_input"


def states(text: str) -> list[str]:
    """The lines of a text that are states, up to the white space around and inside them."""
    found = (STATE.fullmatch(line) for line in text.splitlines())
    return [" ".join(m[1].split()) for m in found if m]


def correct_prefix(written: Sequence[str], program: Sequence[str]) -> int:
    """How many states agree before the first that doesn't."""
    n = 0
    while n < min(len(written), len(program)) and written[n] == program[n]:
        n += 1
    return n


def prefix_score(written: Sequence[str], program: Sequence[str]) -> float:
    """Share of the program's states before the first wrong one, in [0, 1]; 1 for the trace alone.

    States behind a whole trace lower it to n / (states written); a program without states pays 1
    where none is written, else 0.
    """
    n, most = correct_prefix(written, program), len(program)
    if n < most:
        return n / most
    return most / len(written) if written else 1.0


def bag_score(written: Sequence[str], program: Sequence[str]) -> float:
    """The rival: share of the program's states that stand anywhere, in [0, 1].

    It pays for states that could not have been derived, and for a trace in any order.
    """
    return len(set(written) & set(program)) / len(set(program)) if program else float(not written)


def program_of(row: TextRow) -> tuple[str, ...] | None:
    """The program's states for a row, or None where the row poses no task.

    Raises ValueError for a column `trace_task` that names no task, or an input that isn't its.
    """
    name = row.columns.get(TASK)
    if name is not None:
        return _asked(str(name), row.columns.get(INPUT))
    from toyrl.worlds.traces.tasks import TASKS, posed

    found = posed(row.prompt)
    if found is not None and found[0] in TASKS:
        return _asked(*found)
    return _arithmetic(row.prompt)


def _asked(name: str, given: Any) -> tuple[str, ...]:
    from toyrl.worlds.traces.tasks import TASKS

    if name not in TASKS:
        msg = f"{TASK}={shortened(name)} is not one of {', '.join(TASKS)}"
        raise ValueError(msg)
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError:
            given = None
    if not isinstance(given, Mapping):
        like = json.dumps(TASKS[name].make(2))
        msg = f"{INPUT} of the task {name} is no JSON object, such as {like}"
        raise ValueError(msg)
    return TASKS[name].trace(given).lines


def _arithmetic(asked: str) -> tuple[str, ...] | None:
    from toyrl.worlds.text.problems import problem_of
    from toyrl.worlds.traces.script import SCRIPT, chain_trace

    problem = problem_of(asked.strip())
    if problem is not None:
        # Such a text ends with its answer: no state halts.
        return tuple(s.line(i, halts=False) for i, s in enumerate(chain_trace(problem).states))
    try:
        own = SCRIPT.problem_of(asked)
    except ValueError:
        return None
    return tuple(
        SCRIPT.line(own, i, own.values[i], own.values[i + 1]) for i in range(own.difficulty)
    )


def trace_prefix(row: TextRow) -> float:
    """The field `trace_prefix`, NaN for a row that poses no task."""
    program = program_of(row)
    return math.nan if program is None else prefix_score(states(row.completion), program)


def trace_states(row: TextRow) -> float:
    """The field `trace_states`: how many states the program has; NaN for a row without a task."""
    program = program_of(row)
    return math.nan if program is None else float(len(program))


class TraceVerifier(Grader):
    """The share of the longest correct prefix of states; NaN for a row that poses no task.

    bag : the rival, states in any place (for comparison)
    """

    name = "traces"
    field_name = "trace_prefix"

    def __init__(self, *, bag: bool = False) -> None:
        self._score = bag_score if bag else prefix_score

    def grade(self, rows: Sequence[TextRow]) -> list[float]:
        """One share in [0, 1] per row, NaN where the row poses no task."""
        out = []
        for row in rows:
            program = program_of(row)
            out.append(
                math.nan if program is None else self._score(states(row.completion), program)
            )
        return out


def trace_reward(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
    """A reward function as TRL calls it: the prefix's share, plus 1 for the right answer.

    prompts, completions : texts or chat messages; columns : the data's, a list each

    A completion that poses no task gets the answer's part alone.
    """
    from toyrl.graders.answers import is_correct
    from toyrl.serving import text_rows

    out, rows = [], text_rows(prompts, completions, columns)
    for row, share in zip(rows, TraceVerifier().grade(rows), strict=True):
        try:
            right = is_correct(row)
        except KeyError:
            right = 0.0  # the data has no gold answer
        out.append(right + (0.0 if math.isnan(share) else share))
    return out


def step_scores(
    steps: Sequence[str], prompt: str, trace_task: Any = None, trace_input: Any = None
) -> list[float]:
    """A scorer of steps (`--process`): 1 for each state up to the first wrong one, then 0.

    Lines that are no state have 0.5: `prefix_steps` neither pays them nor stops there. Rows that
    pose no task have no score (NaN).
    """
    columns = {TASK: trace_task, INPUT: trace_input}
    program = program_of(TextRow(prompt, "", columns))
    out, n, good = [], 0, 1.0
    for step in steps:
        found = states(step)
        for line in found:
            right = program is not None and n < len(program) and line == program[n]
            good, n = good * right, n + 1
        out.append(math.nan if program is None else good if found else NO_STATE)
    return out
