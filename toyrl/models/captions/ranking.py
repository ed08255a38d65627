"""Captions ranked in pairs: Bradley-Terry with ties, and the running moments of its scores.

    pairs = drawn_pairs(len(captions), rng, 10)
    scorer = CaptionRanker().fit(features, pairs, labels)      0 the first is better, 1, 2 a tie
    moments = RunningMoments.start().after(scorer.score(features))
    ranked_reward(scorer.score(features), moments.mean, moments.var)

Source: paper 06, section 2, (2) to (4) (`online_motif`; rlaif/reward_model.py, rlaif/dataset.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import BradleyTerry, LinearScorer
from toyrl.ranges import COUNT, POSITIVE, check_fields

Array = Any
START_WEIGHT = 1e-4
"""Weight of the moments before the first batch: the paper's."""


def drawn_pairs(n: int, rng: np.random.Generator, pairs: int = 10) -> np.ndarray:
    """(pairs, 2) indices below n, uniform with replacement: a caption may meet itself.

    Raises ValueError for no caption.
    """
    if n < 1:
        msg = f"n={n}: there is no caption to draw pairs from yet; wait for the first"
        raise ValueError(msg)
    return rng.integers(0, n, size=(pairs, 2))


def pair_targets(labels: Sequence[float]) -> np.ndarray:
    """(N,) y of labels: 0 the first is better, 1 the second, 2 (or anything unreadable, NaN) a tie,
    which is y = 0.5.

    Raises ValueError for other numbers.
    """
    y = np.asarray(labels, dtype=float)
    y = np.where(np.isnan(y) | (y == 2), 0.5, y)
    if not np.isin(y, (0.0, 0.5, 1.0)).all():
        msg = f"labels {shortened(labels)} must be 0 (the first is better), 1 or 2 (a tie)"
        raise ValueError(msg)
    return y


def ranking_loss(r_pair: Array, y: Array) -> float:
    """-(1/N) sum [(1 - y) log p_1 + y log p_2], (p_1, p_2) = softmax of scores (N, 2); y (N,).

    Source: paper 06, (2). Raises ValueError for scores of another shape.
    """
    r, y = np.asarray(r_pair, dtype=float), np.asarray(y, dtype=float)
    if r.ndim != 2 or r.shape[1] != 2 or y.shape != r.shape[:1]:
        msg = f"r_pair has the shape {r.shape} and y {y.shape}; give (N, 2) and (N,)"
        raise ValueError(msg)
    gap = r[:, 1] - r[:, 0]
    return float(np.mean((1 - y) * np.logaddexp(0, gap) + y * np.logaddexp(0, -gap)))


@dataclass(frozen=True)
class CaptionRanker:
    """Scores from comparisons of captions, a tie being half a win for either.

    penalty : on the squared weights, in units of one pair; steps : most Newton steps
    The paper's network is trained by Adam at 10 pairs a step with gradients clipped at 10; a linear
    scorer is fitted to the end.

    Source: paper 06, section 2. Raises ValueError for settings out of their ranges.
    """

    penalty: Annotated[float, POSITIVE] = 1.0
    steps: Annotated[int, COUNT] = 50

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(self, x: Array, target: Array, labels: Sequence[float], *, weight: Array | None = None
            ) -> LinearScorer:  # fmt: skip
        """A scorer from features (N, F), pairs (M, 2) of rows, labels and weights (M,) of pairs.

        Raises ValueError for pairs or labels that are none.
        """
        pairs, y = np.asarray(target), pair_targets(labels)
        w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
        both = np.concatenate([pairs, pairs[:, ::-1]])
        return BradleyTerry(self.penalty, self.steps).fit(
            x, both, weight=np.concatenate([w * (1 - y), w * y])
        )


@model("running_moments")
@dataclass(frozen=True, eq=False)
class RunningMoments:
    """Mean and variance of all scores so far; arrays ().

    count : number of scores, and the weight of the start's mean 0 and variance 1
    """

    mean: np.ndarray
    var: np.ndarray
    count: np.ndarray

    @classmethod
    def start(cls, weight: float = START_WEIGHT) -> RunningMoments:
        """Before the first batch; weight 0 leaves no trace of the start."""
        return cls(np.array(0.0), np.array(1.0), np.array(float(weight)))

    def after(self, batch: Array) -> RunningMoments:
        """The moments with a batch of n scores (n,), its variance unbiased.

        A batch of one has variance 0 (its unbiased variance, NaN, poisons the released state for
        ever), an empty batch changes nothing.

        Source: paper 06, (4). Raises ValueError for scores that aren't finite.
        """
        x = np.ravel(np.asarray(batch, dtype=float))
        if not np.isfinite(x).all():
            msg = (
                f"a batch of scores holds {int((~np.isfinite(x)).sum())} that aren't finite; leave "
            )
            msg += "them out"
            raise ValueError(msg)
        n = len(x)
        if not n:
            return self
        total, delta = self.count + n, x.mean() - self.mean
        spread = x.var(ddof=1) if n > 1 else 0.0
        own = self.var * self.count + spread * n + delta**2 * self.count * n / total
        return RunningMoments(self.mean + delta * n / total, own / total, total)

    @property
    def stats(self) -> np.ndarray:
        """(3,) mean, variance, count."""
        return np.array([self.mean, self.var, self.count])
