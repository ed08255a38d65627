"""Linear scorers: least squares on numbers, Bradley-Terry on pairs, both with a ridge.

Features are centred and scaled before the fit, so that one penalty serves them all; a feature that
never varies gets weight 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE, check_fields

Array = Any


@model("linear")
@dataclass(frozen=True, eq=False)
class LinearScorer:
    """score(x) = bias + sum_f weight_f (x_f - mean_f)/scale_f; arrays (F,), bias ()."""

    weight: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    bias: np.ndarray

    def score(self, x: Array) -> np.ndarray:
        """(N,) scores of features (N, F); NaN for a row that holds NaN.

        Raises ValueError for another number of features.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.weight.size:
            msg = f"features have the shape {x.shape}; the model was fitted to (N, "
            msg += f"{self.weight.size})"
            raise ValueError(msg)
        return (x - self.mean) / self.scale @ self.weight + self.bias


@dataclass(frozen=True)
class Ridge:
    """Least squares with `penalty` on the squared weights, in units of one row.

    Raises ValueError for a penalty out of its range.
    """

    penalty: Annotated[float, NOT_NEGATIVE] = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> LinearScorer:
        """x (N, F), target (N,) numbers, weight (N,) of rows, 1 each unless given.

        Raises ValueError for rows that don't match, for numbers that aren't finite, and where no
        row has weight.
        """
        x, y = table(x), np.asarray(target, dtype=float)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(x, target=y, weight=w)
        mean, scale = standard(x, w)
        z, middle = (x - mean) / scale, float(w @ y / w.sum())
        gram = z.T @ (w[:, None] * z) + self.penalty * np.eye(z.shape[1])
        # Features may repeat each other, and penalty 0 is allowed: the shortest solution.
        own = np.linalg.lstsq(gram, z.T @ (w * (y - middle)), rcond=None)[0]
        return LinearScorer(own, mean, scale, np.array(middle))


@dataclass(frozen=True)
class BradleyTerry:
    """P(row i beats row j) = sigmoid(score_i - score_j), by Newton's method, with a ridge.

    penalty : on the squared weights, in units of one pair, > 0: pairs that a line separates have no
        finite fit without; steps : most Newton steps
    Only differences of scores are learned: the bias is 0.

    Source: Bradley and Terry 1952; the log-likelihood of reward models. Raises ValueError for
    settings out of their ranges.
    """

    penalty: Annotated[float, POSITIVE] = 1.0
    steps: Annotated[int, COUNT] = 50

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> LinearScorer:
        """x (N, F), target (M, 2) rows (winner, loser), weight (M,) of pairs, 1 each unless given.

        Raises ValueError for pairs of another shape or of rows that aren't there.
        """
        x, pairs = table(x), np.asarray(target)
        fits = pairs.ndim == 2 and pairs.shape[1:] == (2,) and pairs.dtype.kind in "iu"
        if not fits or not len(pairs) or pairs.min() < 0 or pairs.max() >= len(x):
            msg = f"target has the shape {pairs.shape}; give (M, 2) whole numbers, rows (winner, "
            msg += f"loser) of the {len(x)} features"
            raise ValueError(msg)
        w = np.ones(len(pairs)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(pairs, weight=w)
        mean, scale = standard(x, np.ones(len(x)))
        z = (x[pairs[:, 0]] - x[pairs[:, 1]]) / scale
        own = np.zeros(z.shape[1])
        for _ in range(self.steps):
            lose = np.exp(-np.logaddexp(0, z @ own))
            slope = z.T @ (w * lose) - self.penalty * own
            bend = z.T @ ((w * lose * (1 - lose))[:, None] * z) + self.penalty * np.eye(own.size)
            step = np.linalg.solve(bend, slope)
            own = own + step
            if np.abs(step).max(initial=0.0) <= 1e-12 * max(1.0, np.abs(own).max(initial=0.0)):
                break
        return LinearScorer(own, mean, scale, np.array(0.0))


def table(x: Array) -> np.ndarray:
    """Features (N, F) as floats.

    Raises ValueError for another shape, no row, and numbers that aren't finite.
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or not len(x) or not np.isfinite(x).all():
        msg = f"features have the shape {x.shape}; give (N, F) finite numbers, N of 1 and more"
        raise ValueError(msg)
    return x


def same_rows(x: np.ndarray, **others: np.ndarray) -> None:
    """Nothing where all others are (N,) finite numbers, `weight` none below 0 and not all 0.

    Raises ValueError for one that is not.
    """
    for name, value in others.items():
        good = value.shape == (len(x),) and np.isfinite(value).all()
        if not good or (name == "weight" and not (value.min() >= 0 and value.sum() > 0)):
            msg = f"{name}={shortened(value)} must be {len(x)} finite numbers, one a row"
            msg += ", none below 0 and not all 0" if name == "weight" else ""
            raise ValueError(msg)


def standard(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, scale), each (F,), of features (N, F), weights (N,); scale 1 where none varies."""
    mean = w @ x / w.sum()
    scale = np.sqrt(w @ (x - mean) ** 2 / w.sum())
    flat = scale <= 1e-12 * np.maximum(1.0, np.abs(mean))  # rounding of a constant column
    return mean, np.where(flat, 1.0, scale)
