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
from typing import Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any

BASELINES = ("none", "batch", "mean", "leave_one_out")
SCALES = ("none", "group", "batch")


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
    """

    baseline: str = "mean"
    scale: str = "group"
    eps: float = 0.0
    ddof: float = 1.0
    singleton: str = "zero"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("baseline", BASELINES),
            ("scale", SCALES),
            ("singleton", ("zero", "raw")),
        ):
            value = getattr(self, name)
            if value not in allowed:
                msg = f"{name}={value!r} is not one of {', '.join(allowed)}"
                raise ValueError(msg)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        reward = sum_parts(parts, rollouts)
        return self.advantages(reward, rollouts), dict(state or {})

    def advantages(self, reward: Array, r: Rollouts) -> Array:
        """Advantages of total rewards (..., B, G)."""
        xp = r.xp
        broken = xp.isnan(reward)
        reward = xp.where(broken, xp.zeros_like(reward), reward)
        w = xp.where(broken, xp.zeros_like(r.w), r.w)
        size = r.group_size if r.group_size is not None else stats.mass(w)
        centred = reward - self._baseline(reward, w, size)
        if self.scale != "none":
            spread = self._spread(reward, w, size)
            signal = spread > 0
            if self.eps == 0:
                largest = stats.maximum(xp.abs(reward), w)
                if self.scale == "batch":
                    largest = xp.max(largest, axis=-2, keepdims=True)
                signal = signal & (spread > 8 * xp.finfo(reward.dtype).eps * largest)
            divisor = xp.where(signal, spread + self.eps, xp.ones_like(spread))
            centred = xp.where(signal, centred / divisor, xp.zeros_like(centred))
        if self.baseline in ("mean", "leave_one_out"):
            centred = xp.where(stats.tied(reward, w), xp.zeros_like(centred), centred)
            single = xp.zeros_like(reward) + size <= 1
            alone = reward if self.singleton == "raw" else xp.zeros_like(reward)
            centred = xp.where(single, alone, centred)
        return xp.where(w > 0, centred, xp.zeros_like(centred))

    def _baseline(self, reward: Array, w: Array, size: Any) -> Array:
        if self.baseline == "none":
            return reward * 0
        if self.baseline == "batch":
            return _pooled_mean(reward, w)
        mean = stats.mean(reward, w)
        if self.baseline == "mean":
            return mean
        # r_i - mean of the others = n/(n-1) (r_i - mean), without the others' sum.
        return reward - stats.bessel(size, 1.0) * (reward - mean)

    def _spread(self, reward: Array, w: Array, size: Any) -> Array:
        if self.scale == "group":
            return stats.std(reward, w, ddof=self.ddof, size=size)
        xp = stats.array_namespace(reward)
        flat = (*reward.shape[:-2], 1, reward.shape[-2] * reward.shape[-1])
        pooled = size if isinstance(size, float) and size == float("inf") else None
        return stats.std(xp.reshape(reward, flat), xp.reshape(w, flat), ddof=self.ddof, size=pooled)


def _pooled_mean(reward: Array, w: Array) -> Array:
    xp = stats.array_namespace(reward)
    flat = (*reward.shape[:-2], 1, reward.shape[-2] * reward.shape[-1])
    return stats.mean(xp.reshape(reward, flat), xp.reshape(w, flat))


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
        summary=f"Group-relative advantage: {_note}",
    )
