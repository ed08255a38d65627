"""OREAL: clone right rollouts, push wrong ones down by a reshaped reward, token by token.

    J = mean over tokens of right rollouts of  A+ omega+ log pi
      - eta mean over tokens of wrong ones of  |A-| omega- pi/sg(pi)

omega+ = max(2 sigma(w) - 1, 0) and omega- = max(1 - 2 sigma(w), 0), w the logit of a token reward
model learned from outcomes alone; without one both are 1 and this is filtered cloning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.objectives.base import Objective
from toyrl.registry import entry
from toyrl.rollouts import Rollouts, register_field

Array = Any
WEIGHTS = ("none", "token", "running")

register_field(
    "credit_logit",
    axes="T",
    unit="logit",
    origin="a token reward model trained on outcomes (mean logit against the outcome)",
)


@entry(
    "oreal",
    kind="objective",
    formula="mean_right omega+ log pi - eta mean_wrong omega- pi/sg(pi)",
    cards=("30",),
    section="Eqs. 10 to 12; repository train_oreal.py",
    provenance="code",
)
@dataclass(frozen=True)
class Oreal(Objective):
    """Right (advantage > 0) and wrong (< 0) tokens averaged apart; wrong ones times eta.

    eta : weight of the wrong side, 0.5 in the code
    weights : "none"; "token", the paper's omega of each token's own logit; "running", the code's,
        of the running mean of logits, which marks everything after the decisive token

    Reads `credit_logit` unless weights is "none". KL is apart (`KlPenalty`).

    Raises ValueError for other weights.
    """

    eta: float = 0.5
    weights: str = "none"
    needs: ClassVar[tuple[str, ...]] = ("mask",)

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            msg = f"weights={self.weights!r} is not one of {', '.join(WEIGHTS)}"
            raise ValueError(msg)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Oreal") * r.w[..., None]
        a = advantages[..., None] + xp.zeros_like(logp)
        zero = xp.zeros_like(logp)
        a = xp.where(mask > 0, a, zero)
        up, down = self.token_weights(r, logp)
        ratio = xp.exp(xp.where(mask > 0, logp - old_logp, zero))
        right, wrong = xp.where(a > 0, mask, zero), xp.where(a < 0, mask, zero)
        return a * (
            right * up / _total(xp, right) + self.eta * wrong * down * ratio / _total(xp, wrong)
        )

    def token_weights(self, r: Rollouts, like: Array) -> tuple[Array, Array]:
        """(omega+, omega-), each (..., B, G, T) in [0, 1], never both above 0 (1 and 1: none)."""
        xp = r.xp
        if self.weights == "none":
            return xp.ones_like(like), xp.ones_like(like)
        mask = r.need("mask", by="Oreal")
        w = xp.where(mask > 0, r.need("credit_logit", by="Oreal"), xp.zeros_like(like))
        if self.weights == "running":
            count = xp.cumulative_sum(mask, axis=-1)
            w = xp.cumulative_sum(w * mask, axis=-1) / xp.where(
                count > 0, count, xp.ones_like(count)
            )
        lean = xp.tanh(w / 2)  # 2 sigma(w) - 1
        zero = xp.zeros_like(lean)
        return xp.where(lean > 0, lean, zero), xp.where(lean < 0, -lean, zero)


def _total(xp: Any, mask: Array) -> Array:
    n = xp.sum(mask, axis=(-3, -2, -1), keepdims=True)
    return xp.where(n > 0, n, xp.ones_like(n))
