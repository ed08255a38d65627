"""Objectives on pairs of rollouts of one prompt: reward differences, win-rate differences.

With s_i the log-probability of rollout i (summed over its tokens) and h_i = s_i - s_i^ref:

    prdp    J = - mean over pairs of max(l, l_clip),  l = (h_a - h_b - (r_a - r_b)/beta)^2,
            l_clip the same with every token's log-ratio held within eps of the old policy's
    dno     J = mean over pairs of sig(r_a - r_b) log sig(eta (h_a - h_b)) + (a <-> b),
            h against the old policy, r the win rate against it

Both are maximal exactly at the policy proportional to ref exp(r / beta), or old exp(r / eta): the
partition function cancels in a difference, as long as both rollouts share the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.estimators.participants import group_size, unlimited
from toyrl.objectives.base import Objective
from toyrl.registry import entry
from toyrl.rollouts import Rollouts

Array = Any


def _masked(r: Rollouts, x: Array, mask: Array) -> Array:
    return r.xp.where(mask > 0, x, r.xp.zeros_like(x)) * mask


def _pairs(r: Rollouts, reward: Array) -> tuple[Array, Array, Array]:
    """(reward, pair weights (..., B, G, G), prompts with a pair): i != j, NaN rewards out.

    The weights of a prompt sum to 1; without any pair they are 0.
    """
    xp = r.xp
    broken = xp.isnan(reward)
    w = xp.where(broken | ~(r.w > 0), xp.zeros_like(r.w), r.w)
    reward = xp.where(broken, xp.zeros_like(reward), reward)
    # A rollout is no pair with itself; with its copies it is, in the population limit always.
    both = w[..., :, None] * w[..., None, :]
    if not unlimited(group_size(r, w)):
        both = both - xp.eye(w.shape[-1], dtype=w.dtype) * w[..., None, :]
    total = xp.sum(both, axis=(-2, -1), keepdims=True)
    usable = total > 0
    both = xp.where(usable, both / xp.where(usable, total, xp.ones_like(total)), both * 0)
    return reward, both, xp.astype(usable, w.dtype)


def _per_prompt(prompts: Array, xp: Any) -> Array:
    n = xp.sum(prompts, axis=(-3, -2, -1), keepdims=True)
    return xp.where(n > 0, n, xp.ones_like(n))


@entry(
    "prdp",
    kind="objective",
    formula="-mean max(l, l_clip), l = (h_a - h_b - (r_a - r_b)/beta)^2",
    cards=("40",),
    section="RDP and proximal losses, online algorithm",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Prdp(Objective):
    """Log-ratio differences regressed on reward differences, clipped per token.

    beta : > 0, weight of the KL to the reference policy, reward per nat
    eps : clip of each token's log-ratio around the old policy's, nats; inf: plain RDP

    `coefficients` takes the rewards (..., B, G) in place of advantages; no centring, no std: the
    loss sees differences alone. Reads `ref_logprobs`. NaN rewards drop their pairs; a prompt
    with fewer than two rollouts gives nothing. Never divides by length. Mean over prompts.

    Raises ValueError for a beta or eps that is not above 0.
    """

    beta: float = 1.0
    eps: float = 0.1
    needs: ClassVar[tuple[str, ...]] = ("mask", "ref_logprobs")

    def __post_init__(self) -> None:
        for name in ("beta", "eps"):
            value = getattr(self, name)
            if not value > 0:
                msg = f"{name}={value!r} must be positive"
                raise ValueError(msg)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Prdp")
        ref = r.need("ref_logprobs", by="Prdp")
        reward, pairs, prompts = _pairs(r, advantages)
        token = _masked(r, logp - ref, mask)
        old = _masked(r, old_logp - ref, mask)
        clipped, far = self._clipped(xp, token, old)
        target = (reward[..., :, None] - reward[..., None, :]) / self.beta

        def residual(x: Array) -> Array:
            s = xp.sum(x, axis=-1)
            return s[..., :, None] - s[..., None, :] - target

        plain, proximal = residual(token), residual(clipped)
        active = xp.astype(proximal**2 > plain**2, logp.dtype)
        # Ordered pairs (a, b) and (b, a) are equal: twice 2 x residual each.
        open_ = xp.sum(pairs * plain * (1 - active), axis=-1)[..., None]
        inside = xp.astype(~far, logp.dtype)
        shut = xp.sum(pairs * proximal * active, axis=-1)[..., None] * inside
        return -4 * (open_ + shut) * mask / _per_prompt(prompts, xp)

    def _clipped(self, xp: Any, token: Array, old: Array) -> tuple[Array, Array]:
        """Log-ratios held within eps of the old ones, and where they are."""
        gap, eps = token - old, xp.full_like(token, self.eps)
        held = xp.where(gap > eps, eps, xp.where(gap < -eps, -eps, gap))
        return old + held, xp.abs(gap) > eps

    def loss(self, reward: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J, the mean over prompts of the mean over pairs of max(l, l_clip)."""
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Prdp")
        ref = r.need("ref_logprobs", by="Prdp")
        reward, pairs, prompts = _pairs(r, reward)
        token, old = _masked(r, logp - ref, mask), _masked(r, old_logp - ref, mask)
        clipped, _ = self._clipped(xp, token, old)

        def squares(x: Array) -> Array:
            s = xp.sum(x, axis=-1) - reward / self.beta
            return (s[..., :, None] - s[..., None, :]) ** 2

        plain, proximal = squares(token), squares(clipped)
        worst = xp.where(proximal > plain, proximal, plain)
        return xp.sum(pairs * worst) / _per_prompt(prompts, xp)[..., 0, 0, 0]


@entry(
    "dno",
    kind="objective",
    formula="mean sigma(r_a - r_b) log sigma(eta (h_a - h_b)) + (a <-> b)",
    cards=("29",),
    section="Algorithm 1, Eq. 8",
)
@dataclass(frozen=True)
class Dno(Objective):
    """Log-ratio differences fitted to win-rate differences by soft logistic regression.

    eta : > 0, temperature; larger is a smaller step. The maximiser is old exp(win rate / eta) / Z

    `coefficients` takes win rates in [0, 1] (`win_rates`) in place of advantages. NaN win rates
    drop their pairs. Mean over prompts.

    Raises ValueError for an eta that is not above 0.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        if not self.eta > 0:
            msg = f"eta={self.eta!r} must be positive"
            raise ValueError(msg)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Dno")
        reward, pairs, prompts = _pairs(r, advantages)
        h = self.eta * xp.sum(_masked(r, logp - old_logp, mask), axis=-1)
        gap = _sigmoid(xp, reward[..., :, None] - reward[..., None, :])
        gap = gap - _sigmoid(xp, h[..., :, None] - h[..., None, :])
        pull = 2 * self.eta * xp.sum(pairs * gap, axis=-1)
        return pull[..., None] * mask / _per_prompt(prompts, xp)


def win_rates(score: Array, rollouts: Rollouts, *, temperature: float = 0.0) -> Array:
    """(..., B, G) win rate of each rollout against the others of its group, in [0, 1].

    score : (..., B, G) judged qualities; NaN is absent and NaN in the answer
    temperature : 0 compares (ties 1/2); above, P(i beats j) = sigmoid((s_i - s_j)/temperature)

    Mean over the group is exactly 1/2. A lone rollout has 1/2.
    """
    xp = rollouts.xp
    broken = xp.isnan(score)
    w = xp.where(broken | ~(rollouts.w > 0), xp.zeros_like(rollouts.w), rollouts.w)
    s = xp.where(broken, xp.zeros_like(score), score)
    gap = s[..., :, None] - s[..., None, :]
    beats = (1 + xp.sign(gap)) / 2 if temperature == 0 else _sigmoid(xp, gap / temperature)
    # Itself is a tie, which is taken off again where there are others.
    n = xp.sum(w, axis=-1, keepdims=True)
    own = w * 0 if unlimited(group_size(rollouts, w)) else xp.ones_like(w)
    others = n - own
    total = xp.sum(beats * w[..., None, :], axis=-1) - own / 2
    rate = xp.where(others > 0, total / xp.where(others > 0, others, 1 + 0 * others), 0.5 + 0 * n)
    return xp.where(broken, score, rate)


def _sigmoid(xp: Any, x: Array) -> Array:
    return xp.where(x >= 0, 1 / (1 + xp.exp(-xp.abs(x))), 1 - 1 / (1 + xp.exp(-xp.abs(x))))
