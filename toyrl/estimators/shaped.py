"""A shaper between the reward and the advantage: parts are summed, shaped, then estimated.

A shaper pays what it finds in `correct`. Here it gets the whole reward there, so that its rule is
put on top of whatever parts the reward adds up to.

    preset               shaper            inner             as in
    shaped               outcome()         grpo_exact()      the reward as it is, to be changed
    trust_grpo           trust()           grpo_exact()      SophiaVL-R1, Eqs. 1-6
    trust_grpo_released  trust_released()  grpo(eps=1e-6)    the released code
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.estimators.base import Around, Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, sum_parts
from toyrl.shapers.judge.trust import Trust, TrustReleased
from toyrl.shapers.outcome import Outcome

Array = Any
OUTCOME, INNER = Outcome(), GroupEstimator()


@dataclass(frozen=True)
class ShapedReward(Around):
    """An estimator's advantages of a shaper's reward, the summed reward standing for `correct`.

    shaper : the reward is what it pays; its parts are summed
    inner : the estimator of that one reward; it sees the rollouts as they are

    Reads what the two read. NaN in the summed reward or in an array that the shaper reads:
    absent. Advantages have the shape that the inner estimator gives.

    Raises ValueError for a shaper that remembers earlier visits of a prompt.
    """

    shaper: Shaper = OUTCOME
    inner: Estimator = INNER
    reach: ClassVar[str] = "rollout"

    def __post_init__(self) -> None:
        super().__post_init__()
        slots = [slot.name for slot in self.shaper.all_memory()]
        if slots:
            msg = (
                f"shaper={self.shaper!r} remembers {', '.join(slots)} between visits, which an "
                "estimator doesn't keep; make it the reward itself"
            )
            raise ValueError(msg)

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the shaper reads beside the reward, and what the inner estimator reads."""
        own = (name for name in self.shaper.all_needs() if name != "correct")
        return tuple(dict.fromkeys((*own, *self.inner.needs)))

    @property
    def scale(self) -> str:
        """ "batch" where shaper or inner estimator look at the whole batch."""
        seen = (getattr(self.inner, "scale", "none"), getattr(self.inner, "baseline", "none"))
        pooled = "batch" in (*seen, self.shaper.all_scope())
        return "batch" if pooled else seen[0]

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        return self.inner.apply({"reward": self.reward(parts, rollouts)}, rollouts, state)

    def reward(self, parts: Parts, rollouts: Rollouts) -> Array:
        """(..., B, G) the shaper's reward of the summed parts; NaN where they are unscorable."""
        for name in self.shaper.all_needs():
            if name != "truncated" and not rollouts.has(name):
                rollouts.need(name, by=repr(self))  # raises; the shaper wouldn't say whose it is
        return self.shaper.reward(rollouts.with_(correct=sum_parts(parts, rollouts)))


PRESETS = {
    "shaped": ShapedReward(),
    "trust_grpo": ShapedReward(Trust()),
    "trust_grpo_released": ShapedReward(TrustReleased(), GroupEstimator(eps=1e-6)),
}

add(
    "shaped",
    PRESETS["shaped"],
    kind="estimator",
    formula="A = inner advantage of shaper(sum of the parts)",
    provenance="derived",
    summary="Any estimator on a shaper of the summed reward",
)
for _name, _variant, _section, _provenance in (
    ("trust_grpo", "paper", "Eqs. 1-6", "text"),
    (
        "trust_grpo_released",
        "released",
        "code kxfan2002/SophiaVL-R1, verl/workers/reward/custom.py",
        "code",
    ),
):
    add(
        _name,
        PRESETS[_name],
        kind="estimator",
        formula="grpo on o + gamma alpha e^(-step/horizon) judge",
        cards=("13",),
        section=_section,
        provenance=_provenance,
        summary=f"Outcome plus a judge's trusted score, group-relative ({_variant})",
    )
