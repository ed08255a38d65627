"""Entropy control by the covariance of advantage and log-probability, token by token.

cov_it = (A - mean A)(log pi - mean log pi), means over all tokens of the batch. Tokens of large
covariance are those that make entropy fall. `clip_cov` drops a few of them at random, `kl_cov`
holds them near the old policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.objectives.base import stopped
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.objectives.surrogate import Surrogate, Tokens
from toyrl.ranges import NOT_NEGATIVE, SHARE, Range
from toyrl.registry import entry

Array = Any


def covariance(t: Tokens) -> Array:
    """(..., B, G, T), 0 off the mask."""
    cov = (t.a - t.batch_mean(t.a)) * (t.logp - t.batch_mean(t.logp))
    return t.where(live(t), cov)


def live(t: Tokens) -> Array:
    """True on the mask of present rollouts.

    (..., B, G, T) bool.
    """
    return (t.mask > 0) & (t.rollouts.w[..., None] > 0)


def quota(t: Tokens, share: float) -> Array:
    """(..., 1, 1, 1) whole number of tokens in that share of the batch, at least 1."""
    weight = t.mask * t.rollouts.w[..., None]
    n = t.xp.floor(share * t.xp.sum(weight, axis=(-3, -2, -1), keepdims=True))
    return t.xp.where(n > 1, n, t.xp.ones_like(n))


@entry(
    "clip_cov",
    kind="objective",
    formula="min(rho A, clip(rho) A), a few tokens of large covariance dropped",
    cards=("00",),
    works=("entropy",),
    section='Clip-Cov; verl loss_mode="clip_cov"',
    provenance="code",
)
@dataclass(frozen=True)
class ClipCov(PolicyGradient):
    """The clipped policy gradient with a few tokens of large covariance dropped.

    share : of the batch's tokens dropped, at least one token
    low, high : dropped are tokens with covariance strictly between these

    verl draws the dropped tokens at random from the candidates; here each candidate's gradient
    is multiplied by its chance to stay, the exact mean over draws.
    """

    count_empty: bool = False
    share_dropped: Annotated[float, SHARE] = 2e-4
    low: Annotated[float, Range("[-inf, inf]")] = 1.0
    high: Annotated[float, Range("[-inf, inf]")] = 5.0

    def slope(self, t: Tokens) -> Array:
        return super().slope(t) * self.stays(t)

    def height(self, t: Tokens) -> Array:
        return super().height(t) * stopped(self.stays(t))

    def stays(self, t: Tokens) -> Array:
        """(..., B, G, T) each token's chance to stay."""
        xp, cov = t.xp, covariance(t)
        up = (t.a > 0) & (t.ratio > 1 + self.clip_high)
        clipped = up | ((t.a < 0) & (t.ratio < 1 - self.clip_low))
        chosen = (cov > self.low) & (cov < self.high) & ~clipped & live(t)
        weight = t.where(chosen, t.mask * t.rollouts.w[..., None])
        n = xp.sum(weight, axis=(-3, -2, -1), keepdims=True)
        gone = quota(t, self.share_dropped) / xp.where(n > 0, n, xp.ones_like(n))
        stay = xp.where(gone < 1, 1 - gone, xp.zeros_like(gone)) + xp.zeros_like(cov)
        return xp.where(chosen, stay, xp.ones_like(stay))


@entry(
    "kl_cov",
    kind="objective",
    formula="rho A - coef |log rho| on tokens of largest covariance",
    cards=("00",),
    works=("entropy",),
    section='KL-Cov; verl loss_mode="kl_cov"',
    provenance="code",
)
@dataclass(frozen=True)
class KlCov(Surrogate):
    """rho A without clip, minus coef |log rho| on the tokens of largest covariance.

    share_held : of the batch's tokens, at least one token; equal covariances in order of place
    coef : >= 0, weight of the penalty
    """

    count_empty: bool = False
    share_held: Annotated[float, SHARE] = 2e-4
    coef: Annotated[float, NOT_NEGATIVE] = 1.0

    def slope(self, t: Tokens) -> Array:
        return t.ratio * t.a - t.where(self.held_tokens(t), self.coef * t.xp.sign(t.log_ratio))

    def height(self, t: Tokens) -> Array:
        return t.ratio * t.a - t.where(self.held_tokens(t), self.coef * t.xp.abs(t.log_ratio))

    def held_tokens(self, t: Tokens) -> Array:
        """(..., B, G, T) bool: the tokens of largest covariance."""
        xp, cov = t.xp, covariance(t)
        flat = (*cov.shape[:-3], cov.shape[-3] * cov.shape[-2] * cov.shape[-1])
        low = xp.where(live(t), cov, xp.full_like(cov, -xp.inf))
        order = xp.argsort(xp.reshape(low, flat), axis=-1, descending=True, stable=True)
        place = xp.reshape(xp.argsort(order, axis=-1, stable=True), cov.shape)
        return (xp.astype(place, cov.dtype) < quota(t, self.share_held)) & live(t)
