"""ODIN: two linear heads on the same features, one of which is to know nothing of the length.

    loss = -log sigmoid((Q_w + L_w) - (Q_l + L_l))                        per pair, mean
           + tie (|corr(Q, length)| - corr(L, length))                    over all rows of the pairs
           + apart |W_Q . W_L|/(|W_Q| |W_L|)

The reward is Q alone: what the pairs say about length goes into the other head.

Source: paper 23, section 2 (ODIN as a baseline; code of PorUna-byte/PAR), where the heads stand on
a language model's trunk; here on given features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import pairs_of, same_rows, standard, table_of
from toyrl.ranges import NOT_NEGATIVE, check_fields

Array = Any
ROUNDING = (1e-1, 3e-2, 1e-2, 3e-3, 1e-3)
"""Rounding of the corners of |.|, one after the other: the optimum lies on a corner."""
FLOOR = 1e-2
"""Added (in squares) to the spread of a head's scores and to its norm. Correlation and cosine don't
see a head's scale: one that the pairs have no use for would shrink to 0, and the fit with it."""


@model("two_heads")
@dataclass(frozen=True, eq=False)
class TwoHeads:
    """Heads (F,) on (x - mean)/scale; `score` is the quality head's, without bias."""

    quality: np.ndarray
    length: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def score(self, x: Array) -> np.ndarray:
        """(N,) quality of features (N, F)."""
        return (np.asarray(x, dtype=float) - self.mean) / self.scale @ self.quality

    def length_score(self, x: Array) -> np.ndarray:
        """(N,) what the other head says of features (N, F)."""
        return (np.asarray(x, dtype=float) - self.mean) / self.scale @ self.length


@dataclass(frozen=True)
class Odin:
    """Fits `TwoHeads` to pairs by BFGS.

    tie, apart : weights of the two penalties, 1 and 1; ridge : on both heads' squared weights, in
        units of the mean loss of a pair

    Raises ValueError for settings out of their ranges.
    """

    tie: Annotated[float, NOT_NEGATIVE] = 1.0
    apart: Annotated[float, NOT_NEGATIVE] = 1.0
    ridge: Annotated[float, NOT_NEGATIVE] = 1e-3

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, length: Array, weight: Array | None = None
            ) -> TwoHeads:  # fmt: skip
        """x (N, F), target (M, 2) rows (winner, loser), length (N,) of each row, weight (M,).

        Raises ValueError for pairs of rows that aren't there, and where all lengths are equal.
        """
        from scipy.optimize import minimize

        x, pairs = table_of(x), pairs_of(target, len(x))
        size = np.asarray(length, dtype=float)
        same_rows(x, length=size)
        w = np.ones(len(pairs)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(pairs, weight=w)
        mean, scale = standard(x, np.ones(len(x)))
        z, flat = (x - mean) / scale, pairs.ravel()
        each = np.repeat(w / w.sum(), 2) / 2
        long = size[flat] - each @ size[flat]
        spread = np.sqrt(each @ long**2)
        if not spread > 1e-12 * max(1.0, np.abs(size).max()):
            msg = f"length={shortened(size)} is the same everywhere: it correlates with nothing"
            raise ValueError(msg)
        rows = z[flat] - each @ z[flat]
        gap = z[pairs[:, 0]] - z[pairs[:, 1]]
        tied = (rows * (each * long / spread)[:, None]).sum(0)  # covariance with the unit length
        cov = rows.T @ (each[:, None] * rows)
        # Both begin along the pairs' mean gap, one of them turned to the length.
        first = (w / w.sum()) @ gap
        heads = np.concatenate([first, first + 0.25 * tied])
        for delta in ROUNDING:
            given = (gap, w / w.sum(), tied, cov, delta)
            heads = minimize(self._loss, heads, given, jac=True, method="BFGS").x
        quality, rest = np.split(heads, 2)
        return TwoHeads(quality, rest, mean, scale)

    def _loss(self, v: np.ndarray, gap: np.ndarray, w: np.ndarray, tied: np.ndarray,
              cov: np.ndarray, delta: float) -> tuple[float, np.ndarray]:  # fmt: skip
        """(loss, gradient) of both heads (2 F,)."""
        q, h = np.split(v, 2)
        margin = gap @ (q + h)
        pull = -gap.T @ (w * np.exp(-np.logaddexp(0, margin)))
        value = w @ np.logaddexp(0, -margin) + self.ridge / 2 * (v @ v)
        out = np.concatenate([pull, pull]) + self.ridge * v
        c_q, d_q = _correlation(q, tied, cov)
        c_h, d_h = _correlation(h, tied, cov)
        round_q = np.sqrt(c_q**2 + delta**2)
        value += self.tie * (round_q - c_h)
        out += self.tie * np.concatenate([c_q / round_q * d_q, -d_h])
        a, d_a = _cosine(q, h)
        round_a = np.sqrt(a**2 + delta**2)
        return float(value + self.apart * round_a), out + self.apart * a / round_a * d_a


def _correlation(v: np.ndarray, tied: np.ndarray, cov: np.ndarray) -> tuple[float, np.ndarray]:
    """Correlation of the scores of v with the length, and its gradient."""
    sd = np.sqrt(v @ cov @ v + FLOOR**2)
    c = (tied @ v) / sd
    return float(c), tied / sd - c * (cov @ v) / sd**2


def _cosine(q: np.ndarray, h: np.ndarray) -> tuple[float, np.ndarray]:
    """q . h/(|q| |h|) and its gradient in (q, h)."""
    nq, nh = np.sqrt(q @ q + FLOOR**2), np.sqrt(h @ h + FLOOR**2)
    bottom = nq * nh
    a = (q @ h) / bottom
    down = a / bottom
    return float(a), np.concatenate(
        [h / bottom - down * nh / nq * q, q / bottom - down * nq / nh * h]
    )
