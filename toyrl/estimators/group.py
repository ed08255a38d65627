"""Group-relative advantages: REINFORCE, RLOO, Dr. GRPO, GRPO, batch-normalised GRPO.

One dataclass holds the family; its fields are exactly the conventions in which trainers differ.

::

    preset           baseline        scale   ddof  eps   singleton  as in
    reinforce        none            none    -     -     zero       Williams 1992
    reinforce_mean   batch           none    -     -     zero       a constant baseline
    rloo             leave_one_out   none    -     -     zero       Ahmadian et al. 2024
    dr_grpo          mean            none    -     -     zero       Liu et al. 2025
    grpo             mean            group   1     1e-4  zero       TRL scale_rewards="group"
    grpo_exact       mean            group   1     0     zero       Shao et al. 2024, eps to 0
    grpo_population  mean            group   0     0     zero       Shao et al. 2024, as printed
    grpo_verl        mean            group   1     1e-6  raw        verl compute_grpo_outcome
    grpo_batch       mean            batch   1     1e-4  zero       TRL scale_rewards="batch"

Ties: a group whose participating rewards are all equal has advantages exactly 0. With eps = 0 a
standard deviation at or below 8 eps(dtype) max|r| is rounding, not signal, and also counts as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

from array_api_compat import is_numpy_array, is_torch_array

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.ranges import DDOF, NOT_NEGATIVE, one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any

BASELINES = ("none", "batch", "mean", "leave_one_out")
SCALES = ("none", "group", "batch")
GROUPED = ("mean", "leave_one_out")


@dataclass(frozen=True)
class GroupEstimator(Estimator):
    """A_i = (r_i - baseline) / (std + eps), with every convention a field.

    baseline : none | batch (mean of all rewards) | mean (of the group) | leave_one_out
    scale : none | group (std of the group) | batch (std of the raw rewards of the whole batch)
    eps : added to the standard deviation, in reward units
    ddof : 1 = sample (Bessel), 0 = population standard deviation
    singleton : what a group of one gets: "zero", or "raw" (its own reward, as verl does)

    `apply` takes parts (..., B, G), returns advantages (..., B, G) and the unchanged state.
    NaN rewards are absent: out of every mean and std, advantage 0.

    Raises ValueError for a baseline, scale or singleton that is none of these.
    """

    baseline: Annotated[str, one_of(*BASELINES)] = "mean"
    scale: Annotated[str, one_of(*SCALES)] = "group"
    eps: Annotated[float, NOT_NEGATIVE] = 0.0
    ddof: Annotated[float, DDOF] = 1.0
    singleton: Annotated[str, one_of("zero", "raw")] = "zero"

    @property
    def scope(self) -> str:
        """ "batch" where a mean or a standard deviation is the batch's, "rollout" without any."""
        if "batch" in (self.baseline, self.scale):
            return "batch"
        return "rollout" if (self.baseline, self.scale) == ("none", "none") else "group"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        reward = sum_parts(parts, rollouts)
        return self.advantages(reward, rollouts), dict(state or {})

    def advantages(self, reward: Array, r: Rollouts) -> Array:
        """Advantages of total rewards (..., B, G)."""
        xp, size = r.xp, r.group_size
        if r.weight is None and size is None and _eager_and_whole(reward):
            return self._dense(reward)
        # Sums over a short last axis are slow on NumPy: with many prompts the group goes first.
        wide = reward.shape[-2] > 4
        if wide and getattr(size, "ndim", 0) >= 2:
            size = _turned(size)
        x = _turned(reward) if wide else reward
        weight = r.w if r.weight is None or not wide else _turned(r.w)
        weight = xp.ones_like(x) if r.weight is None else weight
        broken = xp.isnan(x)
        x = xp.where(broken, xp.zeros_like(x), x)
        w = xp.where(broken, xp.zeros_like(weight), weight)
        axis = -2 if wide else -1
        out = self._centred_and_scaled(
            x, w, stats.mass(w, axis=axis) if size is None else size, axis
        )
        out = xp.where(w > 0, out, xp.zeros_like(out))
        return _turned(out) if wide else out

    def _centred_and_scaled(self, x: Array, w: Array, size: Any, axis: int) -> Array:
        """Advantages along `axis`; rows of weight 0 may hold anything finite."""
        xp = stats.array_namespace(x)
        zero = xp.zeros_like(x)
        tied = stats.tied(x, w, axis=axis) if self.baseline in GROUPED else None
        out = x - self._baseline(x, w, size, axis)
        if self.scale != "none":
            spread = self._spread(x, w, size, axis)
            signal = spread > 0
            if self.eps == 0:
                largest = stats.maximum(xp.abs(x), w, axis=axis)
                if self.scale == "batch":
                    largest = xp.max(largest, axis=-3 - axis, keepdims=True)
                signal = signal & (spread > 8 * xp.finfo(x.dtype).eps * largest)
            divisor = xp.where(signal, spread + self.eps, xp.ones_like(spread))
            out = xp.where(signal, out / divisor, zero)
        if tied is not None:
            out = xp.where(tied, zero, out)
            out = xp.where(zero + size <= 1, x if self.singleton == "raw" else zero, out)
        return out

    def _dense(self, reward: Array) -> Array:
        """The same for whole groups without NaN, in a third of the passes over the rewards."""
        xp, n = stats.array_namespace(reward), reward.shape[-1]
        if self.baseline in GROUPED and n <= 1:
            return reward if self.singleton == "raw" else xp.zeros_like(reward)
        x = _turned(reward)
        low, mean, high = _extremes(x, -2)
        deviation = x - mean
        out, keep = deviation, high > low
        if self.baseline == "leave_one_out":
            out = deviation * stats.bessel(n, 1.0)
        elif self.baseline == "batch":
            out = x - _pooled_mean(x, xp.ones_like(x))
        elif self.baseline == "none":
            out = x
        if self.baseline not in GROUPED:
            keep = xp.ones_like(low) > 0
        divisor = xp.ones_like(low)
        if self.scale != "none":
            if self.scale == "batch":
                pool = _pooled(x)
                spread = _dense_std(pool, *_extremes(pool, -1), self.ddof, -1)
            else:
                spread = _dense_std(x, low, mean, high, self.ddof, -2)
            signal = spread > 0
            if self.eps == 0:
                largest = xp.maximum(high, -low)
                if self.scale == "batch":
                    largest = xp.max(largest, axis=-1, keepdims=True)
                signal = signal & (spread > 8 * xp.finfo(x.dtype).eps * largest)
            divisor, keep = xp.where(signal, spread + self.eps, divisor), keep & signal
        # Division by infinity is exactly 0, and cheaper than a choice for each reward.
        return _turned(out / xp.where(keep, divisor, xp.full_like(divisor, xp.inf)))

    def _baseline(self, x: Array, w: Array, size: Any, axis: int) -> Array:
        if self.baseline == "none":
            return x * 0
        if self.baseline == "batch":
            return _pooled_mean(x, w)
        mean = stats.mean(x, w, axis=axis)
        if self.baseline == "mean":
            return mean
        # r_i - mean of the others = n/(n-1) (r_i - mean), without the others' sum.
        return x - stats.bessel(size, 1.0) * (x - mean)

    def _spread(self, x: Array, w: Array, size: Any, axis: int) -> Array:
        if self.scale == "group":
            return stats.std(x, w, ddof=self.ddof, size=size, axis=axis)
        pooled = size if isinstance(size, float) and size == float("inf") else None
        return stats.std(_pooled(x), _pooled(w), ddof=self.ddof, size=pooled)


def _eager_and_whole(x: Array) -> bool:
    """True for a NumPy array or torch tensor without NaN (a tracer can't be asked)."""
    if not (is_numpy_array(x) or is_torch_array(x)) or x.shape[-1] == 0:
        return False
    xp = stats.array_namespace(x)
    return not bool(xp.any(xp.isnan(x)))


def _extremes(x: Array, axis: int) -> tuple[Array, Array, Array]:
    """(least, mean, largest) along an axis that is kept."""
    xp = stats.array_namespace(x)
    low, high = xp.min(x, axis=axis, keepdims=True), xp.max(x, axis=axis, keepdims=True)
    return low, xp.sum(x, axis=axis, keepdims=True) / x.shape[axis], high


def _dense_std(x: Array, low: Array, mean: Array, high: Array, ddof: float, axis: int) -> Array:
    """`stats.std` of values that all count."""
    xp, n = stats.array_namespace(x), x.shape[axis]
    # Rewards of 1e30 overflow when squared: scale by the largest deviation first.
    unit = xp.maximum(high - mean, mean - low)
    unit = xp.where((unit > 0) & (high > low), unit, xp.ones_like(unit))
    square = ((x - mean) / unit) ** 2
    variance = xp.sum(square, axis=axis, keepdims=True) / n * stats.bessel(n, ddof)
    return xp.where(high > low, unit * xp.sqrt(variance), xp.zeros_like(unit))


def _turned(x: Array) -> Array:
    """The last two axes exchanged, laid out anew so that sums over the group run along memory."""
    xp = stats.array_namespace(x)
    axes = tuple(range(x.ndim - 2))
    turned = xp.permute_dims(x, (*axes, x.ndim - 1, x.ndim - 2))
    return xp.reshape(xp.reshape(turned, (-1,)), turned.shape)


def _pooled(x: Array) -> Array:
    """(..., 1, B G): the whole batch as one group."""
    xp = stats.array_namespace(x)
    return xp.reshape(x, (*x.shape[:-2], 1, x.shape[-2] * x.shape[-1]))


def _pooled_mean(x: Array, w: Array) -> Array:
    """(..., 1, 1) mean over the batch; of equal rewards exactly their value, not a rounding."""
    xp, pool, weight = stats.array_namespace(x), _pooled(x), _pooled(w)
    least = stats.minimum(pool, weight)
    same = stats.tied(pool, weight) & xp.isfinite(least)
    return xp.where(same, least, stats.mean(pool, weight))


PRESETS: dict[str, GroupEstimator] = {
    "reinforce": GroupEstimator(baseline="none", scale="none"),
    "reinforce_mean": GroupEstimator(baseline="batch", scale="none"),
    "rloo": GroupEstimator(baseline="leave_one_out", scale="none"),
    "dr_grpo": GroupEstimator(baseline="mean", scale="none"),
    "grpo": GroupEstimator(eps=1e-4),
    "grpo_exact": GroupEstimator(),
    "grpo_population": GroupEstimator(ddof=0.0),
    "grpo_verl": GroupEstimator(eps=1e-6, singleton="raw"),
    "grpo_batch": GroupEstimator(scale="batch", eps=1e-4),
}

for _name, _preset in PRESETS.items():
    _note = ", ".join(f"{f.name}={getattr(_preset, f.name)!r}" for f in fields(_preset))
    add(
        _name,
        _preset,
        kind="estimator",
        cards=("00",),
        provenance="code",
        formula="A_i = (r_i - baseline)/(std + eps)",
        summary=f"Group-relative advantage: {_note}",
    )
