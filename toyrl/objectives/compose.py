"""Objectives made of objectives: sums, and corrections of which tokens and rollouts count.

    Sum              the sum of its terms
    Corrected        times pi_old/pi_sampler, truncated or masked
    off_policy_mask  wrong rollouts that the policy has left are dropped
    top_entropy      only the tokens of largest entropy are kept

What is dropped still counts in the divisor of the average, as in TRL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.messages import shortened
from toyrl.objectives.base import Objective
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.surrogate import Surrogate, tokens_of
from toyrl.ranges import NOT_NEGATIVE, POSITIVE_OR_INF, SHARE, one_of
from toyrl.registry import add, entry
from toyrl.rollouts import Rollouts

Array = Any
PPO = PolicyGradient()
MODES = (
    "token_truncate",
    "token_mask",
    "sequence_truncate",
    "sequence_mask",
    "geometric_mask",
)


@dataclass(frozen=True)
class Sum(Objective):
    """The sum of its terms, for example `Sum((PolicyGradient("grpo"), KlPenalty(beta=0.04)))`.

    Raises ValueError for a sum without terms.
    """

    terms: tuple[Objective, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms:
            msg = "terms is empty; give at least one objective"
            raise ValueError(msg)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        out = self.terms[0].coefficients(advantages, rollouts, logp, old_logp)
        for term in self.terms[1:]:
            out = out + term.coefficients(advantages, rollouts, logp, old_logp)
        return out

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """The sum of the terms' losses."""
        out = self.terms[0].loss(advantages, rollouts, logp, old_logp)
        for term in self.terms[1:]:
            out = out + term.loss(advantages, rollouts, logp, old_logp)
        return out


@dataclass(frozen=True)
class Corrected(Objective):
    """An objective times an importance weight pi_old/pi_sampler, truncated or masked.

    Inference engines sample from a slightly other policy than the one trained. The weight has no
    gradient and does not depend on the current policy.

    mode : token_truncate min(w, cap); token_mask w where floor <= w <= cap, else 0; sequence_*
        the same with one weight per rollout, the product over its tokens; geometric_mask the
        token's own w, and 0 for a rollout whose geometric mean of w leaves [floor, cap]
        (NeMo-RL "seq-mask-tis"; its "icepop" is token_mask)
    cap, floor : bounds of the weight (TRL: 3.0 and none; its default mode is sequence_mask)

    Reads `sampling_logprobs`; NaN there means no correction for that token.

    Raises ValueError for another mode, and for a floor above the cap.
    """

    inner: Objective = PPO
    mode: Annotated[str, one_of(*MODES)] = "token_truncate"
    cap: Annotated[float, POSITIVE_OR_INF] = 3.0
    floor: Annotated[float, NOT_NEGATIVE] = 0.0
    needs: ClassVar[tuple[str, ...]] = ("mask", "sampling_logprobs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.floor > self.cap:
            msg = f"floor={shortened(self.floor)} is above cap={shortened(self.cap)}; exchange them"
            raise ValueError(msg)

    def weight(self, rollouts: Rollouts, old_logp: Array) -> Array:
        """(..., B, G, T) or, in sequence modes, (..., B, G, 1)."""
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Corrected")
        sampled = r.need("sampling_logprobs", by="Corrected")
        usable = (mask > 0) & ~xp.isnan(sampled)
        gap = xp.where(usable, old_logp - sampled, xp.zeros_like(mask))
        if self.mode == "geometric_mask":
            n = xp.sum(mask, axis=-1, keepdims=True)
            mean = xp.sum(gap, axis=-1, keepdims=True) / xp.where(n > 1, n, xp.ones_like(n))
            near = (xp.exp(mean) >= self.floor) & (xp.exp(mean) <= self.cap)
            return xp.where(near, xp.exp(gap), xp.zeros_like(gap))
        if self.mode.startswith("sequence"):
            gap = xp.sum(gap, axis=-1, keepdims=True)
        w = xp.exp(gap)
        low, high = w < self.floor, w > self.cap
        if self.mode.endswith("mask"):
            return xp.where(low | high, xp.zeros_like(w), w)
        w = xp.where(low, xp.zeros_like(w) + self.floor, w)
        return xp.where(high, xp.zeros_like(w) + self.cap, w)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        inner = self.inner.coefficients(advantages, rollouts, logp, old_logp)
        return inner * self.weight(rollouts, old_logp)

    def terms(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """(..., B, G, T) the inner terms times the weight."""
        inner = terms_of(self.inner, advantages, rollouts, logp, old_logp)
        return inner * self.weight(rollouts, old_logp)

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """Minus the sum over tokens of weight times the inner term.

        Raises TypeError unless `inner` is a sum over tokens (a `Surrogate`).
        """
        return _summed(self.terms(advantages, rollouts, logp, old_logp), rollouts)


def terms_of(
    inner: Objective, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
) -> Array:
    """(..., B, G, T) the terms of an objective that is a sum over tokens.

    Raises TypeError for another objective.
    """
    if isinstance(inner, (Surrogate, Corrected, OffPolicyMask, TopEntropy)):
        return inner.terms(advantages, rollouts, logp, old_logp)
    msg = f"{inner!r} is no sum over tokens, so a corrected one has no loss value"
    raise TypeError(msg)


def _summed(terms: Array, rollouts: Rollouts) -> Array:
    return -rollouts.xp.sum(terms, axis=(-3, -2, -1))


for _name, _mode, _summary in (
    ("tis", "token_truncate", "Truncated importance sampling: token weights cut at 3"),
    ("mis", "sequence_mask", "Masked importance sampling: rollouts of weight above 3 dropped"),
):
    add(
        _name,
        Corrected(mode=_mode),
        kind="objective",
        formula="w J, w = pi_old/pi_sampler, truncated or masked",
        cards=("00",),
        section=f'TRL vllm_importance_sampling_mode="{_mode}"',
        provenance="code",
        summary=_summary,
    )


@entry(
    "off_policy_mask",
    kind="objective",
    formula="J without rollouts of A < 0 and mean_t(log pi_sampler - log pi) > threshold",
    cards=("00",),
    section="TRL off_policy_mask_threshold; DeepSeek-V3.2, Eq. 9",
    provenance="code",
)
@dataclass(frozen=True)
class OffPolicyMask(Objective):
    """An objective without the wrong rollouts that the policy has come to dislike anyway.

    threshold : > 0, nats per token; a token of A < 0 is dropped where the rollout's mean of
        log pi_sampler - log pi is above it. TRL has no default; 0.5 is its example

    The sampler is `sampling_logprobs` where given (NaN there: no evidence), else the old policy.

    Raises ValueError for a threshold that is not positive.
    """

    inner: Objective = PPO
    threshold: Annotated[float, POSITIVE_OR_INF.so("it is a divergence in nats")] = 0.5

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        keep = self.kept(advantages, rollouts, logp, old_logp)
        inner = self.inner.coefficients(advantages, rollouts, logp, old_logp)
        return rollouts.xp.where(keep, inner, rollouts.xp.zeros_like(inner))

    def kept(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """(..., B, G, T) bool."""
        sampler = rollouts.fields.get("sampling_logprobs", old_logp)
        t = tokens_of(advantages, rollouts, logp, sampler, by="OffPolicyMask")
        gap = t.where(~t.xp.isnan(t.log_ratio), -t.log_ratio)
        return (t.a >= 0) | (t.row_mean(gap) <= self.threshold)

    def terms(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """(..., B, G, T) the inner terms that are kept."""
        inner = terms_of(self.inner, advantages, rollouts, logp, old_logp)
        keep = self.kept(advantages, rollouts, logp, old_logp)
        return rollouts.xp.where(keep, inner, rollouts.xp.zeros_like(inner))

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """Minus the sum of the inner terms that are kept.

        Raises TypeError unless `inner` is a sum over tokens.
        """
        return _summed(self.terms(advantages, rollouts, logp, old_logp), rollouts)


@entry(
    "top_entropy",
    kind="objective",
    formula="J on the tokens whose entropy is among the largest share of the batch",
    cards=("00",),
    works=("top-entropy",),
    section="TRL top_entropy_quantile",
    provenance="code",
)
@dataclass(frozen=True)
class TopEntropy(Objective):
    """An objective on the tokens of largest entropy alone.

    share : in [0, 1], of the batch's tokens; kept are those at or above the (1 - share) quantile
        of the entropies, interpolated linearly between neighbours

    Reads `entropy`, nats. For sampled rollouts: one of weight > 0 counts once, whatever its weight.

    Raises ValueError for a share outside [0, 1].
    """

    inner: Objective = PPO
    share: Annotated[float, SHARE.so("it is the share of tokens that are kept")] = 0.2
    needs: ClassVar[tuple[str, ...]] = ("mask", "entropy")

    def kept(self, rollouts: Rollouts) -> Array:
        """(..., B, G, T) bool."""
        r, xp = rollouts, rollouts.xp
        entropy = r.need("entropy", by="TopEntropy")
        live = (r.need("mask", by="TopEntropy") > 0) & (r.w[..., None] > 0)
        flat = (*entropy.shape[:-3], entropy.shape[-3] * entropy.shape[-2] * entropy.shape[-1])
        last = xp.reshape(xp.where(live, entropy, xp.full_like(entropy, xp.inf)), flat)
        zero = xp.zeros_like(last)
        rank = xp.cumulative_sum(zero + 1, axis=-1) - 1
        n = xp.sum(xp.where(xp.reshape(live, flat), zero + 1, zero), axis=-1, keepdims=True)
        ordered = xp.where(rank < n, xp.sort(last, axis=-1), zero)
        place = (1 - self.share) * (n - 1)
        low = xp.floor(place)
        below = xp.sum(xp.where(rank == low, ordered, zero), axis=-1, keepdims=True)
        above = xp.where(rank == xp.ceil(place), ordered, zero)
        above = xp.sum(above, axis=-1, keepdims=True)
        limit = below + (place - low) * (above - below)
        return live & (entropy >= xp.reshape(limit, (*limit.shape[:-1], 1, 1, 1)))

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        inner = self.inner.coefficients(advantages, rollouts, logp, old_logp)
        return rollouts.xp.where(self.kept(rollouts), inner, rollouts.xp.zeros_like(inner))

    def terms(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """(..., B, G, T) the inner terms that are kept."""
        inner = terms_of(self.inner, advantages, rollouts, logp, old_logp)
        return rollouts.xp.where(self.kept(rollouts), inner, rollouts.xp.zeros_like(inner))

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """Minus the sum of the inner terms that are kept.

        Raises TypeError unless `inner` is a sum over tokens.
        """
        return _summed(self.terms(advantages, rollouts, logp, old_logp), rollouts)
