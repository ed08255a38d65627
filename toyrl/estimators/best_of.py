"""Advantages for the best of several rollouts: pass@k and the maximum as the objective.

For the objective E[max of k rollouts] the leave-one-out form is unbiased:

    grad E[max] = k E[ (max(r_1..r_k) - max(r_2..r_k)) grad log pi(o_1) ]

and with G >= k rollouts it is averaged over all k-subsets that hold rollout i:

    A_i = k * integral_{x < r_i} C(n(x), k-1) / C(G-1, k-1) dx,    n(x) = number of r_j <= x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import group_size, unlimited, usable
from toyrl.ranges import DDOF, NOT_NEGATIVE, Range, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any


@entry(
    "pass_at_k",
    kind="estimator",
    formula="A_i = E[max of k | i among them] - E[max of the k-1 others]",
    cards=("00",),
    works=("passk",),
    section="leave-one-out, averaged over subsets",
    provenance="derived",
)
@dataclass(frozen=True)
class PassAtK(Estimator):
    """Unbiased for the gradient of E[best reward of k rollouts]; for rewards 0, 1 that of pass@k.

    k : whole number >= 2. Groups of fewer than k rollouts get 0. Advantages are >= 0: nothing is
        pushed down but by the normalisation of the policy.

    Shape (..., B, G, G) inside.

    Raises ValueError for a `k` that is not a whole number of at least 2.
    """

    k: Annotated[int, Range("[2, inf)", whole=True, hint="pass@1 is reinforce or rloo")] = 2

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        x, w = usable(parts, rollouts)
        n = group_size(rollouts, w)
        other, own, weight = x[..., None, :], x[..., :, None], w[..., None, :]
        here = weight > 0
        nothing = xp.zeros_like(other + own)
        # Per distinct level x_j: chance that k-1 siblings stay at or below it, and the way up.
        below = xp.sum(xp.where((other <= own) & here, weight, nothing), axis=-1)
        chance = self._chance(below, stats.mass(w), n)
        above = xp.where((other > own) & here, other - own, nothing + xp.inf)
        step = xp.min(above, axis=-1)
        step = xp.where(xp.isfinite(step), step, xp.zeros_like(step))
        same = xp.sum(xp.where((other == own) & here, nothing + 1, nothing), axis=-1)
        gain = step * chance / xp.where(same > 0, same, xp.ones_like(same))
        out = self.k * xp.sum(xp.where((other < own) & here, gain[..., None, :], nothing), axis=-1)
        enough = xp.zeros_like(x) + n >= self.k
        return xp.where((w > 0) & enough, out, xp.zeros_like(out)), dict(state or {})

    def _chance(self, below: Array, mass: Array, n: Any) -> Array:
        """C(n_below, k-1)/C(n-1, k-1); in the population limit share^(k-1)."""
        xp = stats.array_namespace(below)
        share = below / xp.where(mass > 0, mass, xp.ones_like(mass))
        if unlimited(n):
            return share ** (self.k - 1)
        out = xp.ones_like(below)
        for m in range(self.k - 1):
            free, left = share * n - m, xp.zeros_like(share) + n - 1 - m
            free = xp.where(free > 0, free, xp.zeros_like(free))
            out = out * free / xp.where(left > 0, left, xp.ones_like(left))
        return out


@entry(
    "grpo_passk",
    kind="estimator",
    formula="A_best = (best - second best)/(std + eps), else 0",
    cards=("00",),
    works=("passk",),
    section="verl compute_grpo_passk_outcome_advantage",
    provenance="code",
)
@dataclass(frozen=True)
class GrpoPassk(Estimator):
    """Only a group's single best rollout is paid: (best - second best) / (std + eps).

    scale : group | none (verl norm_adv_by_std_in_grpo=False, unbiased/G for the best of G)
    Two rollouts that share the best reward get 0, as does a group of one (verl raises).
    """

    eps: Annotated[float, NOT_NEGATIVE] = 1e-6
    ddof: Annotated[float, DDOF] = 1.0
    scale: Annotated[str, one_of("group", "none")] = "group"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        x, w = usable(parts, rollouts)
        n, zero = group_size(rollouts, w), xp.zeros_like(x)
        if unlimited(n):
            return zero, dict(state or {})
        best = stats.maximum(x, w)
        top = (x == best) & (w > 0)
        rest = xp.where(top, zero, w)
        second = stats.maximum(x, rest)
        mass = stats.mass(w)
        one = mass / xp.where(mass > 0, n + 0 * mass, xp.ones_like(mass))
        single = xp.sum(xp.where(top, w, zero), axis=-1, keepdims=True) < 1.5 * one
        paid = single & xp.isfinite(second) & top
        gap = xp.where(paid, x - xp.where(xp.isfinite(second), second, xp.zeros_like(second)), zero)
        if self.scale == "group":
            spread = stats.std(x, w, ddof=self.ddof, size=n)
            gap = gap / xp.where(spread > 0, spread + self.eps, xp.ones_like(spread))
        return gap, dict(state or {})
