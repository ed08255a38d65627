"""Advantages per token: GAE with a critic's values, discounted returns without one.

    delta_t = r_t + gamma V_{t+1} - V_t,    A_t = delta_t + gamma lam A_{t+1},    return = A + V

over the completion's tokens alone: a token outside the mask (an observation between turns) passes
V and A through unchanged and undiscounted, as in verl. A reward per rollout stands on its last
token. Both recursions are x_t = a_t x_{t+1} + b_t, solved by doubling in log2(T) steps.

    preset                      as in
    gae                         verl compute_gae_advantage_return; Schulman et al. 2016
    fine_grained_gae            FineGrainedRLHF, fgrlhf/ppo.py
    reinforce_plus_plus_tokens  verl compute_reinforce_plus_plus_outcome_advantage

All whiten over all tokens of the batch: (A - mean)/sqrt(var + 1e-8), var with ddof 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.dtypes import lowered
from toyrl.estimators.base import Estimator
from toyrl.estimators.participants import divisor, usable
from toyrl.ranges import FLAG, SHARE, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.entrance import entered_rewards
from toyrl.rollouts.tokens import after, backward, last_token
from toyrl.shapers.base import Parts

Array = Any
WHITENINGS = ("standard", "repo")


def token_rewards(parts: Parts, r: Rollouts, mask: Array) -> Array:
    """(..., B, G, T) rewards: token parts where they are, rollout parts on the last token."""
    xp = r.xp
    last = last_token(mask)
    out = xp.zeros_like(mask)
    for value in parts.values():
        wide = value.ndim > r.correct.ndim
        out = out + (xp.where(mask > 0, value, out * 0) if wide else value[..., None] * last)
    return out


def whiten(
    a: Array,
    weight: Array,
    *,
    ddof: float = 1.0,
    eps: float = 1e-8,
    centred: bool = True,
    variant: str = "standard",
) -> Array:
    """(a - mean)/sqrt(var + eps) over the last three axes, the whole batch; 0 where weight is 0.

    a, weight : (..., B, G, T)
    centred : False adds the mean again behind the division
    variant : "standard", or "repo": divided by sqrt(std + eps), as the released code of paper 51
        does, where a variable named var holds the standard deviation

    Raises ValueError for another variant.
    """
    if variant not in WHITENINGS:
        msg = f"variant={variant!r} is not one of {', '.join(WHITENINGS)}"
        raise ValueError(msg)
    xp = stats.array_namespace(a, weight)
    flat = (*a.shape[:-3], 1, 1, a.shape[-3] * a.shape[-2] * a.shape[-1])
    x, w = xp.reshape(a, flat), xp.reshape(weight, flat)
    spread, mean = stats.std(x, w, ddof=ddof), stats.mean(x, w)
    signal = spread > 0
    scale = xp.sqrt(spread + eps) if variant == "repo" else divisor(spread, eps, "variance")
    apart = xp.where(signal, (a - mean) / xp.where(signal, scale, xp.ones_like(spread)), 0 * a)
    return xp.where(weight > 0, apart if centred else apart + mean, xp.zeros_like(a))


@dataclass(frozen=True)
class _Tokens(Estimator):
    """Advantages per token (..., B, G, T), 0 outside the mask and for absent rollouts.

    gamma : discount per token in [0, 1]; whitened : over all tokens of the batch
    """

    gamma: Annotated[float, SHARE] = 1.0
    whitened: Annotated[bool, FLAG] = True
    token_level: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("mask",)

    @property
    def scope(self) -> str:
        """ "batch" where tokens are whitened over the batch, else "rollout"."""
        return "batch" if self.whitened else "rollout"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        w = usable(parts, rollouts)[1]
        a, weight = self._raw(parts, rollouts, w)
        xp = rollouts.xp
        out = (
            self._whitened(a, weight)
            if self.whitened
            else xp.where(weight > 0, a, xp.zeros_like(a))
        )
        return out, dict(state or {})

    def _whitened(self, a: Array, weight: Array) -> Array:
        return whiten(a, weight)

    def _raw(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array]:
        """Advantages before whitening and the weight of each token."""
        msg = f"{type(self).__name__} defines no _raw(...)"
        raise TypeError(msg)

    def _inputs(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array, Array]:
        """Mask, rewards and weights per token, without NaN."""
        xp, mask = r.xp, r.need("mask", by=type(self).__name__)
        reward = token_rewards(parts, r, mask)
        present = w[..., None] > 0
        return mask, xp.where(present, reward, xp.zeros_like(reward)), w[..., None] * mask


@entry(
    "gae",
    kind="estimator",
    formula="A_t = sum_u (gamma lam)^u delta_(t+u), delta = r + gamma V' - V",
    cards=("00",),
    works=("gae",),
    section="Eqs. 11-16; verl compute_gae_advantage_return",
    provenance="code",
)
@dataclass(frozen=True)
class Gae(_Tokens):
    """Generalised advantage estimation from a critic's `values` per token.

    lam : in [0, 1]; 1 is return minus value (no bias, most variance), 0 the TD error
    """

    lam: Annotated[float, SHARE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("mask", "values")

    def _raw(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array]:
        mask, reward, weight = self._inputs(parts, r, w)
        value = r.xp.where(weight > 0, r.need("values", by="Gae"), r.xp.zeros_like(mask))
        delta = reward + self.gamma * after(value, mask) - value
        return backward(mask * (self.gamma * self.lam) + (1 - mask), mask * delta), weight

    def returns(self, parts: Parts, rollouts: Rollouts) -> Array:
        """(..., B, G, T) A + V before whitening: the critic's target; 0 outside the mask."""
        parts, rollouts, narrow = entered_rewards(parts, rollouts, by=self)
        a, weight = self._raw(parts, rollouts, usable(parts, rollouts)[1])
        target = a + rollouts.need("values", by="Gae")
        return lowered(rollouts.xp.where(weight > 0, target, rollouts.xp.zeros_like(a)), narrow)


@entry(
    "fine_grained_gae",
    kind="estimator",
    formula="GAE of r/scale(r); advantages whitened",
    cards=("51",),
    section="code fgrlhf/ppo.py, fgrlhf/utils.py",
    provenance="code",
)
@dataclass(frozen=True)
class FineGrainedGae(Gae):
    """GAE as segment rewards are trained with: rewards scaled over the batch, advantages whitened.

    lam : 0.95, in the paper's holistic baseline 0.99
    variant : "repo" divides by the root of the standard deviation, "standard" by the deviation;
        rewards keep their mean. The code's correction of small samples is not known: ddof 1
    """

    lam: Annotated[float, SHARE] = 0.95
    variant: Annotated[str, one_of(*WHITENINGS)] = "repo"

    def _inputs(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array, Array]:
        mask, reward, weight = super()._inputs(parts, r, w)
        if self.whitened:
            reward = whiten(reward, weight, centred=False, variant=self.variant)
        return mask, reward, weight

    def _whitened(self, a: Array, weight: Array) -> Array:
        return whiten(a, weight, variant=self.variant)


@entry(
    "reinforce_plus_plus_tokens",
    kind="estimator",
    formula="A_t = sum_u gamma^u r_(t+u), whitened over tokens",
    cards=("00",),
    works=("reinforce++",),
    section="verl compute_reinforce_plus_plus_outcome_advantage",
    provenance="code",
)
@dataclass(frozen=True)
class ReturnsToGo(_Tokens):
    """Discounted reward still to come, whitened over all tokens of the batch."""

    def _raw(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array]:
        mask, reward, weight = self._inputs(parts, r, w)
        # The running return is discounted once per token of the mask, rewards stand on them.
        return backward(mask * self.gamma + (1 - mask), mask * reward), weight
