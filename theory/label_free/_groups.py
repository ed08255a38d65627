"""Kinds of groups of answers, for votes of all of them.

Formulas: docs/theory/label_free.md. Source: textbook.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import multisets

Array = Any
KINDS = 200_000
"""Kinds of groups that are enumerated."""


class Groups:
    """What a group of answers may be, and all kinds of them."""

    @staticmethod
    def of(prob: Array, group_size: int) -> tuple[np.ndarray, np.ndarray]:
        """((N, K) counts of every kind of group of G draws, (N,) their chances); prob (K,).

        Raises ValueError for what is no probability, a group below 1, and too many kinds of groups.
        """
        from math import comb

        from scipy.special import gammaln, xlogy

        p = Groups.law(prob)
        Groups.size(group_size)
        if comb(len(p) + int(group_size) - 1, int(group_size)) > KINDS:
            msg = f"group_size={group_size}, {len(p)} answers: above {KINDS:,} kinds of groups"
            raise ValueError(msg)
        counts = multisets(len(p), int(group_size)).astype(float)
        ways = gammaln(group_size + 1) - gammaln(counts + 1).sum(-1)
        return counts, np.exp(ways + xlogy(counts, p).sum(-1))

    @staticmethod
    def law(prob: Array) -> np.ndarray:
        """(K,) chances as numbers; ValueError for what is no probability."""
        p = np.asarray(prob, dtype=float)
        if p.ndim != 1 or not np.all(p >= 0) or not abs(p.sum() - 1) < 1e-9:
            msg = f"prob={p.tolist()} must be (K,) chances of K answers that sum to 1"
            raise ValueError(msg)
        return p

    @staticmethod
    def size(group_size: float) -> None:
        """ValueError for a group that is no whole number, 1 or above."""
        if not (group_size >= 1 and group_size % 1 == 0):
            msg = (
                f"group_size={group_size} must be a whole number, 1 or above: the votes of a group"
            )
            raise ValueError(msg)
