"""Laws of a judge's reward for ordering a list: what it may look at, and what must not pay.

Each is a function of a rule (scores (n,), true grades (n,) -> number; `pair_agreement` is one) and
a list; it returns nothing where the law holds and one sentence where it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from toyrl.testing import arrays

Rule = Callable[[np.ndarray, np.ndarray], Any]


def order_alone_counts(rule: Rule, scores: np.ndarray, truth: np.ndarray) -> str | None:
    """An increasing map of the scores, and a number added to all true grades, change nothing."""
    before = rule(scores, truth)
    _, rank = np.unique(scores, return_inverse=True)  # NaN is ranked last, and missing again below
    mapped = np.where(np.isnan(scores), np.nan, rank.reshape(scores.shape) ** 3 - 7.0)
    if _same(before, rule(mapped, truth)) and _same(before, rule(scores, truth + 3)):
        return None
    return "the scores' scale, or the level of the true grades, changes what is paid"


def names_do_not_count(
    rule: Rule, scores: np.ndarray, truth: np.ndarray, order: Sequence[int]
) -> str | None:
    """The same responses in another order are paid the same."""
    now = rule(scores[list(order)], truth[list(order)])
    return None if _same(rule(scores, truth), now) else "the order of the list changes what is paid"


def the_truth_is_best(rule: Rule, scores: np.ndarray, truth: np.ndarray) -> str | None:
    """No scores are paid more than the true grades themselves."""
    most, now = float(rule(truth, truth)), float(rule(scores, truth))
    return (
        None if now <= most + arrays.TOLERANCE else f"{now:.6g} is paid, for the truth {most:.6g}"
    )


def silence_never_pays(rule: Rule, scores: np.ndarray, truth: np.ndarray) -> str | None:
    """A list without any score is paid no more than these scores are."""
    silent, now = float(rule(np.full(scores.shape, np.nan), truth)), float(rule(scores, truth))
    if silent <= now + arrays.TOLERANCE:
        return None
    return f"saying nothing is paid {silent:.6g}, these scores {now:.6g}"


def mending_never_costs(rule: Rule, scores: np.ndarray, truth: np.ndarray) -> str | None:
    """Two neighbours of the judge's order that stand the wrong way round, exchanged, cost nothing.

    Of scores without ties and gaps; others are left alone.
    """
    if np.isnan(scores).any() or len(np.unique(scores)) < len(scores):
        return None
    before, order = float(rule(scores, truth)), np.argsort(scores)
    for low, high in pairwise(order):
        if truth[low] > truth[high]:
            mended = scores.copy()
            mended[[low, high]] = scores[[high, low]]
            now = float(rule(mended, truth))
            if now < before - arrays.TOLERANCE:
                return f"putting two right lowers the reward from {before:.6g} to {now:.6g}"
    return None


def _same(x: Any, y: Any) -> bool:
    return bool(np.isclose(float(x), float(y), rtol=0, atol=arrays.TOLERANCE, equal_nan=True))
