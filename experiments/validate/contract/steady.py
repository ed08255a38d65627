"""Do equal calls give equal values: at once, after many calls, seconds later, in a new interpreter?

A change has a cause that is found by trying: a fresh interpreter forgets earlier calls, a fixed
hash seed makes two interpreters alike, and what moves while nothing is called moves by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from toyrl.experiments.validate.contract import findings as say
from toyrl.experiments.validate.contract.facts import (
    CALLS,
    CHANCE,
    CLOCK,
    HASH_SEED,
    Contract,
    First,
)
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.live import LiveBox
from toyrl.rewards.terms import TextTerm, Value, same
from toyrl.rewards.user import UserReward

SLOW_IMPORT = 3.0  # seconds; a module slower than this is not imported again
IDLE = 1.1  # seconds without a call; more than one, for clocks that are read in whole seconds
APART = 2.0  # seconds that lie at least between the first grading and the last
STEPS = 5.0  # times as far as from one call to the next, from where a move is the clock's
TRIES = 4  # calls in a row, of which the quickest tells how far one moves the values
EVEN = 3.0  # a clock moves values at rates within this factor


@dataclass(frozen=True)
class Repeats:
    """Why equal calls give different values (a cause of `facts`), "" where they don't.

    untried : why a second interpreter was not tried, or ""
    hourly : how far the clock moves a value in an hour, weight included
    """

    cause: str = ""
    untried: str = ""
    hourly: float = 0.0


class _Causes:
    """What moved each function's values, gathered."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.hourly = 0.0

    def add(self, text: TextTerm, rows: Sequence[TextRow], change: float, weight: float) -> None:
        """Find out why a call's values changed by `change` since an equal one."""
        cause, rate = _cause(text, rows, change)
        self.found.append(cause)
        self.hourly = max(self.hourly, abs(weight) * rate * 3600)

    @property
    def gravest(self) -> str:
        """Of all, the one that says most about what else can be tested."""
        return next((c for c in (CHANCE, CALLS, HASH_SEED, CLOCK) if c in self.found), "")


def first(reward: UserReward, rows: Sequence[TextRow]) -> First:
    """Grade rows before anything else is, to be compared with later answers."""
    values: list[list[Value] | None] = []
    for text in reward.texts:
        try:
            values.append(text.raw(rows))
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            values.append(None)
    return First(rows, values, time.monotonic())


def repeats(reward: UserReward, early: First) -> Repeats:
    """The first answers held against the ones now, after the contract's calls, and against those of
    a second interpreter."""
    causes, untried = _Causes(), ""
    both = [*zip(reward.texts, early.values, strict=True)]
    # All answer before the first is started anew: functions of one file share an interpreter.
    late = [None if before is None else text.raw(early.rows) for text, before in both]
    anew: list[object] = []
    for (text, before), weight, now in zip(both, _weights(reward), late, strict=True):
        if before is None or now is None:
            untried = untried or f"the first call of {text.label} failed"
            continue
        if not same(before, now) or text.stable is False:
            causes.add(text, early.rows, _moved(before, now), weight)
        elif isinstance(text.box, LiveBox):
            continue  # this process can't be started anew (`toyrl.rewards.live` says so)
        elif text.import_seconds > SLOW_IMPORT:
            untried = (
                f"importing it takes {text.import_seconds:.1f} s, and only what takes at most "
                f"{SLOW_IMPORT:g} s is imported again"
            )
        else:
            if not any(text.box is box for box in anew):
                text.fresh()
                anew.append(text.box)
            if not same(before, text.raw(early.rows)):
                causes.found.append(_at_start(text, early.rows))
    return Repeats(causes.gravest, "" if causes.found else untried, causes.hourly)


def again(reward: UserReward, contract: Contract, section: Section) -> Section:
    """Section 1 after a last grading of the first texts, when everything else has been graded.

    A reward may be honest for some hundred texts and then change, or drift with the clock. What
    was known to change, and what can't be afforded, is left as it is.
    """
    early = contract.first
    if early is None or contract.cause:
        return section
    time.sleep(max(0.0, APART - (time.monotonic() - early.at)))
    causes, moved, found = _Causes(), 0.0, contract
    for text, weight, before in zip(reward.texts, _weights(reward), early.values, strict=True):
        if before is None:
            continue
        if text.budget.room(len(early.rows)) < len(early.rows):
            return _replaced(section, say.not_again(text.budget.used))
        graded, seconds = text.budget.used, time.monotonic() - early.at
        try:
            now = text.raw(early.rows)
        except RewardError as error:
            return _replaced(section, say.fails_later(str(error), graded))
        if same(before, now):
            continue
        moved = max(moved, _moved(before, now))
        causes.add(text, early.rows, moved, weight)
        found = replace(contract, when=say.when(moved, graded, seconds))
    if not causes.found:
        return section
    found = replace(
        found,
        cause=causes.gravest,
        hourly=causes.hourly,
        deterministic=causes.gravest == CALLS,
        history_dependent=CALLS in causes.found,
    )
    return _replaced(section, *say.repeats(found))


def _replaced(section: Section, *new: Finding) -> Section:
    """The section with findings in the place of those of the same names."""
    names = {f.name for f in new}
    kept = tuple(f for f in section.findings if f.name not in names)
    findings = (*new, *kept)
    return replace(section, findings=findings, summary=say.state(section.summary, findings))


def _weights(reward: UserReward) -> list[float]:
    return [t.weight for t in reward.terms if t.shaper is None]


def _cause(text: TextTerm, rows: Sequence[TextRow], change: float) -> tuple[str, float]:
    """Why a call's values changed by `change`, and by how much a second if the clock moves them."""
    text.fresh()
    one, two, busy, took = _quickest(text, rows)
    rate = _by_clock(text, rows, two, busy, took) if 2 * busy < change else 0.0
    if rate:
        return CLOCK, rate
    text.fresh()
    return (CALLS if same(one, text.raw(rows)) else CHANCE), 0.0


def _quickest(
    text: TextTerm, rows: Sequence[TextRow]
) -> tuple[list[Value], list[Value], float, float]:
    """A fresh function's first values and its last, and how far the quickest two neighbours of a
    few calls lie apart, with the seconds of the slower one.

    A machine that pauses during one call would make a clock look like chance; choosing by seconds
    alone keeps chance as large as it is.
    """
    calls, seconds = [text.raw(rows)], [float("inf")]
    for _ in range(TRIES):
        start = time.monotonic()
        calls.append(text.raw(rows))
        seconds.append(time.monotonic() - start)
    took, k = min((max(seconds[k : k + 2]), k) for k in range(1, TRIES))
    return calls[0], calls[-1], _moved(calls[k], calls[k + 1]), took


def _by_clock(
    text: TextTerm, rows: Sequence[TextRow], last: list[Value], busy: float, took: float
) -> float:
    """How far a second without a call moves the values; 0 if it isn't time that does.

    busy : how far they moved from one call to the next, which took so many seconds

    Two waits, long beside a call, move them by much more than a call, and evenly.
    """
    steps, rates = [], []
    for _ in range(2):
        start = time.monotonic()
        time.sleep(max(IDLE, 2 * STEPS * took))
        now = text.raw(rows)
        steps.append(_moved(last, now))
        rates.append(steps[-1] / (time.monotonic() - start))
        last = now
    even = min(steps) > STEPS * busy and max(rates) <= EVEN * min(rates)
    return sum(rates) / len(rates) if even else 0.0


def _at_start(text: TextTerm, rows: Sequence[TextRow]) -> str:
    """Why interpreters differ: by their hash seed if with the same one they don't."""
    text.fresh(hash_seed=0)
    one = text.raw(rows)
    text.fresh(hash_seed=0)
    two = text.raw(rows)
    text.fresh()
    return HASH_SEED if same(one, two) else CHANCE


def _moved(a: Sequence[Value], b: Sequence[Value]) -> float:
    """The largest change of a value; infinite where one is None only once."""
    moves = [
        0.0 if x is y else float("inf") if x is None or y is None else abs(x - y)
        for x, y in zip(a, b, strict=True)
    ]
    return max(moves, default=0.0)
