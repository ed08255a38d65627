"""A reward learned from a few demonstrations: how far through their steps is a state?

    x, which = stacked([(T_1, F), (T_2, F), ...])      frames of all, and whose each is
    model = StepDiscovery(steps=4).fit(x, which)
    model.step_scores(frames)       (T, n) R_g in [0, 1] of each step
    model.score(frames)             (T,) their weighted sum, 0..2^n - 2: a potential of states
    model.progress(frames)          (T,) of one episode in order: latched, in [0, 1]

Demonstrations are cut into steps (`toyrl.models.steps.discovery`); each step keeps the features
that tell it best from the rest, and a Gaussian on them:

    z_i = alpha |mu+_i - mu-_i| - (sigma+_i + sigma-_i)              the M largest
    dist_g(s) = (1/M) sum_j ((s_j - mu_j)/sigma_j)^2
    R_g(s) = clip(1 - dist_g(s)/neg_g, 0, 1), neg_g the mean of dist_g over the other frames
    R(s) = sum_(g=2)^n 2^(g-1) R_g(s)

Step 1 is where everybody begins, and is never paid.

Source: paper 44. z, dist and R from memory of the paper, unverified; the normalisation of R_g and
the latch are reconstructed: the paper's are not known to us.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from array_api_compat import array_namespace

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import same_rows
from toyrl.models.steps.discovery import discover, step_of
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE, check_fields, one_of
from toyrl.rollouts.tokens import running_maximum

Array = Any
ORDERS = ("gate", "strict", "none")
REACHED = 0.5
"""Score above which a step counts as done (reconstructed)."""


# -- formulas --------------------------------------------------------------------------------------
def feature_gap(positive: Array, negative: Array, *, alpha: float = 5.0,
                weights: tuple[Array, Array] | None = None) -> np.ndarray:  # fmt: skip
    """(F,) z, how well each feature tells frames (P, F) from frames (N, F); may be negative.

    weights : of the frames of both, (P,) and (N,); None: 1. Deviations are the population's.
    """
    own, other = weights or (None, None)
    (m, s), (m_other, s_other) = _moments(positive, own), _moments(negative, other)
    return alpha * np.abs(m - m_other) - (s + s_other)


def step_weights(steps: int) -> np.ndarray:
    """(n,) 0, 2, 4, ..., 2^(n-1): each step outweighs all before it; in all 2^n - 2."""
    return np.where(np.arange(steps) > 0, 2.0 ** np.arange(steps), 0.0)


def combined(scores: Array) -> Array:
    """(..., T) R of step scores (..., T, n): no latch, each state by itself. Any backend."""
    xp = array_namespace(scores)
    weights = xp.asarray(step_weights(scores.shape[-1]), dtype=scores.dtype)
    return xp.sum(scores * weights, axis=-1)


def latched(scores: Array, *, order: str = "gate", reached: float = REACHED) -> Array:
    """(..., T) the reward of an episode so far, from step scores (..., T, n); never falls.

    m_g is the running maximum of R_g, and the reward sum_(g>=2) 2^(g-1) m_g over steps g that are
    open: every step from 2 on before them has m > `reached`. NaN scores (dropped frames) count
    as 0. Any backend.

    order : "gate", as stated: a step seen too early is paid once those before it are done, so that
        steps written in reverse are paid in full in the end; "strict" (ours), a step is looked at
        only from the frame on at which those before it are done; "none", no order at all

    Raises ValueError for another order.
    """
    if order not in ORDERS:
        msg = f"order={shortened(order)} is not one of {', '.join(ORDERS)}"
        raise ValueError(msg)
    xp = array_namespace(scores)
    own = xp.where(xp.isnan(scores), xp.zeros_like(scores), scores)
    total = xp.zeros_like(own[..., 0])
    is_open = total == 0
    for g in range(1, own.shape[-1]):
        seen = own[..., g]
        if order == "strict":
            seen = xp.where(is_open, seen, xp.zeros_like(seen))
        best = running_maximum(seen)
        total = total + xp.where(is_open, 2.0**g * best, xp.zeros_like(best))
        if order != "none":
            is_open = is_open & (best > reached)
    return total


# -- the model -------------------------------------------------------------------------------------
@model("step_rewards")
@dataclass(frozen=True, eq=False)
class StepRewards:
    """n steps of M features each: which (n, M), their means and deviations (n, M), neg (n,)."""

    selected: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    far: np.ndarray

    @property
    def steps(self) -> int:
        """n."""
        return len(self.far)

    @property
    def most(self) -> float:
        """2^n - 2, what all steps together are worth."""
        return float(step_weights(self.steps).sum())

    def distances(self, x: Array) -> np.ndarray:
        """(T, n) dist_g of frames (T, F): 0 where every selected feature is at its mean."""
        own = np.asarray(x, dtype=float)[:, self.selected.astype(int)]
        return (((own - self.mean) / self.deviation) ** 2).mean(axis=-1)

    def step_scores(self, x: Array) -> np.ndarray:
        """(T, n) R_g of frames (T, F), in [0, 1]; NaN where a selected feature is."""
        return np.clip(1 - self.distances(x) / self.far, 0, 1)

    def score(self, x: Array) -> np.ndarray:
        """(T,) R of frames (T, F), each by itself: in [0, 2^n - 2]."""
        return combined(self.step_scores(x))

    def progress(self, x: Array, *, order: str = "gate") -> np.ndarray:
        """(T,) share of the way done after each frame of one episode (T, F): latched, in [0, 1]."""
        return latched(self.step_scores(x), order=order) / self.most


@dataclass(frozen=True)
class StepDiscovery:
    """Finds the steps of demonstrations and fits `StepRewards` to them.

    steps : n, 2 or more; features : M, those of a step (all, where there are fewer); alpha : weight
        of the gap of means in z; floor : least deviation, else a feature that is constant within a
        step rules its distance
    min_size, weighting, search : see `toyrl.models.steps.discovery.discover`

    Raises ValueError for settings out of their ranges.
    """

    steps: Annotated[int, COUNT]
    features: Annotated[int, COUNT] = 32
    alpha: Annotated[float, NOT_NEGATIVE] = 5.0
    floor: Annotated[float, POSITIVE] = 1e-8
    min_size: Annotated[int, COUNT] = 3
    weighting: Annotated[str, one_of("equal", "length")] = "equal"
    search: Annotated[str, one_of("exhaustive", "greedy")] = "exhaustive"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.steps < 2:
            msg = f"steps={self.steps}: step 1 is never paid, so that one step is no reward; give "
            raise ValueError(msg + "2 or more")

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> StepRewards:
        """x (N, F) frames, those of a demonstration in order; target (N,) whose each frame is.

        weight : (N,) of frames in means and deviations; cuts don't see it. Frames with a NaN are
        dropped. Warns where a step selects features that don't tell it from the rest (z <= 0).

        Raises ValueError for no frames, demonstrations too short for the steps, and a step that
        nothing tells from the others.
        """
        x, whose = np.asarray(x, dtype=float), np.asarray(target)
        if x.ndim != 2 or not x.size:
            msg = f"demonstrations of the shape {x.shape}; give frames of features (N, F), at least"
            raise ValueError(msg + " one of each (`stacked` makes them of a list)")
        same_rows(x, target=whose)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(x, weight=w)
        kept = ~np.isnan(x).any(axis=1)
        x, whose, w = x[kept], whose[kept], w[kept]
        if not len(x):
            msg = "every frame of the demonstrations has a NaN; mend the features"
            raise ValueError(msg)
        step = np.zeros(len(x), dtype=int)
        for d in np.unique(whose):
            rows = np.flatnonzero(whose == d)
            found = discover(x[rows], self.steps, min_size=self.min_size, weighting=self.weighting,
                             search=self.search)  # fmt: skip
            step[rows] = step_of(found.cuts, len(rows))
        return self.fit_steps(x, step, weight=w)

    def fit_steps(self, x: Array, step: Array, *, weight: Array | None = None) -> StepRewards:
        """The model of frames x (N, F) whose steps (N,), from 0, are known.

        Raises ValueError for a step without frames or weight, or that nothing tells from the rest.
        """
        x, step = np.asarray(x, dtype=float), np.asarray(step)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(x, step=step, weight=w)
        M = min(self.features, x.shape[1])
        fitted = [self._one(x, w, step == g, g, M) for g in range(self.steps)]
        return StepRewards(*(np.array(part) for part in zip(*fitted, strict=True)))

    def _one(self, x: np.ndarray, w: np.ndarray, own: np.ndarray, g: int, M: int
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:  # fmt: skip
        if not w[own].sum() > 0 or not w[~own].sum() > 0:
            msg = f"step {g + 1} of {self.steps} has no frames of its own, or all; give steps 0.."
            msg += f"{self.steps - 1} with frames in each, of positive weight"
            raise ValueError(msg)
        z = feature_gap(x[own], x[~own], alpha=self.alpha, weights=(w[own], w[~own]))
        selected = np.argsort(-z, kind="stable")[:M]
        mean, deviation = (v[selected] for v in _moments(x[own], w[own]))
        deviation = np.maximum(deviation, self.floor)
        distance = (((x[~own][:, selected] - mean) / deviation) ** 2).mean(axis=-1)
        far = float(np.average(distance, weights=w[~own]))
        if not far > 0:
            msg = f"step {g + 1} of {self.steps} can't be told from the others: its features are "
            raise ValueError(msg + "constant; give features that change between steps")
        if z[selected].min() <= 0:
            bad = int((z[selected] <= 0).sum())
            warnings.warn(
                f"step {g + 1}: {bad} of {M} selected features don't tell it from the rest "
                "(z <= 0); choose fewer features",
                UserWarning,
                stacklevel=4,
            )
        return selected.astype(float), mean, deviation, far


def stacked(demonstrations: Sequence[Array]) -> tuple[np.ndarray, np.ndarray]:
    """((N, F) frames of all, (N,) the number of the demonstration) from tables (T, F).

    Raises ValueError for no demonstration, one without frames, and different numbers of features.
    """
    tables = [np.asarray(x, dtype=float) for x in demonstrations]
    if not tables:
        msg = "no demonstration: give at least one table of frames (T, F)"
        raise ValueError(msg)
    for i, x in enumerate(tables):
        if x.ndim != 2 or not x.size or x.shape[1] != tables[0].shape[-1]:
            msg = f"demonstration {i} has the shape {x.shape}, the first {tables[0].shape}; give "
            raise ValueError(msg + "tables (T, F) with at least one frame, all of the same F")
    which = np.repeat(np.arange(len(tables)), [len(x) for x in tables])
    return np.concatenate(tables), which


def _moments(x: Array, weight: Array | None) -> tuple[np.ndarray, np.ndarray]:
    table = np.asarray(x, dtype=float)
    mean = np.average(table, axis=0, weights=weight)
    return mean, np.sqrt(np.average((table - mean) ** 2, axis=0, weights=weight))
