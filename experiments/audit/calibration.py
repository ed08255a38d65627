"""Whether answers mean what they say, and whether two judges agree."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.experiments.audit.measures import Compared
from toyrl.experiments.validate.collapse.statistics import bootstrap

Array = np.ndarray
BINS, DRAWS = 10, 1000


@dataclass(frozen=True)
class Reliability:
    """Answers in bins against how often they were right.

    said : (k,) mean answer of a bin; right : (k,) share that is right; count : (k,)
    error : mean distance of both, by count (NaN where answers are no probabilities); interval of it
    """

    said: list[float]
    right: list[float]
    count: list[int]
    error: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)

    @property
    def probabilities(self) -> bool:
        """Whether answers lie in [0, 1] and say more than yes and no."""
        return math.isfinite(self.error)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        plain = [None if math.isnan(x) else x for x in (self.error, *self.interval)]
        return {"said": self.said, "right": self.right, "count": self.count, "error": plain[0],
                "low": plain[1], "high": plain[2]}  # fmt: skip


def reliability(said: Array, right: Array, *, seed: int = 0) -> Reliability | None:
    """Of answers (n,) and whether each was right (n,); None for fewer than two different answers.

    Probabilities go into ten bins of one width, other scores into ten of about one count.
    """
    known = np.isfinite(said)
    said, right = said[known], right[known].astype(float)
    values = np.unique(said)
    if len(values) < 2:
        return None
    chances = said.min() >= 0 and said.max() <= 1 and len(set(values) - {0.0, 0.5, 1.0}) > 0
    if chances:
        at = np.minimum((said * BINS).astype(int), BINS - 1)
    else:
        edges = np.unique(np.quantile(said, np.linspace(0, 1, BINS + 1)[1:-1]))
        at = np.searchsorted(edges, said, side="right")
    _, at = np.unique(at, return_inverse=True)

    def sums(weight: Array) -> Array:
        return np.bincount(at, weight, minlength=at.max() + 1)

    count = sums(np.ones(len(said)))
    mean, share = sums(said) / count, sums(right) / count
    found = Reliability(mean.tolist(), share.tolist(), count.astype(int).tolist())
    if not chances:
        return found
    error = float((count * np.abs(mean - share)).sum() / len(said))
    rest = said - right
    spread = np.sqrt(np.maximum(sums(rest**2) - sums(rest) ** 2 / count, 0.0))
    drawn = np.random.default_rng([seed, 3]).standard_normal((DRAWS, len(count)))
    errors = np.abs(sums(rest) + spread * drawn).sum(1) / len(said)
    low, high = np.quantile(errors, [0.025, 0.975])
    return replace(found, error=error, interval=(float(low), float(high)))


@dataclass(frozen=True)
class Agreement:
    """Two judges on the same comparisons: share of equal verdicts, and Cohen's kappa."""

    other: str
    share: float
    kappa: float
    interval: tuple[float, float]
    n: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        kappa = None if math.isnan(self.kappa) else self.kappa
        low, high = (None if math.isnan(x) else x for x in self.interval)
        return {"other": self.other, "share": self.share, "kappa": kappa, "low": low, "high": high,
                "comparisons": self.n}  # fmt: skip


def agreement(one: Compared, other: Compared, name: str, *, seed: int = 0) -> Agreement | None:
    """Of verdicts on the same comparisons; None without common ones."""
    tables = np.zeros((one.n, 3, 3))
    for a in one.prefer:
        if a in other.prefer:
            tables += counted(one.prefer[a], other.prefer[a])
    return agreement_of(tables, name, seed=seed)


def counted(one: Array, other: Array) -> Array:
    """(n, 3, 3) how often two judges say second, tie, first, of chances (n, ...) that the first
    wins; NaN counts nowhere."""
    wide = [x.reshape(len(x), -1) for x in (one, other)]
    known = np.isfinite(wide[0] + wide[1])
    said = [[(np.sign(x - 0.5) == k) & known for k in (-1, 0, 1)] for x in wide]
    return np.array([[(x & y).sum(1) for y in said[1]] for x in said[0]]).transpose(2, 0, 1) * 1.0


def agreement_of(tables: Array, name: str, *, seed: int = 0) -> Agreement | None:
    """Of counts (n, 3, 3) by prompt, which are what is resampled; None where nothing was."""
    whole = tables.sum(0)
    n = int(whole.sum())
    if not n:
        return None
    kappa = float(_kappa(whole[None])[0])

    def drawn(weights: Array) -> Array:
        return _kappa(np.einsum("dn,nij->dij", weights, tables))

    low, high = (math.nan, math.nan)
    if math.isfinite(kappa):
        found = bootstrap(_filled(drawn, kappa), len(tables), seed=seed)
        low, high = (float(x) for x in found)
    return Agreement(name, float(np.trace(whole) / n), kappa, (low, high), n)


def _filled(statistic: Callable[[Array], Array], value: float) -> Callable[[Array], Array]:
    return lambda weights: np.nan_to_num(statistic(weights), nan=value)


def _kappa(tables: Array) -> Array:
    """(d,) Cohen's kappa of (d, 3, 3) counts; NaN where both judges say one thing alone."""
    n = np.maximum(tables.sum((1, 2)), 1e-12)
    same = np.einsum("dii->d", tables) / n
    chance = (tables.sum(2) * tables.sum(1)).sum(-1) / n**2
    return np.where(chance < 1 - 1e-12, (same - chance) / np.maximum(1 - chance, 1e-12), np.nan)
