"""Texts of a task on which a reward raises: counted as unscorable, and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError

SHOWN = 8  # names of kinds
FIX = "return a number, 0 for instance, for what it can't read; check a key before it is read"


class Tolerant:
    """A score that goes on where the reward raises: None for the texts that it raises on.

    errors : the completions and what was raised on them, in order
    """

    def __init__(self, score: Callable[[Sequence[TextRow]], list[float | None]]) -> None:
        self.score = score
        self.errors: dict[str, RewardError] = {}

    def __call__(self, rows: Sequence[TextRow]) -> list[float | None]:
        """One value a row. Raises RewardError for what is no fault of one text, as a timeout."""
        try:
            return self.score(rows)
        except RewardError as error:
            if error.kind not in RECOVERABLE:
                raise
            if len(rows) <= 1:
                self.errors |= {row.completion: error for row in rows}
                return [None] * len(rows)
        half = len(rows) // 2
        return [*self(rows[:half]), *self(rows[half:])]

    def finding(self, kinds: dict[str, Sequence[TextRow]]) -> list[Finding]:
        """What is said of kinds of texts that it raises on; kinds : name -> texts."""
        failed = {n: r for n, some in kinds.items() for r in some if r.completion in self.errors}
        if not failed:
            return []
        name, row = next(iter(failed.items()))
        more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        text = (
            f"It raises on {len(failed)} of {len(kinds)} kinds of texts of the task "
            f"({', '.join([*failed][:SHOWN])}{more}), such as {name}: "
            f"{self.errors[row.completion]}. Where the trainer doesn't catch that, training ends."
        )
        return [
            Finding(2, "hacks/task-raised", "warn", text, counterexample=row.completion, fix=FIX)
        ]
