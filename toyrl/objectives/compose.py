"""Objectives made of objectives: sums, and correction for a sampler that is not the old policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.objectives.base import Objective
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.surrogate import Surrogate
from toyrl.registry import add
from toyrl.rollouts import Rollouts, register_field

Array = Any
PPO = PolicyGradient()
MODES = ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask")

register_field(
    "sampling_logprobs",
    axes="T",
    high=0.0,
    unit="nats",
    origin="the inference engine that sampled the tokens",
)


@dataclass(frozen=True)
class Sum(Objective):
    """The sum of its terms, for example `Sum((PolicyGradient("grpo"), KlPenalty(beta=0.04)))`.

    Raises ValueError for a sum without terms.
    """

    terms: tuple[Objective, ...] = ()

    def __post_init__(self) -> None:
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
        the same with one weight per rollout, the product over its tokens
    cap, floor : bounds of the weight (TRL: 3.0 and none; its default mode is sequence_mask)

    Reads `sampling_logprobs`; NaN there means no correction for that token.

    Raises ValueError for another mode.
    """

    inner: Objective = PPO
    mode: str = "token_truncate"
    cap: float = 3.0
    floor: float = 0.0
    needs: ClassVar[tuple[str, ...]] = ("mask", "sampling_logprobs")

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            msg = f"mode={self.mode!r} is not one of {', '.join(MODES)}"
            raise ValueError(msg)

    def weight(self, rollouts: Rollouts, old_logp: Array) -> Array:
        """(..., B, G, T) or, in sequence modes, (..., B, G, 1)."""
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Corrected")
        sampled = r.need("sampling_logprobs", by="Corrected")
        usable = (mask > 0) & ~xp.isnan(sampled)
        gap = xp.where(usable, old_logp - sampled, xp.zeros_like(mask))
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

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """Minus the sum over tokens of weight times the inner term.

        Raises TypeError unless `inner` is a sum over tokens (a `Surrogate`).
        """
        if not isinstance(self.inner, Surrogate):
            msg = f"{self.inner!r} is no sum over tokens, so a corrected one has no loss value"
            raise TypeError(msg)
        terms = self.inner.terms(advantages, rollouts, logp, old_logp)
        return -rollouts.xp.sum(terms * self.weight(rollouts, old_logp), axis=(-3, -2, -1))


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
