"""Learning without labels: what a format reward teaches, and where a bump in length turns.

Surrogate Signals from Format and Length: the bump f(x; p) in the share x of the limit, and a policy
that gives the format with chance q and chooses a length apart from it, right only with the format.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "bump_zero",
    kind="theorem",
    cards=("02",),
    section="derived from the code's length term",
    provenance="derived",
    formula="p + (1 - p)/sqrt(2)",
)
def bump_zero(turn: Array) -> np.ndarray:
    """Share of the limit from which on f(x; p) is negative: 0.854 at p = 1/2.

    turn : p in (0, 1), any shape.
    """
    p = np.asarray(turn, dtype=float)
    return p + (1 - p) / np.sqrt(2.0)


@entry(
    "format_speed",
    kind="theorem",
    cards=("02",),
    section="derived",
    provenance="derived",
    formula="(1/2)/sum_x pi(x) a(x)",
)
def format_speed(policy: Array, accuracy: Array) -> np.ndarray:
    """How much faster the format is learned from a format reward than from right answers.

    Per unit rate the format's logit gains 1/2 under half a point for the answer's format, and the
    accuracy given the format under one point for a right answer. Format-only ends on a plateau at
    this accuracy, `policy @ accuracy`: it leaves the length alone.

    policy, accuracy : (..., K) chances of lengths, and of being right with each; inf where nothing
        is ever right.
    """
    mean = (np.asarray(policy, dtype=float) * np.asarray(accuracy, dtype=float)).sum(-1)
    return np.where(mean > 0, 0.5 / np.where(mean > 0, mean, 1.0), np.inf)
