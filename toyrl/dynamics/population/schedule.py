"""Which comes next, a chunk of exploring or one of exploiting.

A schedule has `choose(available)` and `learn(gain)`; `gain` says by how many the emitters in
waiting and at work have changed over the chunk, None where exploiting had nothing to do.

Source: paper 24, code STAX/core/schedulers/, STAX/core/searcher.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

EXPLORE, EXPLOIT = "explore", "exploit"


def upper_confidence(value: float, pulls: int, total: int, c: float = 1.0) -> float:
    """Q + c sqrt(ln t / n) of an arm pulled n of t times; inf before its first pull."""
    return value + c * math.sqrt(math.log(total) / pulls) if pulls else math.inf


@dataclass
class Exploration:
    """Always exploring: novelty search."""

    def choose(self, available: bool) -> str:
        """ "explore"."""
        return EXPLORE

    def learn(self, change: int | None) -> None:
        """Nothing."""


@dataclass
class Alternate:
    """SERENE's: one chunk each in turn; exploring while nothing rewarding is known."""

    last: str = EXPLOIT

    def choose(self, available: bool) -> str:
        """ "explore" or "exploit"."""
        self.last = EXPLOIT if self.last == EXPLORE and available else EXPLORE
        return self.last

    def learn(self, change: int | None) -> None:
        """Nothing."""


@dataclass
class Confidence:
    """STAX's bandit of two arms, by upper confidence bounds.

    Exploring is paid -tanh(new emitters): what it finds should be looked at now. Exploiting is paid
    tanh(change in emitters), which is negative while it uses them up and -1 with none there.

    c : width of the bound; step : of the running values, None: 1/n, the mean
    """

    c: float = 1.0
    step: float | None = None
    value: dict[str, float] = field(default_factory=lambda: {EXPLORE: 0.0, EXPLOIT: 0.0})
    pulls: dict[str, int] = field(default_factory=lambda: {EXPLORE: 0, EXPLOIT: 0})
    last: str = EXPLORE

    def choose(self, available: bool) -> str:
        """The arm of the larger bound; "explore" while no emitter is there."""
        total = sum(self.pulls.values())
        bound = {arm: upper_confidence(self.value[arm], self.pulls[arm], total, self.c)
                 for arm in (EXPLORE, EXPLOIT)}  # fmt: skip
        self.last = EXPLOIT if available and bound[EXPLOIT] > bound[EXPLORE] else EXPLORE
        return self.last

    def learn(self, change: int | None) -> None:
        """Pay the arm that was chosen."""
        gain = -1.0 if change is None else math.tanh(change)
        arm = self.last
        self.pulls[arm] += 1
        step = 1 / self.pulls[arm] if self.step is None else self.step
        self.value[arm] += step * ((-gain if arm == EXPLORE else gain) - self.value[arm])
