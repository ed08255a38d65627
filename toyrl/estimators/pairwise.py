"""Bootstrapped relative advantages (BRPO): every rollout against one drawn from its own group.

One rollout of the group is the reference; another gets +1 if it beats the reference and -1 if
not, ties included; the reference gets 0. There is no mean and no std: the sign is the advantage.
The bar rises with the policy. A prompt whose reference is too good or too bad, |sum R| above
`skew` times the group, is dropped.

The reference is drawn uniformly, so the expected advantage, the tournament score
(wins - losses)/G, is the same estimator with less variance; it is the default, and exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import alone, check_choice, group_size, unlimited, usable
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any
REFERENCES = ("average", "first")


@entry(
    "brpo",
    kind="estimator",
    formula="A_i = mean over references j of sign(q_i - q_j)",
    cards=("42",),
    section="Bootstrapped Relative Policy Optimization",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Brpo(Estimator):
    """Signs of comparisons with a rollout of the group; the reward is the judged quality.

    reference : "average" over all members, exactly, or "first", the group's first present rollout
        (rollouts are exchangeable: as random as a draw, but the order of the group matters)
    skew : a reference is dropped if |wins - losses| > skew * group size; inf keeps all. Dropped
        groups have advantage 0
    ties : what a comparison of equal scores counts, -1 as published, or 0

    Advantages are in [-1, 1]. Shape (..., B, G, G) inside. Weights count as multiplicities.

    Raises ValueError for other `ties` than -1 and 0, or a negative skew.
    """

    reference: str = "average"
    skew: float = 0.6
    ties: float = -1.0

    def __post_init__(self) -> None:
        check_choice(reference=(self.reference, REFERENCES))
        if self.ties not in (-1.0, 0.0):
            msg = f"ties={self.ties!r} is neither -1 (a loss) nor 0"
            raise ValueError(msg)
        if not self.skew >= 0:
            msg = f"skew={self.skew!r} is negative; it is a share of the group, 0.6 as published"
            raise ValueError(msg)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        score, w = usable(parts, rollouts)
        # R_ij of rollout i against reference j
        wins = score[..., :, None] > score[..., None, :]
        loses = score[..., :, None] < score[..., None, :]
        result = xp.astype(wins, w.dtype) - xp.astype(loses, w.dtype)
        tied = xp.astype(~(wins | loses), w.dtype)
        result = result + self.ties * tied
        size = w.shape[-1]
        own = xp.eye(size, dtype=w.dtype)
        n = group_size(rollouts, w)
        unit = 0.0 * w if unlimited(n) else xp.astype(w > 0, w.dtype)
        # Copies of i other than itself tie with it; itself as reference counts nothing.
        rows = w[..., :, None] - own * unit[..., :, None]
        mass = xp.sum(w, axis=-1, keepdims=True)
        sums = xp.sum(rows * result, axis=-2)  # of each reference j
        keep = xp.astype(xp.abs(sums) <= self.skew * mass * (1 + 1e-9), w.dtype)
        if self.reference == "first":
            place = xp.cumulative_sum(xp.astype(w > 0, w.dtype), axis=-1)
            chosen = xp.astype((w > 0) & (place == 1), w.dtype)
            # One copy is the reference; its other copies tie with it.
            same = own * xp.where(w > 1, (w - 1) / xp.where(w > 0, w, 1 + 0 * w), 0 * w)[..., None]
            against = result * (1 - own) + self.ties * same
            a = xp.sum(against * (keep * chosen)[..., None, :], axis=-1)
        else:
            columns = w[..., None, :] - own * unit[..., None, :]
            total = xp.where(mass > 0, mass, xp.ones_like(mass))
            a = xp.sum(result * columns * keep[..., None, :], axis=-1) / total
        taking_part = (w > 0) & ~alone(w, n)
        return xp.where(taking_part, a, xp.zeros_like(a)), dict(state or {})


def all_conditions(
    scores: Array, reference: int, against: Array | None = None, *, inconsistent: float = -1.0
) -> Array:
    """+1 where a rollout beats the reference in every voting condition, else -1; 0 for itself.

    scores : (V, G) or (V, 2, G) judged qualities, one row per condition (order, vote)
    against : of the same shape, what the reference scored in each of these comparisons; None
        where a condition scores the whole group at once
    inconsistent : for rollouts that win in some conditions only, -1 as published, or 0

    NaN and ties lose. Drop the group where |sum| > 0.6 G.
    """
    from array_api_compat import array_namespace

    xp = array_namespace(scores)
    flat = xp.reshape(scores, (-1, scores.shape[-1]))
    other = flat[:, reference : reference + 1]
    if against is not None:
        other = xp.reshape(against, flat.shape)
    won = flat > other
    out = xp.where(xp.all(won, axis=0), xp.ones_like(flat[0]), -xp.ones_like(flat[0]))
    mixed = xp.any(won, axis=0) & ~xp.all(won, axis=0)
    out = xp.where(mixed, xp.full_like(out, inconsistent), out)
    index = xp.arange(out.shape[0])
    return xp.where(index == reference, xp.zeros_like(out), out)
