"""The clipped policy-gradient surrogate and the ways trainers average it over tokens.

Aggregation (TRL `loss_type` / verl `loss_agg_mode`), on-policy factor per sequence:
grpo (seq-mean-token-mean) 1/L_i; dapo (token-mean) 1/mean(L) over the batch; dr_grpo
(seq-mean-token-sum-norm) 1/L_max; sum (seq-mean-token-sum) 1, the plain policy gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toyrl.objectives.base import Objective
from toyrl.registry import add
from toyrl.rollouts import Rollouts

Array = Any
AGGREGATIONS = ("sum", "grpo", "dapo", "dr_grpo")


@dataclass(frozen=True)
class PolicyGradient(Objective):
    """-min(rho A, clip(rho, 1-low, 1+high) A), averaged over tokens by `aggregation`.

    rho = exp(logp - old_logp) per token. `clip_low`/`clip_high` 0.2 (PPO), 0.2/0.28 (DAPO).
    A rollout of length 0 has no tokens; its divisor is 1 (TRL clamps likewise).
    """

    aggregation: str = "dapo"
    clip_low: float = 0.2
    clip_high: float = 0.2

    def __post_init__(self) -> None:
        if self.aggregation not in AGGREGATIONS:
            msg = f"aggregation={self.aggregation!r} is not one of {', '.join(AGGREGATIONS)}"
            raise ValueError(msg)

    def sequence_weight(self, rollouts: Rollouts) -> Array:
        r, xp = rollouts, rollouts.xp
        one = xp.ones_like(r.length)
        if self.aggregation == "sum":
            return one
        if self.aggregation == "dr_grpo":
            return one / r.max_length
        if self.aggregation == "grpo":
            return one / xp.where(r.length > 1, r.length, one)
        present = r.w > 0
        length = xp.where(present, r.length, xp.zeros_like(r.length))
        tokens = xp.sum(length * r.w, axis=(-2, -1), keepdims=True)
        rows = xp.sum(r.w, axis=(-2, -1), keepdims=True)
        mean = tokens / xp.where(rows > 0, rows, xp.ones_like(rows))
        return one / xp.where(mean > 0, mean, xp.ones_like(mean))

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="PolicyGradient")
        a = advantages if advantages.ndim == mask.ndim else advantages[..., None]
        ratio = xp.exp(logp - old_logp)
        # The minimum takes the clipped branch, whose gradient is 0, exactly in these two cases.
        clipped = ((a > 0) & (ratio > 1 + self.clip_high)) | ((a < 0) & (ratio < 1 - self.clip_low))
        live = xp.where(clipped, xp.zeros_like(ratio), ratio) * a * mask
        rows = xp.sum(r.w, axis=(-2, -1), keepdims=True)
        scale = r.w * self.sequence_weight(r) / xp.where(rows > 0, rows, xp.ones_like(rows))
        return live * scale[..., None]


for _name in AGGREGATIONS:
    add(
        _name,
        PolicyGradient(aggregation=_name),
        kind="objective",
        cards=("00",),
        provenance="code",
        summary=f"Clipped policy gradient, token aggregation {_name}",
    )
