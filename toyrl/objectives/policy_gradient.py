"""The clipped policy-gradient surrogate and the ways trainers average it over tokens.

J_it = min(rho A, clip(rho, 1 - low, 1 + high) A),    rho = exp(logp - old_logp) per token

name        aggregation  low, high   ceiling on rho      as in
sum         sum          0.2, 0.2    -                   verl seq-mean-token-sum
grpo        grpo         0.2, 0.2    -                   TRL loss_type="grpo"
dapo        dapo         0.2, 0.2    -                   TRL loss_type="dapo" (default)
bnpo        dapo         0.2, 0.2    -                   TRL loss_type="bnpo", one micro-batch
dr_grpo     dr_grpo      0.2, 0.2    -                   TRL loss_type="dr_grpo"
clip_higher dapo         0.2, 0.28   -                   DAPO, epsilon_high=0.28
vanilla     dapo         0.2, 0.2    3 where A < 0       verl loss_mode="vanilla" (dual clip)
dual_clip   dapo         0.2, 0.28   10 where A < 0      DLER, NVlabs/DLER compute_policy_loss
up          dapo         0.2, -      3 where A < 0       verl loss_mode="up"; A log pi where A > 0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.objectives.base import stopped
from toyrl.objectives.surrogate import AGGREGATIONS, Surrogate, Tokens
from toyrl.ranges import NOT_NEGATIVE_OR_INF, POSITIVE_OR_INF, Range
from toyrl.registry import add, entry

Array = Any
DUAL_CLIP = Range("(1, inf]", none=True, hint="from 1 down it would stop on-policy updates")
__all__ = ["AGGREGATIONS", "PRESETS", "PolicyGradient"]


@dataclass(frozen=True)
class PolicyGradient(Surrogate):
    """min(rho A, clip(rho, 1-low, 1+high) A), averaged over tokens by `aggregation`.

    rho = exp(logp - old_logp) per token. `clip_low`/`clip_high` 0.2 (PPO), 0.2/0.28 (DAPO).
    dual_clip : c > 1 or None; where A < 0 no more than c A: a rollout that the policy has come to
        like much more than its sampler did is no longer pushed down (verl's clip_ratio_c, 3.0)
    delta : or None; rho is also cut at delta in the unclipped argument (TRL's two-sided clipping)
    A rollout of length 0 has no tokens; its divisor is 1 (TRL clamps likewise).

    Raises ValueError for a `dual_clip` that is not above 1.
    """

    aggregation: str = "dapo"
    clip_low: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.2
    clip_high: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.2
    count_empty: bool = True
    dual_clip: Annotated[float | None, DUAL_CLIP] = None
    delta: Annotated[float | None, POSITIVE_OR_INF.or_none] = None

    def slope(self, t: Tokens) -> Array:
        # The minimum takes a constant branch, whose gradient is 0, exactly in these cases.
        up = (t.a > 0) & (t.ratio > 1 + self.clip_high)
        clipped = up | ((t.a < 0) & (t.ratio < 1 - self.clip_low))
        if self.dual_clip is not None:
            clipped = clipped | ((t.a < 0) & (t.ratio > self.dual_clip))
        if self.delta is not None:
            far = (t.a > 0) | (t.ratio > 1 + self.clip_high)
            clipped = clipped | ((t.ratio > self.delta) & far)
        return t.where(~clipped, t.ratio) * t.a

    def height(self, t: Tokens) -> Array:
        xp = t.xp
        free = t.ratio if self.delta is None else t.held(t.ratio, None, self.delta)
        cut = t.held(t.ratio, 1 - self.clip_low, 1 + self.clip_high)
        lower = t.least(free * t.a, cut * t.a)
        if self.dual_clip is None:
            return lower
        return xp.where(t.a < 0, -t.least(-lower, -self.dual_clip * t.a), lower)


PRESETS = {
    **{name: PolicyGradient(aggregation=name) for name in AGGREGATIONS},
    "bnpo": PolicyGradient(),
    "clip_higher": PolicyGradient(clip_high=0.28),
    "vanilla": PolicyGradient(dual_clip=3.0, count_empty=False),
    "dual_clip": PolicyGradient(clip_high=0.28, dual_clip=10.0),
}
_NOTES = {
    "bnpo": "token mean within one micro-batch",
    "clip_higher": "token mean, clip 0.2/0.28 (DAPO)",
    "vanilla": "token mean, dual clip at 3 (verl)",
    "dual_clip": "clip-higher 0.28, dual clip 10, token mean",
}
for _name, _preset in PRESETS.items():
    add(
        _name,
        _preset,
        kind="objective",
        cards=("08", "00") if _name == "dual_clip" else ("00",),
        section="code NVlabs/DLER verl-dler, compute_policy_loss" if _name == "dual_clip" else "",
        provenance="code",
        formula="min(rho A, clip(rho, 1-low, 1+high) A)",
        summary=f"Clipped policy gradient, {_NOTES.get(_name, f'token aggregation {_name}')}",
    )


@entry(
    "up",
    kind="objective",
    formula="A log pi where A > 0, else min(rho A, clip(rho, 1-low, 1+high) A)",
    cards=("00",),
    works=("up-grpo",),
    section='Eq. 15; verl loss_mode="up"',
    provenance="code",
)
@dataclass(frozen=True)
class UnboundedPositive(PolicyGradient):
    """A log pi, neither ratio nor clip, where A > 0; the clipped policy gradient elsewhere.

    The slope at A > 0 is A whatever the ratio: rare right tokens are never cut, and a rollout that
    the policy has long left is pushed as hard as a fresh one.
    """

    dual_clip: float | None = 3.0
    count_empty: bool = False

    def slope(self, t: Tokens) -> Array:
        return t.xp.where(t.a > 0, t.a, super().slope(t))

    def height(self, t: Tokens) -> Array:
        once = t.xp.exp(t.logp - stopped(t.logp))  # 1, with the gradient of log pi
        return t.xp.where(t.a > 0, once * t.a, super().height(t))
