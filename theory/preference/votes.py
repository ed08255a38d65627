"""A pairwise judge that errs: unanimous votes in both orders.

The judge prefers an answer of quality gap d over the reference with probability sigma(d + b) when
it is shown first and sigma(d - b) when second, b its bias to the first place; votes are
independent. With V votes in each order and +1 for a win in all of them,

    P(win all) = (sigma(d + b) sigma(d - b))^V,     E[R | d] = 2 P(win all) - 1,

which at d = 0 is at most -1/2: unanimity is a constant offset downwards, not a zero-mean signal.

Formulas: docs/theory/preference.md.

Source: BRPO (paper 42), whose voting rule it is; derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "unanimous_win",
    kind="theorem",
    cards=("42",),
    provenance="derived",
    formula="(sigma(d + b) sigma(d - b))^V",
)
def unanimous_win(gap: Array, bias: Array, votes: int = 1) -> np.ndarray:
    """P(the rollout wins every vote), V votes in each of the two orders.

    gap, bias : logits, broadcast; votes >= 1. Falls with bias and with votes.

    Raises ValueError for less than one vote.
    """
    from scipy.special import log_expit

    if votes < 1:
        msg = f"votes={votes} must be at least 1, in each order"
        raise ValueError(msg)
    gap, bias = np.asarray(gap, dtype=float), np.asarray(bias, dtype=float)
    return np.exp(votes * (log_expit(gap + bias) + log_expit(gap - bias)))


@entry(
    "voted_sign",
    kind="theorem",
    cards=("42",),
    provenance="derived",
    formula="P(win all) - P(lose all) + inconsistent (1 - P(win all) - P(lose all))",
)
def voted_sign(
    gap: Array, bias: Array, votes: int = 1, *, inconsistent: float = -1.0
) -> np.ndarray:
    """E[R | quality gap]: +1 for winning all votes, -1 for none, `inconsistent` in between.

    inconsistent : -1 as published: 2 P(win all) - 1, below 0 at equal quality; with 0 the sign is
    odd in the gap and 0 there.

    gap, bias : logits, broadcast. Raises ValueError for less than one vote.
    """
    win, lose = unanimous_win(gap, bias, votes), unanimous_win(-np.asarray(gap), bias, votes)
    return win - lose + inconsistent * (1 - win - lose)
