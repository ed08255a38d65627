"""Trust-GRPO: the outcome plus a judge's trusted score, then a group-relative advantage.

The rules of `toyrl.shapers.judge.trust` on whatever outcome reward the parts add up to.

    preset               variant    horizon  eps   as in
    trust_grpo           paper      1500     0     SophiaVL-R1, Eqs. 1-6
    trust_grpo_released  released   500      1e-6  the released code
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, at, sum_parts
from toyrl.shapers.judge.trust import check_horizon, decay, released_score, trust_weight

Array = Any
VARIANTS = ("paper", "released", "untrusted")
INNER = GroupEstimator()


@dataclass(frozen=True)
class TrustGrpo(Estimator):
    """Group advantages of outcome + gamma alpha exp(-step/horizon) judge.

    variant : "paper", "released" (the code; they disagree, see `toyrl.shapers.judge.trust`), or
        "untrusted" (gamma = 1, the paper's ablation)
    alpha : weight of the judge; horizon : updates (inf: no decay)
    inner : the group-relative advantage

    Reads the field `judge`, scores in [0, 1]. NaN in the reward or the judge: absent.

    Raises ValueError for another variant.
    """

    variant: str = "paper"
    alpha: Any = 0.3
    horizon: Any = 1500.0
    inner: GroupEstimator = INNER
    needs: ClassVar[tuple[str, ...]] = ("judge",)

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        if self.variant not in VARIANTS:
            msg = f"variant={self.variant!r} is not one of {', '.join(VARIANTS)}"
            raise ValueError(msg)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        outcome = sum_parts(parts, rollouts)
        return self.inner.advantages(self.reward(outcome, rollouts), rollouts), dict(state or {})

    def reward(self, outcome: Array, r: Rollouts) -> Array:
        """(..., B, G) outcome with the judge's share; NaN where either is."""
        xp = r.xp
        judge = r.need("judge", by="trust_grpo")
        broken = xp.isnan(outcome) | xp.isnan(judge)
        zero = xp.zeros_like(outcome)
        w = xp.where(broken, zero, r.w)
        outcome, judge = xp.where(broken, zero, outcome), xp.where(broken, zero, judge)
        if self.variant == "released":
            judge = released_score(outcome, judge, w)
        fade = at(self.alpha, r.step) * decay(r.step, self.horizon, outcome)
        total = outcome + self.trust(outcome, judge, w) * fade * judge
        return xp.where(broken, xp.full_like(total, xp.nan), total)

    def trust(self, outcome: Array, judge: Array, w: Array) -> Array:
        """gamma (..., B, 1)."""
        if self.variant == "untrusted":
            return 1 + 0 * outcome[..., :1]
        return trust_weight(outcome, judge, w)


PRESETS = {
    "trust_grpo": TrustGrpo(),
    "trust_grpo_released": TrustGrpo(
        variant="released", horizon=500.0, inner=GroupEstimator(eps=1e-6)
    ),
}

for _name, _section, _provenance in (
    ("trust_grpo", "Eqs. 1-6", "text"),
    ("trust_grpo_released", "code kxfan2002/SophiaVL-R1, verl/workers/reward/custom.py", "code"),
):
    add(
        _name,
        PRESETS[_name],
        kind="estimator",
        formula="grpo on o + gamma alpha e^(-step/horizon) judge",
        cards=("13",),
        section=_section,
        provenance=_provenance,
        summary=f"Outcome plus a judge's trusted score, group-relative ({PRESETS[_name].variant})",
    )
