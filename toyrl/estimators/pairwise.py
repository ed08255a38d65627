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
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import alone, group_size, unlimited, usable
from toyrl.ranges import NOT_NEGATIVE_OR_INF, Range, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

Array = Any
REFERENCES = ("average", "first", "named")
VOTES = ("sum", "all")
SKEW = NOT_NEGATIVE_OR_INF.so("it is a share of the group, 0.6 as published")
LOSS_OR_TIE = Range("[-1, 0]", whole=True, hint="-1 is a loss, 0 nothing")


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

    reference : "average" over all members, exactly; "first", the group's first present rollout
        (rollouts are exchangeable: as random as a draw, but the order of the group matters); or
        "named", the present rollout at which the field `reference` is 1, drawn elsewhere, by a seed
        say (the first of several; a group without one is silent)
    skew : a reference is dropped if |wins - losses| > skew * group size; inf keeps all. Dropped
        groups have advantage 0
    ties : what a comparison of equal scores counts, -1 as published, or 0
    votes : "sum", the parts add up to the one judged quality; or "all", every reward part is a
        voting condition (an order, a vote, a judge): +1 for winning in all of them, -1 for winning
        in none, `inconsistent` in between
    inconsistent : -1 as published, or 0; read where votes is "all"

    With votes "all" no sign is certain to be answered by its opposite, so advantages of a noisy
    judge are below 0 in the mean (`voted_sign` in `toyrl.theory.preference.votes`).

    Advantages are in [-1, 1]. Shape (..., B, G, G) inside. Weights count as multiplicities.

    Raises ValueError for other `ties` or `inconsistent` than -1 and 0, another choice of reference
    or votes, or a negative skew.
    """

    reference: Annotated[str, one_of(*REFERENCES)] = "average"
    skew: Annotated[float, SKEW] = 0.6
    ties: Annotated[float, LOSS_OR_TIE] = -1.0
    votes: Annotated[str, one_of(*VOTES)] = "sum"
    inconsistent: Annotated[float, LOSS_OR_TIE] = -1.0

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        xp = rollouts.xp
        _, w = usable(parts, rollouts)
        result = self._results(parts, rollouts)
        size = w.shape[-1]
        own = xp.eye(size, dtype=w.dtype)
        n = group_size(rollouts, w)
        unit = 0.0 * w if unlimited(n) else xp.astype(w > 0, w.dtype)
        # Copies of i other than itself tie with it; itself as reference counts nothing.
        rows = w[..., :, None] - own * unit[..., :, None]
        mass = xp.sum(w, axis=-1, keepdims=True)
        sums = xp.sum(rows * result, axis=-2)  # of each reference j
        keep = xp.astype(xp.abs(sums) <= self.skew * mass * (1 + 1e-9), w.dtype)
        if self.reference != "average":
            able = w > 0
            if self.reference == "named":
                able = able & (rollouts.need("reference", by="Brpo") == 1)
            place = xp.cumulative_sum(xp.astype(able, w.dtype), axis=-1)
            chosen = xp.astype(able & (place == 1), w.dtype)
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

    def _results(self, parts: Parts, r: Rollouts) -> Array:
        """(..., B, G, G) R_ij of rollout i against reference j, in {-1, 0, 1}."""
        xp = r.xp
        if self.votes == "sum":
            signs = [self._signs(usable(parts, r)[0])]
        else:
            signs = [self._signs(usable({n: v}, r)[0]) for n, v in parts.items()]
        won, some = signs[0] > 0, signs[0] > 0
        for sign in signs[1:]:
            won, some = won & (sign > 0), some | (sign > 0)
        if len(signs) == 1:
            return signs[0]
        split = xp.full_like(signs[0], self.inconsistent)
        below = signs[0]  # without a win: a loss, unless all conditions tie
        for sign in signs[1:]:
            below = xp.where(sign < below, sign, below)
        return xp.where(won, xp.ones_like(split), xp.where(some, split, below))

    def _signs(self, score: Array) -> Array:
        """1, `ties` or -1 for each ordered pair."""
        xp = stats.array_namespace(score)
        own, other = score[..., :, None], score[..., None, :]
        sign = xp.astype(own > other, score.dtype) - xp.astype(own < other, score.dtype)
        return xp.where(sign == 0, xp.full_like(sign, self.ties), sign)


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
