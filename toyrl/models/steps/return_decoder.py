"""Step rewards from returns: a linear model of a few factors of each step.

    decoder = ReturnDecoder().fit(x, which, returns)      x (S, F) factors of all steps
    decoder.score(x)                                      (S,) reward of each step

With only the sum of an episode's rewards known, the factors decide what can be learned: D of them
cost D/(N - D - 1) of the noise (docs/theory/redistribution.md). LaRe has a language model write the
few that matter; whether they are written by it or by hand,
`toyrl.models.steps.factors` verifies them.

The paper's decoder is a small network; here it is linear in the factors. What is bent goes into
the factors, as columns of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.linear import LinearScorer, same_rows, table_of
from toyrl.models.steps.return_losses import PICKED, SOME
from toyrl.ranges import NOT_NEGATIVE, check_fields, one_of

Array = Any
FLAT = 1e-10
"""Share of the largest singular value below which factors repeat each other."""
ROUNDING = 1e-13
"""Share of a column's own size below which what is left of it, less means, is rounding."""


@dataclass(frozen=True)
class ReturnDecoder:
    """Fits w of r_t = w.phi_t to returns R = sum_t r_t (+ a baseline).

    loss : "rd", L_RD; "rrd", L_RRD in expectation over picks, which is a ridge on the factors'
        variance within episodes; "rrd_unbiased", whose expectation is L_RD; "prefix", every prefix
        predicts the return, as RUDDER's sequence model does (reconstructed)
    picked : K of the two RRD losses, at most T; penalty : ridge on the weights of columns that were
        scaled to size 1, in units of one episode
    scale : "mean", losses as published: an episode counts by 1/T^2 of its squared error; "sum", all
        returns alike, which is least squares under equal noise
    baseline : what stands beside the steps' rewards: "none", one level for "all" episodes, or one
        for each "group" (the siblings of a prompt). Levels are not part of step rewards

    With penalty 0 and factors that repeat each other: the shortest solution. Source: paper 41,
    losses from the code; baselines are ours. Raises ValueError for settings out of their ranges.
    """

    loss: Annotated[str, one_of("rd", "rrd", "rrd_unbiased", "prefix")] = "rd"
    picked: Annotated[int, SOME] = PICKED
    penalty: Annotated[float, NOT_NEGATIVE] = 0.0
    scale: Annotated[str, one_of("mean", "sum")] = "mean"
    baseline: Annotated[str, one_of("none", "all", "group")] = "none"

    def __post_init__(self) -> None:
        check_fields(self)

    def fit(
        self,
        x: Array,
        which: Array,
        returns: Array,
        *,
        groups: Array | None = None,
        weight: Array | None = None,
    ) -> LinearScorer:
        """x (S, F) factors of all steps, which (S,) each one's episode, 0..N-1; returns (N,).

        groups : (N,) whose siblings an episode is, for the baseline "group"; weight : (N,) of
            episodes, 1 each unless given. Episodes without a step say nothing. The order of steps
            within an episode counts for "prefix" alone.

        Raises ValueError for arrays that don't match, numbers that aren't finite, and a missing
        `groups`.
        """
        x, which, R = table_of(x), np.asarray(which), np.asarray(returns, dtype=float)
        same_rows(x, which=which.astype(float))
        given = np.ones(len(R)) if weight is None else np.asarray(weight, dtype=float)
        if R.ndim != 1 or not len(R) or not np.isfinite(R).all():
            msg = f"returns={shortened(returns)} must be N finite numbers, one an episode"
            raise ValueError(msg)
        if which.dtype.kind not in "iu" or which.min() < 0 or which.max() >= len(R):
            msg = f"which holds numbers outside 0..{len(R) - 1}, the episodes of the returns"
            raise ValueError(msg)
        same_rows(R[:, None], weight=given)
        groups = self._groups(groups, len(R))
        rows, target, w, of = self._rows(x, which, R, given, groups)
        if self.baseline != "none":
            rows, target = less_means(rows, of, w), less_means(target, of, w)
        gram = rows.T @ (w[:, None] * rows)
        if self.loss == "rrd":
            T = np.maximum(np.bincount(which, minlength=len(R)), 1)
            each = given / T**2 if self.scale == "mean" else given
            apart = picked_apart(x, which, len(R), self.picked)
            gram = gram + apart.T @ (each[which][:, None] * apart)
        own = solved(gram, rows.T @ (w * target), self.penalty / (given > 0).sum())
        return LinearScorer(own, np.zeros(own.size), np.ones(own.size), np.array(0.0))

    def _groups(self, groups: Array | None, N: int) -> np.ndarray:
        if self.baseline != "group":
            return np.zeros(N, dtype=int)
        if groups is None or np.shape(groups) != (N,):
            msg = f"baseline='group' needs groups, {N} numbers, one an episode"
            raise ValueError(msg)
        return np.unique(np.asarray(groups), return_inverse=True)[1]

    def _rows(self, x: np.ndarray, which: np.ndarray, R: np.ndarray, given: np.ndarray,
              groups: np.ndarray) -> tuple[np.ndarray, ...]:  # fmt: skip
        """(rows of the design, targets, weights, groups), on the scale of sums."""
        T = np.bincount(which, minlength=len(R)).astype(float)
        w = given / np.maximum(T, 1) ** 2 if self.scale == "mean" else given
        if self.loss == "prefix":
            order = np.argsort(which, kind="stable")
            so_far = np.cumsum(x[order], axis=0)
            of = which[order]
            start = np.searchsorted(of, of)  # the first step of the own episode
            before = np.concatenate([np.zeros((1, x.shape[1])), so_far])[start]
            return so_far - before, R[of], w[of], groups[of]
        some = T > 0
        return episode_sums(x, which, len(R))[some], R[some], w[some], groups[some]


def picked_apart(x: np.ndarray, which: np.ndarray, N: int, picked: int) -> np.ndarray:
    """(S, F) v with v'v what picking K steps adds to squared errors of sums, in expectation.

    x (S, F) factors of all steps, which (S,) each one's episode of N; picked : K. It is a ridge: of
    one episode T^2 (1 - K/T)/K times the sample covariance of its steps' factors.
    """
    T = np.maximum(np.bincount(which, minlength=N), 1).astype(float)
    K = np.minimum(picked, T)
    each = T**2 * (1 - K / T) / K / np.maximum(T - 1, 1)
    apart = _less(x, (episode_sums(x, which, N) / T[:, None])[which])
    return apart * np.sqrt(each)[which][:, None]


def episode_sums(x: np.ndarray, which: np.ndarray, N: int) -> np.ndarray:
    """(N, F) sums over each episode's steps of x (S, F); which (S,) says whose each step is."""
    return np.stack([np.bincount(which, column, N) for column in x.T], axis=-1)


def less_means(x: np.ndarray, of: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x (M,) or (M, F) less the weighted means of its groups; of (M,) from 0, w (M,) >= 0."""
    n = int(of.max()) + 1
    table = x.reshape(len(x), -1)
    total = np.bincount(of, w, n)
    sums = episode_sums(w[:, None] * table, of, n)
    return _less(table, (sums / np.where(total > 0, total, 1)[:, None])[of]).reshape(x.shape)


def _less(table: np.ndarray, means: np.ndarray) -> np.ndarray:
    """The difference of tables (M, F); columns of which rounding alone is left are 0."""
    left = table - means
    some = np.linalg.norm(left, axis=0) > ROUNDING * np.linalg.norm(table, axis=0)
    return np.where(some, left, 0.0)


def solved(gram: np.ndarray, right: np.ndarray, penalty: float) -> np.ndarray:
    """(F,) weights in the factors' own units; the shortest of the solutions on columns of size 1.

    gram (F, F), right (F,) : normal equations; penalty : as a share of a column's squared size
    """
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0, size, np.inf)
    scaled = gram / np.outer(scale, scale) + penalty * np.eye(len(gram))
    return np.linalg.lstsq(scaled, right / scale, rcond=FLAT)[0] / scale
