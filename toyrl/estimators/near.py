"""Advantages of the rollouts near what the reward model was probed on; the others don't teach.

preset     inner  as in
near_grpo  grpo   inference-time probing: samples with d_min > 140 are left out of the update
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.estimators.base import Around, Estimator
from toyrl.estimators.group import PRESETS
from toyrl.models.reward.centroids import PAPER_MOST, keep_near, screened
from toyrl.ranges import NOT_NEGATIVE_OR_INF
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any
INNER = PRESETS["grpo"]


@dataclass(frozen=True)
class KeepNear(Around):
    """An estimator on the rollouts with `probe_distance` <= most; the others get advantage 0.

    inner : the estimator; dropped rollouts enter none of its means
    most : the largest distance that is kept, inf for all; the paper's 140 is in units of its own
        model's representations: take a quantile (`toyrl.models.reward.centroids.most_of`)

    A distance of NaN drops its rollout. All dropped: advantages 0.
    """

    inner: Estimator = INNER
    most: Annotated[float, NOT_NEGATIVE_OR_INF] = PAPER_MOST
    reach: ClassVar[str] = "rollout"

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """`probe_distance`, and what the inner estimator reads."""
        return tuple(dict.fromkeys(("probe_distance", *self.inner.needs)))

    @property
    def scale(self) -> str:
        """ "batch" where the inner estimator takes statistics of the batch."""
        return getattr(self.inner, "scale", "none")

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        kept = keep_near(rollouts.need("probe_distance", by="KeepNear"), self.most)
        reward = screened(sum_parts(parts, rollouts), kept)
        return self.inner.apply({"reward": reward}, rollouts, state)


add(
    "near_grpo",
    KeepNear(),
    kind="estimator",
    formula="A_i = inner advantage among d_min <= most, else 0",
    cards=("32",),
    section="inference-time probing",
    provenance="second-hand",
    summary="Any estimator without the rollouts that lie far from what the reward model knows",
)
