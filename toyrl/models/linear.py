"""Linear scorers: least squares on numbers, Bradley-Terry on pairs, both with a ridge; averages.

Features are centred and scaled before the fit, so that one penalty serves them all; a feature that
never varies gets weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def from_linear(fitted: Any) -> LinearScorer:
    """A linear regressor or a classifier of two kinds, fitted with scikit-learn, as a scorer.

    fitted : with `coef_` (F,) or (1, F) and `intercept_`, such as Ridge, Lasso, HuberRegressor or
        LogisticRegression (whose score is then the log-odds), or a pipeline of a StandardScaler
        before one. scikit-learn itself is not needed here, nor to load the scorer

    Raises ValueError for anything else.
    """
    steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
    last, before = steps[-1], steps[:-1]
    scalers = all(hasattr(s, "scale_") and hasattr(s, "mean_") for s in before)
    weight = np.asarray(getattr(last, "coef_", np.zeros((0, 0))), dtype=float)
    if weight.ndim == 2 and len(weight) == 1:
        weight = weight[0]
    if weight.ndim != 1 or len(before) > 1 or not scalers:
        msg = (
            f"{shortened(fitted)} is no linear model with one output (coef_, intercept_), nor a "
            "StandardScaler before one; fit toyrl.models.linear.Ridge, or register a kind of your "
            "own with toyrl.models.base.model"
        )
        raise ValueError(msg)
    scale = getattr(before[0], "scale_", None) if before else None
    mean = getattr(before[0], "mean_", None) if before else None
    own = np.zeros(weight.size) if mean is None else np.array(mean, dtype=float)
    unit = np.ones(weight.size) if scale is None else np.array(scale, dtype=float)
    bias = np.array(float(np.ravel(last.intercept_)[0]))
    return LinearScorer(weight.copy(), own, unit, bias)


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
        x, y = table_of(x), np.asarray(target, dtype=float)
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
    magnitude : on the squared scores of both rows of a pair, in units of one pair; 0.005 is the
        "Reg" of paper 23, loss -log sigmoid(r_w - r_l) + 0.005 (r_w^2 + r_l^2)
    Only differences of scores are learned: the bias is 0, and with a magnitude the one that makes
    the scores small.

    Source: Bradley and Terry 1952; the log-likelihood of reward models. Raises ValueError for
    settings out of their ranges.
    """

    penalty: Annotated[float, POSITIVE] = 1.0
    steps: Annotated[int, COUNT] = 50
    magnitude: Annotated[float, NOT_NEGATIVE] = 0.0

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> LinearScorer:
        """x (N, F), target (M, 2) rows (winner, loser), weight (M,) of pairs, 1 each unless given.

        Raises ValueError for pairs of another shape or of rows that aren't there.
        """
        x = table_of(x)
        pairs = pairs_of(target, len(x))
        w = np.ones(len(pairs)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(pairs, weight=w)
        mean, scale = standard(x, np.ones(len(x)))
        z = (x[pairs[:, 0]] - x[pairs[:, 1]]) / scale
        held, middle = self._held(((x - mean) / scale)[pairs], w)
        own = np.zeros(z.shape[1])
        for _ in range(self.steps):
            lose = np.exp(-np.logaddexp(0, z @ own))
            slope = z.T @ (w * lose) - held @ own
            bend = z.T @ ((w * lose * (1 - lose))[:, None] * z) + held
            step = np.linalg.solve(bend, slope)
            own = own + step
            if np.abs(step).max(initial=0.0) <= 1e-12 * max(1.0, np.abs(own).max(initial=0.0)):
                break
        return LinearScorer(own, mean, scale, np.array(0.0 - middle @ own))

    def _held(self, rows: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(curvature (F, F) of the penalties, middle (F,)) of rows (M, 2, F) of weighted pairs.

        The best bias is minus the mean score, which leaves the scores' variance to be held.
        """
        ridge = self.penalty * np.eye(rows.shape[-1])
        if not self.magnitude:
            return ridge, np.zeros(rows.shape[-1])
        flat, each = rows.reshape(-1, rows.shape[-1]), np.repeat(w, 2)
        middle = each @ flat / each.sum()
        spread = (flat - middle).T @ (each[:, None] * (flat - middle))
        return ridge + 2 * self.magnitude * spread, middle


def averaged(scorers: Sequence[LinearScorer]) -> LinearScorer:
    """The scorer with the uniform average of the others' *parameters* (WARM).

    Parameters are taken in the features' own units, since each scorer has a scale of its own. For
    linear scorers it is also the average of their scores, so that of M independent ones with the
    same error variance has 1/M of it.

    Source: paper 23, code `utils/model_merge.py` (five models, uniform). Raises ValueError for no
    scorer, and for scorers of different numbers of features.
    """
    sizes = sorted({s.weight.size for s in scorers})
    if len(sizes) != 1:
        msg = (
            f"{len(scorers)} scorers of {sizes} features; average one or more of the same features"
        )
        raise ValueError(msg)
    weight = np.mean([s.weight / s.scale for s in scorers], axis=0)
    bias = np.mean([s.bias - (s.mean / s.scale) @ s.weight for s in scorers])
    return LinearScorer(weight, np.zeros(sizes[0]), np.ones(sizes[0]), np.asarray(bias))


def pairs_of(target: Array, rows: int) -> np.ndarray:
    """(M, 2) whole numbers below `rows`, as given. Raises ValueError for anything else."""
    pairs = np.asarray(target)
    fits = pairs.ndim == 2 and pairs.shape[1:] == (2,) and pairs.dtype.kind in "iu"
    if not fits or not len(pairs) or pairs.min() < 0 or pairs.max() >= rows:
        msg = f"target has the shape {pairs.shape}; give (M, 2) whole numbers, rows (winner, "
        msg += f"loser) of the {rows} features"
        raise ValueError(msg)
    return pairs


def table_of(x: Array) -> np.ndarray:
    """(N, F) features as floats. Raises ValueError for other shapes and what is not finite."""
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or not len(x) or not np.isfinite(x).all():
        msg = f"features have the shape {x.shape}; give (N, F) finite numbers, N of 1 and more"
        raise ValueError(msg)
    return x


def same_rows(x: np.ndarray, **others: np.ndarray) -> None:
    """Nothing where each of the others is (N,) finite numbers, N rows of x; weights not below 0.

    Raises ValueError for the first that isn't.
    """
    for name, value in others.items():
        good = value.shape == (len(x),) and np.isfinite(value).all()
        if not good or (name == "weight" and not (value.min() >= 0 and value.sum() > 0)):
            msg = f"{name}={shortened(value)} must be {len(x)} finite numbers, one a row"
            msg += ", none below 0 and not all 0" if name == "weight" else ""
            raise ValueError(msg)


def standard(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, scale) (F,) of features (N, F) with weights (N,); scale 1 for constant ones."""
    mean = w @ x / w.sum()
    scale = np.sqrt(w @ (x - mean) ** 2 / w.sum())
    flat = scale <= 1e-12 * np.maximum(1.0, np.abs(mean))  # rounding of a constant column
    return mean, np.where(flat, 1.0, scale)
