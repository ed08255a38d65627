"""How good is a forecaster? One set of scores for all, on runs whose outcome is known.

Scores that need an outcome or an opinion that is missing leave that run out and say how many are
left. Nothing here knows how a forecast was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from toyrl.experiments.forecast.case import Case, Forecast

Row = tuple[Case, Forecast]
HALF = 0.5
TIE = 1e-9


@dataclass(frozen=True)
class Scores:
    """Of one forecaster; NaN where nothing can be said.

    auc : P(a run that ended below its base got a higher probability than one that didn't), ties
        half
    brier : mean squared error of that probability; hits : right at a half; runs : how many
    auc_correctness, brier_correctness, runs_correctness : the same against correctness-only runs
    contrasts, ordered : pairs of rewards on one base whose order is known, and how many of them are
        ordered rightly (a tie counts half)
    log_length : mean absolute error of the log length factor; lengths : how many
    """

    auc: float
    brier: float
    hits: int
    runs: int
    auc_correctness: float
    brier_correctness: float
    runs_correctness: int
    contrasts: int
    ordered: float
    log_length: float
    lengths: int


def score(rows: Sequence[Row]) -> Scores:
    """All scores of one forecaster."""
    base = [(f.below_base, c.outcome.lost) for c, f in rows if not c.control]
    own = [(p, y) for p, y in base if p is not None and y is not None]
    other = [(f.below_correctness, c.outcome.lost_to_correctness) for c, f in rows if not c.control]
    against = [(p, y) for p, y in other if p is not None and y is not None]
    pairs, ordered = contrasts(rows)
    errors = [
        abs(math.log(f.length) - math.log(c.outcome.length))
        for c, f in rows
        if f.length is not None and c.outcome.length is not None
    ]
    return Scores(
        auc=auc(own),
        brier=brier(own),
        hits=sum((p > HALF) == y for p, y in own),
        runs=len(own),
        auc_correctness=auc(against),
        brier_correctness=brier(against),
        runs_correctness=len(against),
        contrasts=pairs,
        ordered=ordered,
        log_length=float(np.mean(errors)) if errors else math.nan,
        lengths=len(errors),
    )


def auc(rows: Sequence[tuple[float, bool]]) -> float:
    """Area under the ROC curve of (probability, happened); NaN unless both happened and didn't."""
    yes, no = ([p for p, y in rows if y is want] for want in (True, False))
    pairs = [(a > b) + 0.5 * (abs(a - b) <= TIE) for a in yes for b in no]
    return float(np.mean(pairs)) if pairs else math.nan


def brier(rows: Sequence[tuple[float, bool]]) -> float:
    """Mean squared error of probabilities; NaN without rows."""
    return float(np.mean([(p - y) ** 2 for p, y in rows])) if rows else math.nan


def contrasts(rows: Sequence[Row]) -> tuple[int, float]:
    """Pairs of one family whose outcomes differ, and how many the forecaster orders rightly.

    A forecaster orders by its expected accuracy, or by the probability of a loss where it has none;
    a tie counts half.
    """
    known, right = pairs_of(rows)
    return int(known.sum()) // 2, float(right.sum() / 2)


def pairs_of(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) whether a pair is a contrast, and how rightly it is ordered (0, 1/2 or 1)."""
    n = len(rows)
    known, right = np.zeros((n, n)), np.zeros((n, n))
    for (i, (c, f)), (j, (d, g)) in combinations(enumerate(rows), 2):
        if c.family != d.family:
            continue
        truth = _gap(c.outcome.order, d.outcome.order)
        said = _gap(liking(f), liking(g))
        if truth is None or truth == 0 or said is None:
            continue
        known[i, j] = known[j, i] = 1.0
        right[i, j] = right[j, i] = 0.5 if said == 0 else float((said > 0) == (truth > 0))
    return known, right


# -- of weighted runs, for the bootstrap -----------------------------------------------------------
Weighted = Callable[[np.ndarray], np.ndarray]
"""A score for each row of weights (draws, runs); NaN where it is undefined."""


def brier_of(rows: Sequence[Row]) -> Weighted:
    """Brier score of P(below base) where runs count `weight` times; controls are left out."""
    pairs = [(f.below_base, None if c.control else c.outcome.lost) for c, f in rows]
    known = np.array([p is not None and y is not None for p, y in pairs], dtype=float)
    loss = np.array([0.0 if p is None or y is None else (p - y) ** 2 for p, y in pairs])
    return lambda w: _ratio(w @ (loss * known), w @ known)


def ordered_of(rows: Sequence[Row]) -> Weighted:
    """Share of contrasts that are ordered rightly where runs count `weight` times."""
    known, right = pairs_of(rows)
    return lambda w: _ratio(((w @ right) * w).sum(-1), ((w @ known) * w).sum(-1))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), math.nan)


def liking(f: Forecast) -> float | None:
    """What a forecaster orders runs by: its expected accuracy, else how improbable a loss is."""
    if f.accuracy is not None:
        return f.accuracy
    return None if f.below_base is None else -f.below_base


def _gap(a: float | None, b: float | None) -> float | None:
    if a is None or b is None or a == b:
        return None if a is None or b is None else 0.0
    return a - b if abs(a - b) > TIE else 0.0


@dataclass(frozen=True)
class Interval:
    """A difference of two forecasters' scores with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


def paired(
    one: Sequence[Row],
    other: Sequence[Row],
    what: Callable[[Sequence[Row]], Weighted],
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap of a score (`brier_of`, `ordered_of`) of one less that of the other, same runs.

    Runs of one base share its fate, so families are drawn with replacement, then runs of each.
    Raises ValueError unless both have the same runs in the same order.
    """
    if [c.told.name for c, _ in one] != [c.told.name for c, _ in other]:
        msg = "the two forecasters answered for different runs; give the same runs in one order"
        raise ValueError(msg)
    weights = _drawn(tuple(c.family for c, _ in one), draws, seed)
    first, second = what(one), what(other)
    gaps = first(weights) - second(weights)
    whole = np.ones((1, len(one)))
    value = float((first(whole) - second(whole))[0])
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(gaps, [0.025, 0.975])
    return Interval(value, float(low), float(high))


@cache
def _drawn(families: tuple[str, ...], draws: int, seed: int) -> np.ndarray:
    """(draws, runs) how often each run is drawn."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(families):
        groups.setdefault(name, []).append(i)
    members, out = list(groups.values()), np.zeros((draws, len(families)))
    for row in out:
        for k in rng.integers(0, len(members), len(members)):
            np.add.at(row, rng.choice(members[k], len(members[k])), 1.0)
    return out
