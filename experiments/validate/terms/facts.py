"""Every term of a sum by itself: where it pays, how far it spreads, what it moves, whom it repeats.

A term that has one value on every text is *silent*: nothing that is said of the sum rests on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.rollouts import Rollouts

EPS = 1e-12


@dataclass(frozen=True)
class Place:
    """Weighted values of all terms on texts of one kind.

    values : (T, N), NaN where a term gives none; right : (N,) bool, None where that isn't known
    """

    name: str
    values: np.ndarray
    right: np.ndarray | None = None


@dataclass(frozen=True)
class TermFacts:
    """What one term does.

    paid : place -> share of texts to which it gives anything but 0; judged : the places among them
        that decide whether it is silent
    low, high : its least and largest value over the places it is judged on, weight included
    spread : standard deviation within groups, weight included
    share : of what moves the advantage, Cov(term, A) / Cov(sum, A) within groups; all terms
        together have 1; NaN where nothing moves it
    twin, correlation : the other term that it goes with most, and how closely (-1..1)
    """

    label: str
    paid: Mapping[str, float]
    judged: tuple[str, ...]
    low: float
    high: float
    spread: float
    share: float
    twin: str = ""
    correlation: float = math.nan

    @property
    def silent(self) -> bool:
        """Whether it has one value, or none, wherever it was judged."""
        return not self.high - self.low > EPS * max(1.0, abs(self.high))


def describe(
    labels: Sequence[str],
    judged: Sequence[Place],
    others: Sequence[Place],
    grouped: np.ndarray,
    rollouts: Rollouts,
    estimator: Estimator,
) -> list[TermFacts]:
    """The terms of a sum.

    judged : places that decide whether a term is silent; others : further ones, for `paid`
    grouped : (T, B, G) weighted values in groups; rollouts : those groups, (B, G)
    """
    w = np.where(np.isfinite(grouped).any(axis=0), rollouts.w, 0.0)
    values = np.nan_to_num(grouped)
    spreads, shares = _moved(values, w, rollouts, estimator)
    alike = _alike(values, w)
    every = np.concatenate([p.values for p in judged], axis=1)
    out = []
    for t, label in enumerate(labels):
        known = every[t][np.isfinite(every[t])]
        twin = int(np.nanargmax(np.abs(alike[t]))) if np.isfinite(alike[t]).any() else -1
        out.append(
            TermFacts(
                label,
                {p.name: _paid(p.values[t]) for p in (*judged, *others)},
                tuple(p.name for p in judged),
                float(known.min()) if len(known) else math.nan,
                float(known.max()) if len(known) else math.nan,
                float(spreads[t]),
                float(shares[t]),
                labels[twin] if twin >= 0 else "",
                float(alike[t, twin]) if twin >= 0 else math.nan,
            )
        )
    return out


def _paid(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float((np.abs(known) > EPS).mean()) if len(known) else math.nan


def _within(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(..., B, G) less the mean of its group."""
    mean = (values * w).sum(-1, keepdims=True) / np.maximum(w.sum(-1, keepdims=True), EPS)
    return np.where(w > 0, values - mean, 0.0)


def _moved(
    values: np.ndarray, w: np.ndarray, rollouts: Rollouts, estimator: Estimator
) -> tuple[np.ndarray, np.ndarray]:
    """(T,) spread within groups and share of the covariance with the advantage."""
    centred = _within(values, w)
    n = max(float(w.sum()), 1.0)
    spread = np.sqrt((centred**2 * w).sum((-1, -2)) / n)
    told, _ = estimator.apply({"reward": values.sum(0)}, rollouts)
    advantage = np.asarray(told, dtype=float)
    if advantage.ndim > w.ndim:  # by token
        advantage = advantage.mean(-1)
    pull = (centred * np.nan_to_num(advantage) * w).sum((-1, -2)) / n
    whole = float(pull.sum())
    return spread, pull / whole if abs(whole) > EPS else np.full(len(pull), np.nan)


def _alike(values: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(T, T) correlation of the terms within groups; NaN with itself and where one is constant."""
    flat = (_within(values, w) * np.sqrt(w)).reshape(len(values), -1)
    size = np.linalg.norm(flat, axis=1)
    scale = size[:, None] * size[None, :]
    out = np.where(scale > EPS, flat @ flat.T / np.maximum(scale, EPS), np.nan)
    np.fill_diagonal(out, np.nan)
    return out
