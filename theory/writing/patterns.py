"""Phrases that are paid: the pay rises for ever, accuracy to a peak; loops; a calibrated order.

A thought has m phrases, m Poisson with mean lam. It is right with chance 1 - exp(-gain m), and 0
beyond `limit`, where the answer is cut off. The pay is E[min(1, m/divisor)].

Formulas: docs/theory/writing.md.

Source: derived, for paper 25 (reasoning pattern reward, section 3).
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from scipy.special import pdtr

from toyrl.ranges import COUNT, NOT_NEGATIVE, Range, checked
from toyrl.registry import entry

Array = Any
WHOLE = Range("[0, inf)", whole=True)


def _mean(lam: Array) -> np.ndarray:
    x = np.asarray(lam, dtype=float)
    if not np.all((x >= 0) & (x < np.inf)):
        msg = f"lam={x.tolist()} must be finite and 0 or above: the mean number of phrases"
        raise ValueError(msg)
    return x


@entry(
    "phrase_pay",
    kind="theorem",
    cards=("25",),
    section="reasoning pattern reward; derived",
    provenance="derived",
    formula="E[min(1, m/d)] = (lam P(m <= d-2) + d P(m >= d))/d",
)
@checked
def phrase_pay(lam: Array, *, divisor: Annotated[int, COUNT] = 20) -> np.ndarray:
    """Mean pay of a Poisson number of phrases, in [0, 1); it rises with lam everywhere.

    lam : any shape, >= 0; divisor : phrases for full pay

    Raises ValueError for arguments out of their ranges.
    """
    x = _mean(lam)
    below = pdtr(divisor - 2, x) if divisor > 1 else 0.0 * x
    return x * below / divisor + 1 - pdtr(divisor - 1, x)


@entry(
    "phrase_drift",
    kind="theorem",
    cards=("25",),
    section="reasoning pattern reward; derived",
    provenance="derived",
    formula="d E[min(1, m/d)] / d lam = P(m <= d-1)/d",
)
@checked
def phrase_drift(lam: Array, *, divisor: Annotated[int, COUNT] = 20) -> np.ndarray:
    """Derivative of `phrase_pay` in lam, above 0: training on phrases never stops adding them.

    lam : any shape, >= 0; divisor : phrases for full pay

    Raises ValueError for arguments out of their ranges.
    """
    return pdtr(divisor - 1, _mean(lam)) / divisor


@entry(
    "phrase_accuracy",
    kind="theorem",
    cards=("25",),
    section="reasoning pattern reward; derived",
    provenance="derived",
    formula="P(m <= L) - exp(-lam (1-q)) P(m' <= L), q = exp(-gain), m' of mean lam q",
)
@checked
def phrase_accuracy(lam: Array, *, gain: Annotated[float, NOT_NEGATIVE] = 0.15,
                    limit: Annotated[int, WHOLE] = 30) -> np.ndarray:  # fmt: skip
    """Chance to be right, in [0, 1]: it rises while phrases think, and falls when they fill up.

    lam : any shape, >= 0; gain : of one phrase; limit : phrases that still fit

    Raises ValueError for arguments out of their ranges.
    """
    x, q = _mean(lam), np.exp(-gain)
    return pdtr(limit, x) - np.exp(-x * (1 - q)) * pdtr(limit, x * q)


@entry(
    "loop_share",
    kind="theorem",
    cards=("25",),
    section="20-gram ratio of the released code; derived",
    provenance="derived",
    formula="min(w, max(N - w, 0))/N, N = w t - n + 1",
)
@checked
def loop_share(words: Annotated[int, COUNT], times: Annotated[int, COUNT], *,
               n: Annotated[int, COUNT] = 20) -> float:  # fmt: skip
    """Distinct repeated n-grams over all, of w different words said t times: about 1/t.

    At most 1/2, near two rounds of a long loop, and 0 for a text shorter than n.

    Raises ValueError for arguments out of their ranges.
    """
    total = words * times - n + 1
    return min(words, max(total - words, 0)) / total if total > 0 else 0.0


@entry(
    "loop_waste",
    kind="theorem",
    cards=("25",),
    section="sound variant of the 20-gram ratio; derived",
    provenance="derived",
    formula="1 - min(w, N)/N, N = w t - n + 1",
)
@checked
def loop_waste(words: Annotated[int, COUNT], times: Annotated[int, COUNT], *,
               n: Annotated[int, COUNT] = 20) -> float:  # fmt: skip
    """1 less distinct over all n-grams, of the same loop: it rises to 1.

    Raises ValueError for arguments out of their ranges.
    """
    total = words * times - n + 1
    return 1 - min(words, total) / total if total > 0 else 0.0


@entry(
    "ranking_accuracy",
    kind="theorem",
    cards=("25",),
    section="calibration; derived",
    provenance="derived",
    formula="P(a > b) + P(a = b)/2",
)
def ranking_accuracy(right: Array, wrong: Array, right_weight: Array, wrong_weight: Array) -> float:
    """Chance that a right answer's score is above a wrong one's, ties half, in [0, 1].

    right, wrong : (N,) and (M,) scores; the weights of each, >= 0 and not all 0

    Raises ValueError for weights of another shape, below 0, or all 0, and for NaN.
    """
    a, b, u, v = (np.asarray(x, dtype=float) for x in (right, wrong, right_weight, wrong_weight))
    if a.ndim != 1 or b.ndim != 1 or u.shape != a.shape or v.shape != b.shape:
        shapes = ", ".join(str(x.shape) for x in (a, b, u, v))
        msg = f"right, wrong and their weights have shapes {shapes}; give (N,), (M,), (N,), (M,)"
        raise ValueError(msg)
    if np.isnan(a).any() or np.isnan(b).any():
        msg = "right and wrong must hold no NaN: it has no place in the order"
        raise ValueError(msg)
    if not (np.all(u >= 0) and np.all(v >= 0) and 0 < u.sum() < np.inf and 0 < v.sum() < np.inf):
        msg = "right_weight and wrong_weight must be 0 or above, finite, and not all 0"
        raise ValueError(msg)
    order, of = np.argsort(b), np.argsort(a)  # both in order: neighbours are looked up together
    a, u, b = a[of], u[of], b[order]
    mass = np.concatenate([[0.0], np.cumsum(v[order])]) / v.sum()
    low, high = (np.searchsorted(b, a, side=side) for side in ("left", "right"))
    return float(u @ (mass[low] + mass[high]) / (2 * u.sum()))
