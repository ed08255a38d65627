"""Path-consistent soft Q-learning: log-probabilities fitted to the reward, not to an advantage.

A language model's logits are read as Q; V_t = logsumexp of the logits before token t, and
A_t = Q_t - V_t is the token's log-probability. With a slow copy of the model, values V' without
gradient, and a reward r paid at the last token T,

    single step:  sum_t (A_t - y_t)^2,               y_t = V'_{t+1} - V'_t,   y_T = r - V'_T
    multi step:   sum_t (sum_{u >= t} A_u - (r - V'_t))^2
    loss = (1 - multi) * single + multi * multi step,   summed over tokens, mean over rollouts.

Both are 0 for every path exactly where pi(path) = exp(r)/sum exp(r) and V'_t is the soft value of
the prefix: the range of r is an inverse temperature, so scale it (shaping) on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.objectives.base import Objective
from toyrl.ranges import SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts

Array = Any


@entry(
    "soft_q",
    kind="objective",
    formula="-(1-multi) sum_t (log pi_t - y_t)^2 - multi sum_t (sum_(u>=t) log pi_u - r + V'_t)^2",
    cards=("37",),
    section="soft Q-learning; code rlprompt/losses/sql_losses.py, v2_v2r_v3_v3r",
    provenance="code",
)
@dataclass(frozen=True)
class SoftQ(Objective):
    """Squared path inconsistency of log-probabilities, target values and the reward.

    multi : in [0, 1], share of the multi-step loss (released: 1/2)

    `coefficients` takes the (shaped) rewards (..., B, G) in place of advantages; a NaN reward
    makes its rollout absent. Reads `target_values` (..., B, G, T), reward units; the old policy's
    log-probabilities are not read (None will do). The mask covers the first tokens of each row.

    Raises ValueError for a `multi` outside [0, 1].
    """

    multi: Annotated[float, SHARE.so("it is the share of the multi-step loss")] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("mask", "target_values")

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        del old_logp
        single, multi, mask, share = self._residuals(advantages, rollouts, logp)
        # d/dA_u of the multi-step squares: every start t <= u holds A_u.
        reached = rollouts.xp.cumulative_sum(multi, axis=-1)
        slope = (1 - self.multi) * single + self.multi * reached
        return -2 * slope * mask * share

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """The mixed squares, summed over tokens, mean over rollouts; rewards as `coefficients`."""
        del old_logp
        single, multi, _, share = self._residuals(advantages, rollouts, logp)
        squares = (1 - self.multi) * single**2 + self.multi * multi**2
        return rollouts.xp.sum(squares * share, axis=(-3, -2, -1))

    def losses(self, reward: Array, rollouts: Rollouts, logp: Array) -> tuple[Array, Array]:
        """(single, multi step) loss of each rollout, (..., B, G), before the mean; absent: 0."""
        single, multi, _, share = self._residuals(reward, rollouts, logp)
        present = rollouts.xp.astype(share > 0, logp.dtype)
        xp = rollouts.xp
        return xp.sum(single**2 * present, axis=-1), xp.sum(multi**2 * present, axis=-1)

    def _residuals(self, reward: Array, r: Rollouts, logp: Array) -> tuple[Array, ...]:
        """(single, multi) residuals, mask, each (..., B, G, T), and the share of each rollout."""
        xp = r.xp
        mask = r.need("mask", by="SoftQ")
        zero = xp.zeros_like(logp)
        a = xp.where(mask > 0, logp, zero)
        value = xp.where(mask > 0, r.need("target_values", by="SoftQ"), zero)
        broken = xp.isnan(reward)
        r_end = xp.where(broken, xp.zeros_like(reward), reward)[..., None]
        after = xp.concat([value[..., 1:], zero[..., :1]], axis=-1)
        goes_on = xp.concat([mask[..., 1:], zero[..., :1]], axis=-1) > 0
        single = (a - (xp.where(goes_on, after, zero + r_end) - value)) * mask
        # Sum from t on: the whole less what came before.
        rest = xp.sum(a, axis=-1, keepdims=True) - xp.cumulative_sum(a, axis=-1) + a
        multi = (rest - (r_end - value)) * mask
        w = xp.where(broken, xp.zeros_like(r.w), r.w)
        n = xp.sum(w, axis=(-2, -1), keepdims=True)
        return single, multi, mask, (w / xp.where(n > 0, n, xp.ones_like(n)))[..., None]
