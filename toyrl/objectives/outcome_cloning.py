"""OREAL: clone right rollouts, push wrong ones down by a reshaped reward, token by token.

    J = mean over tokens of right rollouts of  A+ omega+ log pi
      - eta mean over tokens of wrong ones of  |A-| omega- pi/sg(pi)

omega+ = max(2 sigma(w) - 1, 0) and omega- = max(1 - 2 sigma(w), 0), w the logit of a token reward
model learned from outcomes alone; without one both are 1 and this is filtered cloning. The ratio
here is pi/pi_old; the released pi/sg(pi) has the same value and gradient at the old policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.objectives.base import Objective
from toyrl.ranges import NOT_NEGATIVE, PART, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts

Array = Any
WEIGHTS = ("none", "token", "running", "top")


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
        of the running mean of logits, which marks everything after the decisive token; "top", the
        code's alternative: of each rollout the `share` of tokens with the largest running mean
        (for wrong ones the least), scaled to [0, 1] between their own extremes, all 1 if those tie
    share : in (0, 1], of a rollout's tokens, rounded down, at least one; read for "top" alone

    Reads `credit_logit` unless weights is "none". KL is apart (`KlPenalty`).

    Raises ValueError for other weights or another share.
    """

    eta: Annotated[float, NOT_NEGATIVE] = 0.5
    weights: Annotated[str, one_of(*WEIGHTS)] = "none"
    share: Annotated[float, PART.so("it is a share of a rollout's tokens")] = 0.25
    needs: ClassVar[tuple[str, ...]] = ("mask",)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        up, down, _, ratio = self._sides(advantages, rollouts, logp, old_logp)
        return up + down * ratio

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J: the weighted cross-entropy of right tokens plus the wrong side's ratios."""
        up, down, now, ratio = self._sides(advantages, rollouts, logp, old_logp)
        return -rollouts.xp.sum(up * now + down * ratio, axis=(-3, -2, -1))

    def _sides(self, advantages: Array, r: Rollouts, logp: Array, old_logp: Array) -> Any:
        """Factor of log pi, factor of the ratio, log pi and the ratio, each (..., B, G, T)."""
        xp = r.xp
        mask = r.need("mask", by="Oreal") * r.w[..., None]
        zero = xp.zeros_like(logp)
        wide = advantages if advantages.ndim == mask.ndim else advantages[..., None]
        a = xp.where(mask > 0, wide + zero, zero)
        up, down = self.token_weights(r, logp)
        now = xp.where(mask > 0, logp, zero)
        ratio = xp.exp(now - xp.where(mask > 0, old_logp, zero))
        right, wrong = xp.where(a > 0, mask, zero), xp.where(a < 0, mask, zero)
        gain, loss = a * right * up / _total(xp, right), a * wrong * down / _total(xp, wrong)
        return gain, self.eta * loss, now, ratio

    def token_weights(self, r: Rollouts, like: Array) -> tuple[Array, Array]:
        """(omega+, omega-), each (..., B, G, T) in [0, 1].

        "none": 1 and 1; "token" and "running": never both above 0; "top": each by itself, as a
        rollout reads only one of the two.
        """
        xp = r.xp
        if self.weights == "none":
            return xp.ones_like(like), xp.ones_like(like)
        mask = r.need("mask", by="Oreal")
        w = xp.where(mask > 0, r.need("credit_logit", by="Oreal"), xp.zeros_like(like))
        if self.weights != "token":
            count = xp.cumulative_sum(mask, axis=-1)
            w = xp.cumulative_sum(w * mask, axis=-1) / xp.where(
                count > 0, count, xp.ones_like(count)
            )
        lean = xp.tanh(w / 2)  # 2 sigma(w) - 1
        if self.weights == "top":
            return _largest(xp, lean, mask, self.share), _largest(xp, -lean, mask, self.share)
        zero = xp.zeros_like(lean)
        return xp.where(lean > 0, lean, zero), xp.where(lean < 0, -lean, zero)


def _total(xp: Any, mask: Array) -> Array:
    n = xp.sum(mask, axis=(-3, -2, -1), keepdims=True)
    return xp.where(n > 0, n, xp.ones_like(n))


def _largest(xp: Any, x: Array, mask: Array, share: float) -> Array:
    """x of each row's largest tokens, scaled to [0, 1] by their extremes; 0 on the others."""
    low = xp.where(mask > 0, x, xp.full_like(x, -xp.inf))
    order = xp.argsort(low, axis=-1, descending=True, stable=True)
    place = xp.astype(xp.argsort(order, axis=-1, stable=True), x.dtype)
    n = xp.sum(mask, axis=-1, keepdims=True)
    # A share of a whole number of tokens may miss it by rounding.
    count = xp.floor(share * n * (1 + 8 * xp.finfo(x.dtype).eps))
    kept = (place < xp.where(count > 1, count, xp.ones_like(count))) & (mask > 0)
    zero, one = xp.zeros_like(x), xp.ones_like(x)
    top = xp.max(xp.where(kept, x, zero - 1), axis=-1, keepdims=True)  # x is above -1
    least = xp.min(xp.where(kept, x, one), axis=-1, keepdims=True)
    spread = top - least
    apart = spread > 0
    scaled = (x - least) / xp.where(apart, spread, xp.ones_like(spread))
    return xp.where(kept, xp.where(apart, scaled, one), zero)
