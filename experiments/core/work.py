"""Work, counted instead of timed: the same number on every machine.

One unit is one random number drawn, or one rollout, class or policy entry touched by one update.
`toyrl.experiments.lab` reports what it does by `spend`; `counted()` collects it.

An update costs `UPDATE` units on top, the price of its array calls however small the arrays; a unit
takes about 0.1 microseconds, so that `BUDGET` is about two seconds of one core.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

UPDATE = 2_000
"""Units of an update in Python: about 0.2 ms of array calls."""
COMPILED = 0.1
"""Units of one class in an update of a compiled loop: about 10 ns."""
BUDGET = 20_000_000
"""Most units of one smoke run and of one mutant: about 2 CPU s."""
PAPER_BUDGET = 6 * BUDGET
"""Most units of a paper's smoke run with all its mutants."""


@dataclass
class Tally:
    """units : work so far"""

    units: float = 0.0


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def counted() -> Iterator[Tally]:
    """Collect the work done inside; an outer tally gets it too."""
    outer, own = _tally.get(), Tally()
    token = _tally.set(own)
    try:
        yield own
    finally:
        _tally.reset(token)
        if outer is not None:
            outer.units += own.units


def spend(units: float) -> None:
    """Report work; outside `counted()` nothing happens."""
    tally = _tally.get()
    if tally is not None:
        tally.units += units
