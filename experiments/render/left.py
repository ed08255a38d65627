"""How much of a work of many pieces is done, and how long the rest may take, in words."""

from __future__ import annotations

import time
from collections.abc import Callable

AGAIN = 10.0
"""Seconds between two lines in a pipe, which nobody watches all the time."""


def duration(seconds: float) -> str:
    """A time to wait, to about a tenth: 8 s, 40 s, 5 min, 1 h 20 min."""
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 100:
        return f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class Left:
    """Says share and time left of one work, whose pieces take about as long as each other.

    clock : seconds, for tests
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.start = self.last = clock()
        self.begun = 0.0

    def begin(self, done: float = 0.0) -> None:
        """A new work, of which `done` is there already and says nothing of the pace."""
        self.start = self.last = self.clock()
        self.begun = done

    def words(self, done: float, total: float, unit: str = "") -> str:
        """Such as "64 of 256 worlds (25%), about 20 s left"; no time before the first piece."""
        said = f"{done:,.0f} of {total:,.0f}{' ' * bool(unit)}{unit} ({done / max(total, 1):.0%})"
        took = self.clock() - self.start
        if not 0 < done < total or done <= self.begun or took <= 0:
            return said
        return f"{said}, about {duration(took * (total - done) / (done - self.begun))} left"

    def due(self) -> bool:
        """Whether AGAIN seconds have gone since the last time that this was true."""
        if self.clock() - self.last < AGAIN:
            return False
        self.last = self.clock()
        return True
