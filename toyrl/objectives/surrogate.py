"""What surrogate losses share: one slope per token, and how tokens are averaged.

Aggregation (TRL `loss_type` / verl `loss_agg_mode`), the factor of each token:
sum (seq-mean-token-sum) 1/N; grpo (seq-mean-token-mean) 1/(N L_i); dapo (token-mean, TRL also
bnpo within one batch) 1/sum(L); dr_grpo (seq-mean-token-sum-norm) 1/(N L_max); N rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.objectives.base import Objective
from toyrl.ranges import FLAG, one_of
from toyrl.rollouts import Rollouts

Array = Any
AGGREGATIONS = ("sum", "grpo", "dapo", "dr_grpo")


@dataclass(frozen=True)
class Tokens:
    """A batch as a surrogate sees it, each (..., B, G, T); numbers off the mask are 0.

    a : advantages; log_ratio : logp - old_logp; ratio : its exponential
    length : (..., B, G, 1) tokens of the mask, at least 1
    """

    a: Array
    log_ratio: Array
    ratio: Array
    logp: Array
    old_logp: Array
    mask: Array
    length: Array
    rollouts: Rollouts

    @property
    def xp(self) -> Any:
        """The array namespace."""
        return self.rollouts.xp

    def where(self, condition: Array, x: Array) -> Array:
        """x where the condition holds, else 0."""
        return self.xp.where(condition, x, self.xp.zeros_like(x))

    def held(self, x: Array, low: float | None, high: float | None) -> Array:
        """x within [low, high] (None: no bound), without gradient beyond."""
        if low is not None:
            x = self.xp.where(x < low, self.xp.full_like(x, low), x)
        return x if high is None else self.xp.where(x > high, self.xp.full_like(x, high), x)

    def least(self, x: Array, y: Array) -> Array:
        """The smaller of the two, token by token; of equal ones x."""
        return self.xp.where(y < x, y, x)

    def row_mean(self, x: Array) -> Array:
        """(..., B, G, 1) mean over a rollout's tokens; 0 for none."""
        return self.xp.sum(x * self.mask, axis=-1, keepdims=True) / self.length

    def batch_mean(self, x: Array) -> Array:
        """(..., 1, 1, 1) mean over all tokens of the batch."""
        weight = self.mask * self.rollouts.w[..., None]
        total = self.xp.sum(weight, axis=(-3, -2, -1), keepdims=True)
        total = self.xp.where(total > 0, total, self.xp.ones_like(total))
        return self.xp.sum(x * weight, axis=(-3, -2, -1), keepdims=True) / total


def tokens_of(
    advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array, *, by: str
) -> Tokens:
    """The batch, with whatever stands off the mask taken out.

    advantages : (..., B, G) or (..., B, G, T); logp, old_logp : (..., B, G, T).
    """
    r, xp = rollouts, rollouts.xp
    mask = r.need("mask", by=by)
    zero, on = xp.zeros_like(logp), mask > 0
    a = advantages if advantages.ndim == mask.ndim else advantages[..., None]
    a = xp.where(on, a + zero, zero)
    new, old = xp.where(on, logp, zero), xp.where(on, old_logp, zero)
    n = xp.sum(mask, axis=-1, keepdims=True)
    length = xp.where(n > 1, n, xp.ones_like(n))
    return Tokens(a, new - old, xp.exp(new - old), new, old, mask, length, r)


@dataclass(frozen=True)
class Surrogate(Objective):
    """J = sum of J_it over tokens, averaged by `aggregation`.

    count_empty : a rollout without tokens counts in N (TRL) or not (verl)

    Raises ValueError for another aggregation.
    """

    aggregation: Annotated[str, one_of(*AGGREGATIONS)] = "dapo"
    count_empty: Annotated[bool, FLAG] = True

    def slope(self, t: Tokens) -> Array:
        """dJ_it/dlogp_it (..., B, G, T) before averaging."""
        msg = f"{type(self).__name__} defines no slope(tokens)"
        raise TypeError(msg)

    def height(self, t: Tokens) -> Array:
        """J_it (..., B, G, T) before averaging; what `slope` takes as given has no gradient."""
        msg = f"{type(self).__name__} defines no height(tokens)"
        raise TypeError(msg)

    def terms(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """(..., B, G, T) each token's term of J, share included; 0 off the mask."""
        by = type(self).__name__
        t = tokens_of(advantages, rollouts, logp, old_logp, by=by)
        live = t.where(t.mask > 0, self.height(t)) * t.mask
        return live * self.share(rollouts, t.xp.sum(t.mask, axis=-1))[..., None]

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J, the averaged sum over tokens."""
        terms = self.terms(advantages, rollouts, logp, old_logp)
        return -rollouts.xp.sum(terms, axis=(-3, -2, -1))

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        by = type(self).__name__
        t = tokens_of(advantages, rollouts, logp, old_logp, by=by)
        live = t.where(t.mask > 0, self.slope(t)) * t.mask
        return live * self.share(rollouts, t.xp.sum(t.mask, axis=-1))[..., None]

    def share(self, r: Rollouts, tokens: Array) -> Array:
        """(..., B, G) factor of each token of a rollout with that many tokens in the mask."""
        xp = r.xp
        counted = r.w if self.count_empty else xp.where(tokens > 0, r.w, xp.zeros_like(r.w))
        if self.aggregation == "dapo":
            total = xp.sum(r.w * tokens, axis=(-2, -1), keepdims=True)
            return r.w / xp.where(total > 0, total, xp.ones_like(total))
        rows = xp.sum(counted, axis=(-2, -1), keepdims=True)
        each = r.w / xp.where(rows > 0, rows, xp.ones_like(rows))
        if self.aggregation == "grpo":
            return each / xp.where(tokens > 1, tokens, xp.ones_like(tokens))
        return each / r.max_length if self.aggregation == "dr_grpo" else each

    def sequence_weight(self, rollouts: Rollouts) -> Array:
        """The factor c on-policy; see `Objective`. Exact where the slope at ratio 1 is A."""
        r, xp = rollouts, rollouts.xp
        one = xp.ones_like(r.length)
        if self.aggregation == "sum":
            return one
        if self.aggregation == "dr_grpo":
            return one / r.max_length
        if self.aggregation == "grpo":
            return one / xp.where(r.length > 1, r.length, one)
        length = xp.where(r.w > 0, r.length, xp.zeros_like(r.length))
        tokens = xp.sum(length * r.w, axis=(-2, -1), keepdims=True)
        rows = xp.sum(r.w, axis=(-2, -1), keepdims=True)
        mean = tokens / xp.where(rows > 0, rows, xp.ones_like(rows))
        return one / xp.where(mean > 0, mean, xp.ones_like(mean))
