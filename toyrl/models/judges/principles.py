"""Judges that are told a principle: a bilinear scorer, and whether a judge is of any use.

    rows = with_principle(phi, c)                        (N, D + C): features, then the principle
    scorer = PrincipleBradleyTerry(principles=C).fit(rows, pairs)
    scorer.score(rows)                                   (N,) phi^T W c
    scorer.under(c)                                      a `LinearScorer` of phi alone

A judge that is not told is a `LinearScorer` of phi: its accuracies under c and -c add up to 1.

Source: paper 12 (RewardAnything); the bilinear model is its smallest counterpart, ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import BradleyTerry, LinearScorer
from toyrl.ranges import COUNT, POSITIVE, check_fields

Array = Any
ERRORS = 4.0
"""Standard errors by which a useful judge is better than chance."""


def with_principle(features: Array, principle: Array) -> np.ndarray:
    """(N, D + C) rows of features (N, D) and a principle (C,) or one each (N, C)."""
    phi, c = np.asarray(features, dtype=float), np.asarray(principle, dtype=float)
    return np.concatenate([phi, np.broadcast_to(c, (len(phi), c.shape[-1]))], axis=-1)


@model("bilinear")
@dataclass(frozen=True, eq=False)
class PrincipleScorer:
    """score(phi, c) = phi^T W c; weight (D, C)."""

    weight: np.ndarray

    def score(self, x: Array) -> np.ndarray:
        """(N,) scores of rows (N, D + C).

        Raises ValueError for rows of another width.
        """
        x, (d, c) = np.asarray(x, dtype=float), self.weight.shape
        if x.ndim != 2 or x.shape[1] != d + c:
            msg = f"rows have the shape {x.shape}; give (N, {d + c}): {d} features, then {c} "
            msg += "numbers of the principle (toyrl.models.judges.principles.with_principle)"
            raise ValueError(msg)
        return ((x[:, :d] @ self.weight) * x[:, d:]).sum(-1)

    def under(self, principle: Array) -> LinearScorer:
        """The scorer of features (N, D) under one principle (C,)."""
        own = self.weight @ np.asarray(principle, dtype=float)
        return LinearScorer(own, np.zeros_like(own), np.ones_like(own), np.array(0.0))


@dataclass(frozen=True)
class PrincipleBradleyTerry:
    """Bradley-Terry on the products phi_d c_k, of pairs under the same principle.

    principles : C, the numbers at the end of each row that are the principle
    penalty, steps : as in `BradleyTerry`

    Raises ValueError for settings out of their ranges.
    """

    principles: Annotated[int, COUNT]
    penalty: Annotated[float, POSITIVE] = 1.0
    steps: Annotated[int, COUNT] = 50

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> PrincipleScorer:
        """x (N, D + C), target (M, 2) rows (winner, loser), weight (M,) of pairs.

        Raises ValueError for rows without a feature, for pairs across two principles, and as
        `BradleyTerry.fit` does.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] <= self.principles:
            msg = f"rows have the shape {x.shape}; give (N, D + {self.principles}), features first"
            raise ValueError(msg)
        phi, c = x[:, : -self.principles], x[:, -self.principles :]
        products = (phi[:, :, None] * c[:, None, :]).reshape(len(x), -1)
        fitted = BradleyTerry(self.penalty, self.steps).fit(products, target, weight=weight)
        pairs = np.asarray(target)
        if (c[pairs[:, 0]] != c[pairs[:, 1]]).any():
            msg = "a pair compares responses under two principles; scores compare within one call"
            raise ValueError(msg)
        return PrincipleScorer((fitted.weight / fitted.scale).reshape(phi.shape[1], -1))


@dataclass(frozen=True)
class Usefulness:
    """How a judge did on lists whose truth is known.

    lists : with two responses and more; unread : share of them without two scores; tied : share of
    the scored pairs that it ties; accuracy : mean over lists of the share of pairs ordered as the
    truth does, ties half, and an unread list half; error : its standard error, by lists
    useless : not better than chance by `ERRORS` standard errors
    """

    lists: int
    unread: float
    tied: float
    accuracy: float
    error: float
    useless: bool


def usefulness(scores: Array, truth: Array, *, cluster: Array | None = None) -> Usefulness:
    """Whether a judge orders better than chance, from scores (L, n) and true grades (L, n).

    scores : NaN where missing; truth : NaN where there is no such response. A pair without both
        scores counts half; lists whose truth ties everything are left out
    cluster : (L,) labels of lists that are judged together, as the same responses under a
        principle and its opposite; None: each list by itself

    Raises ValueError for arrays of other shapes, and without any list to judge.
    """
    s, g = np.asarray(scores, dtype=float), np.asarray(truth, dtype=float)
    if s.ndim != 2 or s.shape != g.shape:
        msg = f"scores have the shape {s.shape}, truth {g.shape}; give both (lists, responses)"
        raise ValueError(msg)
    i, j = np.triu_indices(s.shape[1], 1)
    order = np.sign(g[:, i] - g[:, j])
    ask = np.abs(order) == 1  # neither tied nor NaN
    own = np.sign(s[:, i] - s[:, j])
    credit = np.where(np.isnan(own), 0.5, (1 + own * np.where(ask, order, 0.0)) / 2)
    kept = ask.any(-1)
    if not kept.any():
        msg = f"truth={shortened(truth)} has no two responses of different grades in any list"
        raise ValueError(msg)
    accuracy = (credit * ask).sum(-1)[kept] / ask.sum(-1)[kept]
    read = (~np.isnan(s) & ~np.isnan(g)).sum(-1)[kept] > 1
    scored = ask & ~np.isnan(own)
    label = np.arange(len(s)) if cluster is None else np.asarray(cluster)
    _, of = np.unique(label[kept], return_inverse=True)
    count = np.bincount(of)
    mean = float(accuracy.mean())
    away = np.bincount(of, accuracy - mean)
    many = len(count)
    error = math.sqrt((away**2).sum() * many / (many - 1)) / len(accuracy) if many > 1 else math.inf
    return Usefulness(
        len(accuracy),
        float(1 - read.mean()),
        float((own[scored] == 0).mean()) if scored.any() else 0.0,
        mean,
        error,
        not mean > 0.5 + ERRORS * error + 1e-12,
    )
