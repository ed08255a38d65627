"""The grader protocol: text (and gold columns) to a number per completion, on the host.

A grader is the only place where strings meet rewards. Its answers become a field of
`Rollouts`, which shapers read; equal inputs are graded once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TextRow:
    """One completion to be graded.

    prompt, completion : plain text; chat forms are made by the adapters
    columns : gold columns of the data row (answer, solution, ...)
    tokens : completion length in tokens, the end token included
    truncated : ran into the limit
    written : toyrl wrote the text, and holds its gold answer under every usual name; else columns
        are a data set's own
    messages : the completion writes out chat messages as a JSON list (`toyrl.rewards.chats`), and
        a reward that takes messages is handed these
    """

    prompt: str
    completion: str
    columns: Mapping[str, Any] = field(default_factory=dict)
    tokens: int = 0
    truncated: bool = False
    written: bool = False
    messages: bool = False


class Grader:
    """Base of graders: `grade(rows) -> one float per row` (NaN where it can't be scored)."""

    name: str = "grader"
    field_name: str = "user_reward"

    def grade(self, rows: Sequence[TextRow]) -> list[float]:
        """One value per row, in order."""
        msg = f"{type(self).__name__} defines no grade(rows)"
        raise TypeError(msg)
