"""How long a slow reward takes: told after its first texts, and shown while they are graded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toyrl.experiments.validate.left_out import left_out
from toyrl.experiments.validate.listening import Listener
from toyrl.experiments.validate.reward_law.law import GRADED, renderings
from toyrl.rewards.cache import Budget

if TYPE_CHECKING:
    from toyrl.experiments.validate.inputs import Inputs

FIRST = 20
"""Texts after which the rate is told."""
WORTH_TELLING = 10.0  # seconds that are left
SLOW = 0.5  # seconds a text, from where ways to judge so slow a reward are told
TEXTS = 800
"""Texts that the search for exploits may ask for, unless told."""
CONTRACT, DIALECT = 600, 750
"""Texts of section 1, and of section 2 for each format that the reward reads: about, measured."""


@dataclass
class Pace:
    """Follows the texts that a reward grades.

    functions : of the reward, each of which is asked; others : texts that are asked beside the
        contract's and the hacks', such as those of outcome classes and of a log
    workers : processes that grade; kept : values go into a cache folder
    search : texts that the search for exploits may ask for
    """

    tell: Listener
    functions: int
    others: int
    hacks: bool = True
    workers: int = 1
    kept: bool = False
    search: int = 0
    expected: int = field(init=False)
    told: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.expected = self.functions * (CONTRACT + self._after(1))

    def contract_done(self, budget: Budget, dialects: int) -> None:
        """Count again: what the contract asked, and the formats that hacks are tried in."""
        self.expected = budget.used + self.functions * self._after(dialects)

    def _after(self, dialects: int) -> int:
        return self.others + (DIALECT * dialects + self.search if self.hacks else 0)

    def graded(self, budget: Budget) -> None:
        """Some more texts were graded."""
        self.expected = max(self.expected, budget.used)
        self.tell.moved(budget.used, self.expected, "texts")
        if self.told or budget.used < FIRST:
            return
        self.told = True
        rate = budget.seconds / budget.used
        left = rate * (self.expected - budget.used) / self.workers
        if left >= WORTH_TELLING:
            self.tell.note(sentence(rate, left, self.expected, kept=self.kept))


def paced(run: Inputs) -> Pace:
    """What follows the texts that a run's reward grades."""
    s, missing = run.settings, left_out(run.settings)
    classes = any(n not in missing for n in ("hacks", "signal", "collapse", "order", "selection"))
    others = run.chain.n_classes * len(GRADED) * renderings(s.thorough) if classes else 0
    if run.log is not None and "own rollouts" not in missing:
        others += len(run.log.rows)
    return Pace(
        run.tell,
        len(run.reward.texts),
        others,
        hacks="hacks" not in missing,
        workers=s.workers,
        kept=s.cache is not None,
        search=(TEXTS if s.search is None else s.search) if s.process is None else 0,
    )


def sentence(rate: float, left: float, texts: int, *, kept: bool = False) -> str:
    """The rate (seconds a text), the seconds that are left, and what a slow judge can be given."""
    words = f"{_short(rate)} a text: about {_long(left)} for {texts:,} texts"
    keeps = "" if kept else "; --cache FOLDER keeps them"
    if rate < SLOW:
        return f"{words}{keeps}."
    return (
        f"{words}{keeps}. A judge this slow: --workers N asks it from N processes, --max-calls N "
        "stops after N texts and with --cache a later run goes on, --only contract asks about "
        f"{CONTRACT} texts, --quick trains nothing afterwards."
    )


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.01 else f"{1000 * seconds:.2g} ms"


def _long(seconds: float) -> str:
    for size, unit in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
