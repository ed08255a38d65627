"""Laws of traces, of tables learned from them, and of their verifiers.

Each returns nothing where the law holds and one sentence where it does not.

    from toyrl.testing.laws.traces import verifier_is_strict
    assert verifier_is_strict(my_score, trace) is None

Source: paper 26, invariants of the specification; derived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.worlds.traces.addition import Addition
from toyrl.worlds.traces.learners import TableLearner
from toyrl.worlds.traces.machine import Run, replayed
from toyrl.worlds.traces.states import Trace, corruptions

Score = Callable[[Sequence[str], Sequence[str]], float]
"""(states written, the program's states) -> a share in [0, 1]."""


def run_is_its_trace(run: Run, tape: Sequence[str], *, q0: str, blank: str = "_") -> str | None:
    """Rows replayed from the first tape end where the run ended, one row a step.

    Each row's symbol is what was last written there; states chain; the head moves by D.
    """
    try:
        again = replayed(tape, run.trace, q0=q0, blank=blank)
    except ValueError as error:
        return str(error)
    if (again.tape, again.first, again.head, again.state) != (
        run.tape, run.first, run.head, run.state,
    ):  # fmt: skip
        return f"the rows lead to {again.tape} in {again.state!r}, the run to {run.tape}"
    return None if run.steps == len(run.trace) else f"{run.steps} steps but {len(run.trace)} rows"


def states_add_up(found: Addition, a: Sequence[int], b: Sequence[int], base: int) -> str | None:
    """digit + base * carry_out is the sum fetched, carries chain, and the result is a + b."""
    carry = 0
    for i, x, y, c, digit, out in found.atomic_states:
        if digit + base * out != x + y + c or c != carry:
            return (
                f"state {i} fetched {(x, y, c)} and wrote {(digit, out)} after a carry of {carry}"
            )
        carry = out
    numbers = [sum(d * base**i for i, d in enumerate(v)) for v in (a, b, found.result)]
    if numbers[0] + numbers[1] != numbers[2]:
        return f"{numbers[0]} + {numbers[1]} came out as {numbers[2]}"
    most = max(len(a), len(b))
    return None if found.n_atomic == most else f"{found.n_atomic} states for {most} digits"


def verifier_is_strict(score: Score, trace: Trace) -> str | None:
    """In [0, 1]; 1 for the program's trace alone; every corruption of it is paid less."""
    own = list(trace.lines)
    if score(own, own) != 1:
        return f"the program's own trace is paid {score(own, own):g}"
    for what, lines in corruptions(trace):
        paid = score(list(lines), own)
        if not 0 <= paid < 1:
            return f"{what}: paid {paid:g}"
    return None


def nothing_behind_an_error(score: Score, trace: Trace) -> str | None:
    """Whatever follows the first wrong state leaves the score as it is."""
    own = list(trace.lines)
    for i in range(len(own)):
        cut, whole = [*own[:i], "#wrong"], [*own[:i], "#wrong", *own[i + 1 :]]
        if score(cut, own) != score(whole, own):
            return f"right states behind a wrong one at {i} are paid"
    return None


def table_forgets_nothing(learner: TableLearner, a: Any, b: Any, test: tuple[Any, Any]
                          ) -> str | None:  # fmt: skip
    """More examples never lower success, and their order doesn't matter.

    a, b : (N, L) digits to learn from; test : two (M, n) of digits
    """
    n = len(a) // 2
    half, full = learner.fit(a[:n], b[:n]), learner.fit(a, b)
    other = learner.fit(a[::-1], b[::-1])
    before, after, turned = (t.success(*test) for t in (half, full, other))
    if (before & ~after).any():
        return "an addition came out right before more examples were seen, and not after"
    return None if np.array_equal(after, turned) else "another order of examples gave another table"
