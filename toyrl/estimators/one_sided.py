"""Advantages of one sign: learn from failures alone, or from successes alone.

Negative-only updates (GRPO-N) push sampled wrong answers down and everything else up in proportion
to its probability, so that equally likely right answers stay equally likely. For one prompt with
rewards 0 and 1 their expectation is p times the whole update: same direction, other pace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.estimators.base import Around, Estimator
from toyrl.estimators.group import PRESETS
from toyrl.ranges import one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any


@dataclass(frozen=True)
class OneSided(Around):
    """min(A, 0) or max(A, 0) of another estimator's advantages; never centred again.

    inner : the estimator; side : "negative" or "positive"
    """

    inner: Estimator = PRESETS["grpo"]
    side: Annotated[str, one_of("negative", "positive")] = "negative"
    reach: ClassVar[str] = "rollout"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        a, state = self.inner.apply(parts, rollouts, state)
        kept = a < 0 if self.side == "negative" else a > 0
        return rollouts.xp.where(kept, a, rollouts.xp.zeros_like(a)), state


for _side in ("negative", "positive"):
    add(
        f"{_side}_only",
        OneSided(side=_side),
        kind="estimator",
        formula="A_i = max(A_i, 0) or min(A_i, 0) of the inner estimator",
        cards=("33",),
        section="GRPO-N",
        provenance="second-hand",
        summary=f"GRPO's {_side} advantages alone",
    )
