"""What the contract section learned about a reward, for the sections after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from toyrl.experiments.validate.formats.search import Search
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.terms import Value

CHANCE, CALLS, HASH_SEED, CLOCK = "chance", "earlier calls", "hash seed", "clock"
"""Why equal calls give different values."""


@dataclass(frozen=True)
class First:
    """Every function's answer to one of its first calls; None where it failed.

    at : seconds of the monotonic clock
    """

    rows: Sequence[TextRow]
    values: Sequence[list[Value] | None]
    at: float


@dataclass(frozen=True)
class Contract:
    """Facts about a reward.

    dialect : the text dialect it is judged in ("" for catalogue shapers)
    chat : completions go as chat messages (None: not a text reward)
    auc : right beats wrong at equal length, in that dialect; nan without pairs
    constant : one value on every probe in all dialects
    auxiliary : varies, but not with the gold answers
    separates : auc above one half by two standard deviations of its null law
    deterministic, history_dependent, batch_dependent : see the findings of the same names
    reads_gold : its values change with permuted gold, or a catalogue term reads correctness
    names_gold : its code reads a gold column, whether or not any value follows from it
    inverted : auc below one half by two standard deviations: it separates the wrong way round
    random : in what way values depend on neither text nor gold, or ""
    found : the formats that it was found to read
    cause : why equal calls give different values (`CHANCE`, ...), or ""; when : after what;
        hourly : how far the clock moves a value in an hour
    untried : why a second interpreter was not tried, or ""
    alone : False where nothing could be said of a text's neighbours in a call
    place : how a text's value depends on its place in the call or on other prompts there, or ""
    first : its first answers, to be held against its last
    spread : largest minus least value on the probes, as the reward gives them
    """

    dialect: str
    chat: bool | None
    auc: float
    constant: bool
    auxiliary: bool
    separates: bool
    deterministic: bool
    history_dependent: bool
    batch_dependent: bool
    reads_gold: bool
    names_gold: bool = False
    inverted: bool = False
    random: str = ""
    found: Search = field(default_factory=Search)
    cause: str = ""
    when: str = ""
    hourly: float = 0.0
    untried: str = ""
    alone: bool = True
    place: str = ""
    first: First | None = None
    spread: float = 0.0

    @property
    def dialects(self) -> tuple[str, ...]:
        """The dialect, and those found that tie with it."""
        ties = self.found.dialects if self.dialect in self.found.dialects else ()
        return tuple(dict.fromkeys((self.dialect, *ties)))


@dataclass(frozen=True)
class DialectFacts:
    """What one dialect showed.

    values : one per probe, None where unscorable or failed; errors : what failed
    auc : chance that a right text beats a wrong one of equal length; nan without pairs
    gold_matters : values change when gold answers are permuted
    """

    name: str
    values: list[float | None]
    errors: list[RewardError]
    auc: float
    gold_matters: bool
    n_right: int
    n_wrong: int

    @property
    def numbers(self) -> np.ndarray:
        """The values that are there."""
        return np.array([v for v in self.values if v is not None], dtype=float)

    @property
    def failed(self) -> int:
        """Texts that it failed on; a wrong number of values fails them all."""
        whole = any(e.kind == "wrong_count" for e in self.errors)
        return len(self.values) if whole else len(self.errors)

    @property
    def variance(self) -> float:
        """Variance of the values; 0 with fewer than two."""
        return float(self.numbers.var()) if len(self.numbers) > 1 else 0.0
