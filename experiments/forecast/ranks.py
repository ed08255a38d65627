"""Does a forecaster order the runs of one base as they came out? Kendall's tau-b, and the ceiling
that the seeds set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.forecast.case import Case, Forecast
from toyrl.experiments.forecast.score import Row, Weighted, liking
from toyrl.experiments.transfer import score

FEWEST = 4
"""Runs of one base below which their order says little."""
ACCURACY, LENGTH = 0, 1


def tau(rows: Sequence[Row], what: int) -> float:
    """tau-b of what was said with what came, pairs of one base only; NaN where nothing is known.

    what : ACCURACY (change against the base) or LENGTH (log factor). Outcomes within the standard
    error of their difference over seeds are ties.
    """
    kept, one, other = _signs(rows, what)
    return score.tau_b(one, other) if kept else math.nan


def tau_of(rows: Sequence[Row], what: int) -> Weighted:
    """tau-b with each run counted so often (`toyrl.experiments.forecast.score.paired`)."""
    kept, one, other = _signs(rows, what)

    def of(weights: np.ndarray) -> np.ndarray:
        w = weights[:, kept]
        both, own, came = (
            np.einsum("di,ij,dj->d", w, m, w, optimize=True)
            for m in (one * other, one**2, other**2)
        )
        known = (own > 0) & (came > 0)
        return np.where(known, both / np.sqrt(np.where(known, own * came, 1.0)), math.nan)

    return of


def _signs(rows: Sequence[Row], what: int) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Places of the runs that count, and signs of the differences of what was said and what came
    between any two of them, 0 for runs of two bases and for ties."""
    known = [(i, c, _said(f, what), _came(c, what)) for i, (c, f) in enumerate(rows)]
    some = [k for k in known if k[2] is not None and k[3] is not None]
    sizes = Counter(c.family for _, c, _, _ in some)
    some = [k for k in some if sizes[k[1].family] >= FEWEST]
    if not some:
        return [], np.zeros((0, 0)), np.zeros((0, 0))
    cases = [c for _, c, _, _ in some]
    family = np.array([c.family for c in cases])
    spread = score.seed_spread(_seeds(cases, what))
    one = score.sign_matrix(np.array([s for _, _, s, _ in some]))
    other = score.sign_matrix(np.array([o for _, _, _, o in some]), np.maximum(spread, 1e-9))
    alike = family[:, None] == family[None, :]
    return [i for i, _, _, _ in some], one * alike, other * alike


def ceiling(cases: Sequence[Case], what: int) -> float:
    """tau-b of one half of the seeds with the other, a mean over bases; NaN with fewer than two."""
    found = []
    for family in dict.fromkeys(c.family for c in cases):
        own = [c for c in cases if c.family == family and len(c.ends) > 1]
        if len(own) >= FEWEST:
            found.append(score.ceiling(_seeds(own, what)))
    defined = [t for t in found if math.isfinite(t)]
    return float(np.mean(defined)) if defined else math.nan


def _seeds(cases: Sequence[Case], what: int) -> np.ndarray:
    """(n, seeds) ends of the runs, NaN where a seed wasn't run."""
    most = max((len(c.ends) for c in cases), default=0)
    out = np.full((len(cases), max(most, 1)), math.nan)
    for row, case in zip(out, cases, strict=True):
        row[: len(case.ends)] = [end[what] for end in case.ends]
    return out


def _said(f: Forecast, what: int) -> float | None:
    if what == LENGTH:
        return None if f.length is None else math.log(f.length)
    return liking(f)


def _came(case: Case, what: int) -> float | None:
    if what == LENGTH:
        return None if case.outcome.length is None else math.log(case.outcome.length)
    return case.outcome.base
