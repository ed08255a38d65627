"""Dynamic sampling: prompts whose rollouts all score alike leave the batch.

Dropped prompts change nothing in a group-relative advantage, which is 0 there; they do change
what is taken over the batch: a standard deviation, a mean, the tokens that a loss divides by.

    preset  inner                                                  as in
    dler    group mean, whitened over tokens, filter on `correct`  DLER, NVlabs/DLER verl-dler
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Around, Estimator
from toyrl.estimators.batch import Whitened
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.participants import usable
from toyrl.ranges import one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any
BY = ("reward", "correct")
INNER = GroupEstimator(scale="batch", eps=1e-4)


def keep_informative(score: Array, r: Rollouts) -> Rollouts:
    """The rollouts with weight 0 for prompts of equal scores; groups of one stay.

    score : (..., B, G); NaN takes no part. Applying it twice changes nothing more.
    """
    xp = r.xp
    broken = xp.isnan(score)
    w = xp.where(broken, xp.zeros_like(r.w), r.w)
    size = stats.mass(w) if r.group_size is None else r.group_size
    single = xp.zeros_like(w) + size <= 1
    kept = ~stats.tied(score, w) | single
    return r.with_(weight=xp.where(kept, r.w, xp.zeros_like(r.w)))


def expected_draws(informative: Array, share: Array) -> Array:
    """Prompts to draw per prompt kept: 1 / sum_b share_b P(group of b is informative).

    Source: DLER, sections 2-3, dynamic sampling; derived.

    informative, share : same shape, one number a prompt; the answer is a scalar.
    """
    xp = stats.array_namespace(informative, share)
    return xp.sum(share) / xp.sum(share * informative)


@dataclass(frozen=True)
class DynamicSampling(Around):
    """An estimator on the prompts whose rollouts differ in score; the others get advantage 0.

    by : the score, the total "reward" (DAPO), or "correct", the outcome before a length
        penalty (the released DLER: an all-right group with some truncated rollouts is dropped)

    Groups of one stay. What the loss divides by is the objective's business: give it the
    rollouts of `keep_informative`.
    """

    inner: Estimator = INNER
    by: Annotated[str, one_of(*BY)] = "reward"

    @property
    def scale(self) -> str:
        """ "batch" where the inner estimator takes statistics of the batch."""
        return getattr(self.inner, "scale", "none")

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp = rollouts, rollouts.xp
        reward, w = usable(parts, r)
        here = r.with_(weight=w)
        kept = keep_informative(reward if self.by == "reward" else r.correct, here)
        a, state = self.inner.apply({"reward": reward}, kept, state)
        return xp.where(kept.w > 0, a, xp.zeros_like(a)), state

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """With the statistics of the kept prompts as numbers, where `inner` is a `Whitened`.

        A group is dropped when all its scores equal some v, with probability P_v^G; given that,
        its rollouts are independent draws from the classes of score v. Sums over those groups
        are taken off the sums over all. Needs rewards without NaN.
        """
        import numpy as np

        if not isinstance(self.inner, Whitened):
            return replace(self, inner=self.inner.in_batch(parts, rollouts, group_size))
        reward = np.asarray(sum_parts(parts, rollouts), dtype=float)
        if np.isnan(reward).any():
            msg = "dynamic sampling in the limit of many prompts needs rewards without NaN"
            raise ValueError(msg)
        score = reward if self.by == "reward" else np.asarray(rollouts.correct, dtype=float)
        w = np.asarray(rollouts.w, dtype=float)
        total = _sums(self.inner, parts, rollouts, group_size)
        share = w.sum(-1, keepdims=True)
        for value in np.unique(score) if group_size > 1 else ():
            own = np.where(score == value, w, 0.0)
            some = own.sum(-1, keepdims=True)
            chance = share * (some / share) ** group_size
            weight = own / np.where(some > 0, some, 1.0) * chance
            if weight.sum() > 0:
                gone = rollouts.with_(weight=weight)
                total = total - _sums(self.inner, parts, gone, group_size)
        mass, first, second = total.tolist()
        if not mass > 1e-12 * w.sum():
            return replace(self, inner=replace(self.inner, centre=0.0, spread=0.0))
        centre = first / mass
        variance = second / mass - centre**2
        spread = variance**0.5 if variance > 1e-12 * second / mass else 0.0
        return replace(self, inner=replace(self.inner, centre=centre, spread=spread))


def _sums(e: Whitened, parts: Parts, r: Rollouts, group_size: float) -> Any:
    """(3,) sums over the batch, as `e` weighs it: of 1, of a, and of a^2."""
    import numpy as np

    known = e.in_batch(parts, r, group_size)
    assert isinstance(known, Whitened)
    centre, spread = known.centre or 0.0, known.spread or 0.0
    w = np.asarray(r.w, dtype=float)
    mass = (w * np.asarray(r.length, dtype=float) if e.over == "tokens" else w).sum()
    return mass * np.array([1.0, centre, spread**2 + centre**2])


PRESETS = {
    "dler": DynamicSampling(Whitened(baseline="mean", singleton="raw"), by="correct"),
}
add(
    "dler",
    PRESETS["dler"],
    kind="estimator",
    formula="A_i = inner advantage in groups of mixed outcome, else 0",
    cards=("08",),
    section="Eq. 3; code NVlabs/DLER verl-dler, core_algos.py; filter on the outcome",
    provenance="code",
    summary="Rewards minus their group's mean, whitened over tokens, uniform prompts dropped",
)
