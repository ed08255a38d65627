"""Conditional advantages (CANON): compare a rollout with the other half of its group.

The group is split into the half with low and the half with high values of a metric (response
length, mean token entropy). Means of halves:

    A_inter = R - mean of the other half     rewards the half that does better
    A_intra = R - mean of the own half       picks the best within each half
    A       = mu A_inter + (1 - mu) A_intra

For an even group A_i = (R_i - mean) + (2 mu - 1) sign_i (m_high - m_low)/2, so that mu = 1/2 is
the mean baseline (Dr. GRPO) and no direction of the metric is preferred. There is no division by
a standard deviation; the loss sums tokens and divides by the limit (`dr_grpo` aggregation).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.ranges import FINITE, FLAG, NOT_NEGATIVE, SHARE, Range, check_fields, one_of
from toyrl.registry import entry
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Parts, at, sum_parts

Array = Any
CODE = "biuboomc/CANON, verl/trainer/ppo/core_algos.py"
FROM_BATCH = ("accuracy", "failure")
UPDATES = Range("[1, inf)", whole=True)


@entry(
    "canon",
    kind="estimator",
    formula="A_i = mu (r_i - mean of the other half) + (1 - mu)(r_i - mean of its half)",
    cards=("34",),
    section=f"Eqs. 5, 7, 8; code {CODE}",
    provenance="code",
)
@dataclass(frozen=True)
class Canon(Estimator):
    """Rollouts compared with the other half of their group by length (or another metric).

    mu : weight of A_inter in [0, 1]; a number, a schedule of the update, or "accuracy" (mu is the
        batch's mean reward: first intra, later inter), or "failure" (1 - that: the reverse)
    alpha : weight of the `heavy` half's rewards inside A_inter; with lengths and heavy="high",
        alpha < 1 presses towards short answers, in all-right groups too
    metric : "length", or a registered field; per-token fields are averaged over the mask
    heavy : which half alpha multiplies: "high" (length in the code) or "low" (entropy in the code)
    bonus : added to A_inter of the high half, subtracted from that of the low half (code only)
    ties : "average" takes the expectation over random orders of equal metrics, exactly;
        "order" breaks ties by position, as the code's stable sort does
    singleton : a group of one gets "zero", or "raw", (mu alpha + 1 - mu) R as in the code

    With an odd group the high half is the larger one. A NaN reward or metric makes a rollout
    absent: out of the halves, advantage 0. Works on weights (multiplicities, probabilities).

    Raises ValueError for a `mu` in words other than these two, or another choice of metric, heavy,
    ties or singleton.
    """

    mu: Annotated[Any, Range("[0, 1]", words=FROM_BATCH)] = 1.0
    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    metric: str = "length"
    heavy: Annotated[str, one_of("high", "low")] = "high"
    bonus: Annotated[Any, FINITE] = 0.0
    ties: Annotated[str, one_of("average", "order")] = "average"
    singleton: Annotated[str, one_of("zero", "raw")] = "zero"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The metric, and the mask where it has a number per token."""
        known = FIELDS.get(self.metric)
        return (self.metric, "mask") if known and known.axes else (self.metric,)

    @property
    def scope(self) -> str:
        """ "batch" where mu is the batch's mean reward, else "group"."""
        return "batch" if isinstance(self.mu, str) else "group"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        reward = sum_parts(parts, rollouts)
        return self.advantages(reward, rollouts), dict(state or {})

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """With mu as the number that it is in a batch of very many prompts."""
        del group_size  # a mean reward does not depend on it
        if not isinstance(self.mu, str):
            return self
        reward = sum_parts(parts, rollouts)
        xp, broken = rollouts.xp, rollouts.xp.isnan(reward)
        w = xp.where(broken, xp.zeros_like(reward), rollouts.w)
        return replace(self, mu=float(self._mix(reward, rollouts, w)[..., 0, 0]))

    def advantages(self, reward: Array, r: Rollouts) -> Array:
        """Advantages (..., B, G) of total rewards (..., B, G)."""
        xp, zero = r.xp, r.xp.zeros_like(reward)
        metric = self._metric(r)
        broken = xp.isnan(reward) | xp.isnan(metric)
        w = xp.where(broken, zero, r.w)
        reward = xp.where(broken, zero, reward)
        metric = xp.where(w > 0, metric, zero)
        halves = split(metric, w, size=r.group_size, ties=self.ties)
        # Shifted by the group's least reward, so that a tied group has advantages exactly 0.
        least = stats.minimum(reward, w)
        least = xp.where(xp.isfinite(least), least, xp.zeros_like(least))
        m = half_means(reward - least, w, halves)
        mu, rest = self._mix(reward, r, w), 1 - at(self.alpha, r.step)
        bonus = at(self.bonus, r.step)
        if self.heavy == "high":
            tilt_low, tilt_high = rest * (m.high_if_low + least), -rest * reward
        else:
            tilt_low, tilt_high = -rest * reward, rest * (m.low_if_high + least)
        x = reward - least
        low = x - (mu * m.high_if_low + (1 - mu) * m.low_if_low) + mu * (tilt_low - bonus)
        high = x - (mu * m.low_if_high + (1 - mu) * m.high_if_high) + mu * (tilt_high + bonus)
        out = halves.low * low + (1 - halves.low) * high
        single = zero + (stats.mass(w) if r.group_size is None else r.group_size) <= 1
        kept = 1 - rest if self.heavy == "high" else 1.0
        alone = reward * (mu * kept + 1 - mu) if self.singleton == "raw" else zero
        return xp.where(w > 0, xp.where(single, alone, out), zero)

    def _metric(self, r: Rollouts) -> Array:
        """(..., B, G) what the group is split by."""
        value = r.need(self.metric, by=type(self).__name__)
        if value.ndim == r.correct.ndim:
            return value
        xp, mask = r.xp, r.need("mask", by=type(self).__name__)
        tokens = xp.sum(mask, axis=-1)
        inside = xp.where(mask > 0, value, xp.zeros_like(value)) * mask
        return xp.sum(inside, axis=-1) / xp.where(tokens > 0, tokens, xp.ones_like(tokens))

    def _mix(self, reward: Array, r: Rollouts, w: Array) -> Any:
        """mu: a number or (..., 1, 1)."""
        if not isinstance(self.mu, str):
            return at(self.mu, r.step)
        xp = r.xp
        mass = xp.sum(w, axis=(-2, -1), keepdims=True)
        kept = xp.where(w > 0, reward, xp.zeros_like(reward)) * w
        mean = xp.sum(kept, axis=(-2, -1), keepdims=True)
        mean = mean / xp.where(mass > 0, mass, xp.ones_like(mass))
        return mean if self.mu == "accuracy" else 1 - mean


@entry(
    "canon_entropy",
    kind="estimator",
    formula="A_i = mu (r_i - mean of the other half) + (1 - mu)(r_i - mean of its half)",
    cards=("34",),
    section=f"Eqs. 5, 8; code {CODE}",
    provenance="code",
)
@dataclass(frozen=True)
class CanonEntropy(Canon):
    """Rollouts compared with the other half of their group by mean token entropy.

    As `canon`, with the field `entropy` averaged over each rollout's tokens; alpha weighs the
    low-entropy half, as in the code.
    """

    metric: str = "entropy"
    heavy: str = "low"


@dataclass(frozen=True)
class Halves:
    """A group split at the middle of its order by a metric.

    low (..., B, G) : probability of lying in the low half; 0 or 1 but for ties at the middle
    n_low, n_high (..., B, 1) : weight of the halves
    same (..., B, G, G) : 1 where two rollouts have no order between them
    unit : weight of one rollout (0 in the population limit)
    """

    low: Array
    n_low: Array
    n_high: Array
    same: Array
    unit: Any


def split(metric: Array, w: Array, *, size: Any = None, ties: str = "average") -> Halves:
    """The low half holds floor(G/2) of the G rollouts behind the weights, the high half the rest.

    metric, w : (..., B, G); size : rollouts behind the weights (None: their sum; inf: population)
    ties : "average" (all orders of equal values equally likely) or "order" (earlier is lower)
    """
    xp = stats.array_namespace(metric, w)
    mass = stats.mass(w)
    if size is None:
        n_low, unit = xp.floor(mass / 2), 1.0
    elif isinstance(size, (int, float)):
        count = max(float(size), 1.0)
        n_low = mass * (0.5 if count == float("inf") else count // 2 / count)
        unit = mass / count
    else:
        count = xp.maximum(size, xp.ones_like(size))
        n_low, unit = mass * (xp.floor(count / 2) / count), mass / count
    other, own = metric[..., None, :], metric[..., :, None]
    below, same = other < own, other == own
    if ties == "order":
        place = xp.cumulative_sum(xp.ones_like(metric), axis=-1)
        earlier = place[..., None, :] < place[..., :, None]
        below, same = below | (same & earlier), place[..., None, :] == place[..., :, None]
    same = xp.astype(same, metric.dtype)
    under = xp.sum(xp.astype(below, metric.dtype) * w[..., None, :], axis=-1)
    block = xp.sum(same * w[..., None, :], axis=-1)
    low = (n_low - under) / xp.where(block > 0, block, xp.ones_like(block))
    low = xp.minimum(xp.maximum(low, xp.zeros_like(low)), xp.ones_like(low))
    return Halves(low, n_low, mass - n_low, same, unit)


@dataclass(frozen=True)
class HalfMeans:
    """Expected mean reward of a half given the half in which the own rollout lies, (..., B, G)."""

    low_if_low: Array
    high_if_low: Array
    low_if_high: Array
    high_if_high: Array


def half_means(x: Array, w: Array, h: Halves) -> HalfMeans:
    """Expected means of the halves over the orders of equal metrics, each own place given.

    Of a block of n tied rollouts that straddles the middle, k lie in the low half; given the own
    place, the others of the block share what places are left, each with the block's mean without
    the own reward. Means are linear, so this is the exact average over tie-breaks.

    x, w : (..., B, G).
    """
    xp, zero = stats.array_namespace(x, w), stats.array_namespace(x, w).zeros_like(x)
    kept = xp.where(w > 0, x, zero) * w
    in_low = xp.sum(h.low * kept, axis=-1, keepdims=True)
    in_high = xp.sum((1 - h.low) * kept, axis=-1, keepdims=True)
    n = xp.sum(h.same * w[..., None, :], axis=-1)
    block = xp.sum(h.same * kept[..., None, :], axis=-1)
    others = n - h.unit
    some = others > 8 * xp.finfo(x.dtype).eps * n
    rest = xp.where(some, (block - h.unit * x) / xp.where(some, others, xp.ones_like(n)), zero)
    k, mine = h.low * n, h.unit * x
    without_low, without_high = in_low - h.low * block, in_high - (1 - h.low) * block
    n_low = xp.where(h.n_low > 0, h.n_low, xp.ones_like(h.n_low))
    n_high = xp.where(h.n_high > 0, h.n_high, xp.ones_like(h.n_high))
    return HalfMeans(
        low_if_low=(without_low + mine + (k - h.unit) * rest) / n_low,
        high_if_low=(without_high + (n - k) * rest) / n_high,
        low_if_high=(without_low + k * rest) / n_low,
        high_if_high=(without_high + mine + (n - k - h.unit) * rest) / n_high,
    )


@dataclass(frozen=True)
class RestartingMix:
    """mu over training: a warm-up, then half cosines that restart (a schedule for `Canon.mu`).

    Intra weight 1 - mu: 0 to `top` in `warm_up` updates, then top/2 (1 + cos(pi j/cycle)) with j
    restarting every `cycle`. reverse=True is the code's `_r`: 1 to 0 in the warm-up, then
    0.6 - top/2 (1 + cos). The warm-up's end is reached at its last update, in both (`_r` states
    so; the other by analogy).
    """

    warm_up: Annotated[int, UPDATES] = 30
    cycle: Annotated[int, UPDATES] = 40
    top: Annotated[float, SHARE] = 0.6
    reverse: Annotated[bool, FLAG] = False

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[float, ...]:
        """Least and largest mu."""
        return (0.0, 0.4 + self.top) if self.reverse else (1 - self.top, 1.0)

    def __call__(self, step: Any) -> Any:
        if isinstance(step, (int, float)):
            return self._at(step, math, lambda c, a, b: a if c else b)
        xp = stats.array_namespace(step)
        return self._at(step, xp, xp.where)

    def _at(self, step: Any, xp: Any, where: Any) -> Any:
        later = where(step < self.warm_up, step * 0, step - self.warm_up)
        wave = self.top / 2 * (1 + xp.cos(later % self.cycle * (math.pi / self.cycle)))
        start = (step + 1) / self.warm_up
        if self.reverse:
            intra = where(step < self.warm_up, 1 - start, 0.6 - wave)
        else:
            intra = where(step < self.warm_up, self.top * start, wave)
        return 1 - intra
