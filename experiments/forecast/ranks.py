"""Does a forecaster order the runs of one base as they came out? Kendall's tau-b, and the ceiling
that the seeds set."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.forecast.case import Case, Forecast
from toyrl.experiments.forecast.score import Row, liking
from toyrl.experiments.transfer import score

FEWEST = 4
"""Runs of one base below which their order says little."""
ACCURACY, LENGTH = 0, 1


def tau(rows: Sequence[Row], what: int) -> float:
    """tau-b of what was said with what came, pairs of one base only; NaN where nothing is known.

    what : ACCURACY (change against the base) or LENGTH (log factor). Outcomes within the standard
    error of their difference over seeds are ties.
    """
    known = [(c, _said(f, what), _came(c, what)) for c, f in rows]
    kept = [(c, s, o) for c, s, o in known if s is not None and o is not None]
    sizes = {c.family: sum(d.family == c.family for d, _, _ in kept) for c, _, _ in kept}
    kept = [k for k in kept if sizes[k[0].family] >= FEWEST]
    if not kept:
        return math.nan
    family = np.array([c.family for c, _, _ in kept])
    spread = score.seed_spread(_seeds([c for c, _, _ in kept], what))
    one = score.sign_matrix(np.array([s for _, s, _ in kept]))
    other = score.sign_matrix(np.array([o for _, _, o in kept]), np.maximum(spread, 1e-9))
    return score.tau_b(*(m * (family[:, None] == family[None, :]) for m in (one, other)))


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
