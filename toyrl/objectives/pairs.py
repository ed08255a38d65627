"""Objectives on pairs of rollouts of one prompt: reward differences, win-rate differences.

With s_i the log-probability of rollout i (summed over its tokens) and h_i = s_i - s_i^ref:

    prdp    J = - mean over pairs of max(l, l_clip),  l = (h_a - h_b - (r_a - r_b)/beta)^2,
            l_clip the same with every token's log-ratio held within eps of the old policy's
    dno     J = mean over pairs of sig(r_a - r_b) log sig(eta (h_a - h_b)) + (a <-> b),
            h against the old policy, r the win rate against it
    dno_prct  J = mean of log sig(eta (h_+ - h_-)) over pairs with r_+ - r_- at least a margin

The first two are maximal exactly at the policy proportional to ref exp(r / beta), or
old exp(r / eta): the partition function cancels in a difference, as long as both rollouts share the
prompt. The third keeps the sign of the difference alone and has no maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.estimators.participants import group_size, unlimited
from toyrl.objectives.base import Objective
from toyrl.ranges import POSITIVE, POSITIVE_OR_INF, Range
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

    beta: Annotated[float, POSITIVE] = 1.0
    eps: Annotated[float, POSITIVE_OR_INF] = 0.1
    needs: ClassVar[tuple[str, ...]] = ("mask", "ref_logprobs")

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

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J, the mean over prompts of the mean over pairs of max(l, l_clip)."""
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Prdp")
        ref = r.need("ref_logprobs", by="Prdp")
        reward, pairs, prompts = _pairs(r, advantages)
        token, old = _masked(r, logp - ref, mask), _masked(r, old_logp - ref, mask)
        clipped, _ = self._clipped(xp, token, old)

        def squares(x: Array) -> Array:
            s = xp.sum(x, axis=-1) - reward / self.beta
            return (s[..., :, None] - s[..., None, :]) ** 2

        plain, proximal = squares(token), squares(clipped)
        worst = xp.where(proximal > plain, proximal, plain)
        return xp.sum(pairs * worst / _per_prompt(prompts, xp), axis=(-3, -2, -1))


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

    eta: Annotated[float, POSITIVE] = 1.0

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="Dno")
        reward, pairs, prompts = _pairs(r, advantages)
        gap = _sigmoid(xp, _differences(reward)) - _sigmoid(
            xp, _differences(_leads(r, logp, old_logp, self.eta))
        )
        pull = 2 * self.eta * xp.sum(pairs * gap, axis=-1)
        return pull[..., None] * mask / _per_prompt(prompts, xp)

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J: the cross-entropy of both orders, at least the entropy of the soft targets."""
        r, xp = rollouts, rollouts.xp
        reward, pairs, prompts = _pairs(r, advantages)
        target = _sigmoid(xp, _differences(reward))
        gap = _differences(_leads(r, logp, old_logp, self.eta))
        each = target * _log_sigmoid(xp, gap) + (1 - target) * _log_sigmoid(xp, -gap)
        return -xp.sum(pairs * each / _per_prompt(prompts, xp), axis=(-3, -2, -1))


@entry(
    "dno_prct",
    kind="objective",
    formula="mean log sigma(eta (h_+ - h_-)) over pairs with r_+ - r_- >= margin, r_+ >= least",
    cards=("29",),
    section="Algorithm 2 (DNO-Prct)",
)
@dataclass(frozen=True)
class DnoPrct(Objective):
    """Hard contrastive regression on the pairs of a group that differ by a margin.

    eta : > 0, temperature of the log-ratio (DPO's beta), 0.1 or 0.05 as published
    margin : > 0, least difference of the two scores; 2/5 of a win rate (two of five votes), or
        2 on the paper's judge scale of 6 points
    least : a winner's own least score, 5 on that scale

    `coefficients` takes scores (..., B, G) in place of advantages: win rates (`win_rates`,
    `table_rates`) or judged points. The log-ratio is taken to the old policy, so set it anew at
    each iteration. NaN scores drop their pairs; a prompt without a pair is skipped. Mean over
    prompts of the mean over pairs.

    Raises ValueError for an eta or a margin that is not above 0.
    """

    eta: Annotated[float, POSITIVE] = 0.1
    margin: Annotated[float, POSITIVE] = 0.4
    least: Annotated[float, Range("[-inf, inf)")] = -math.inf

    def kept(self, score: Array, rollouts: Rollouts) -> tuple[Array, Array]:
        """(weights (..., B, G, G) of pairs (winner, loser), prompts with a pair (..., B, 1, 1)).

        The weights of a prompt sum to 1. A margin that is missed by rounding alone is met.
        """
        xp = rollouts.xp
        score, pairs, _ = _pairs(rollouts, score)
        far = _differences(score) >= self.margin * (1 - 8 * xp.finfo(score.dtype).eps)
        both = xp.where(far & (score >= self.least)[..., :, None], pairs, xp.zeros_like(pairs))
        total = xp.sum(both, axis=(-2, -1), keepdims=True)
        some = total > 0
        return both / xp.where(some, total, xp.ones_like(total)), xp.astype(some, pairs.dtype)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        r, xp = rollouts, rollouts.xp
        mask = r.need("mask", by="DnoPrct")
        pairs, prompts = self.kept(advantages, r)
        push = pairs * _sigmoid(xp, -_differences(_leads(r, logp, old_logp, self.eta)))
        pull = self.eta * (xp.sum(push, axis=-1) - xp.sum(push, axis=-2))
        return pull[..., None] * mask / _per_prompt(prompts, xp)

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J, log 2 at the old policy where any pair is kept."""
        r, xp = rollouts, rollouts.xp
        pairs, prompts = self.kept(advantages, r)
        each = _log_sigmoid(xp, _differences(_leads(r, logp, old_logp, self.eta)))
        return -xp.sum(pairs * each / _per_prompt(prompts, xp), axis=(-3, -2, -1))


def win_rates(score: Array, rollouts: Rollouts, *, temperature: float = 0.0) -> Array:
    """(..., B, G) win rate of each rollout against the others of its group, in [0, 1].

    score : (..., B, G) judged qualities; NaN is absent and NaN in the answer
    temperature : 0 compares (ties 1/2); above, P(i beats j) = sigmoid((s_i - s_j)/temperature)

    Mean over the group is exactly 1/2. A lone rollout has 1/2.
    """
    xp = rollouts.xp
    broken = xp.isnan(score)
    gap = _differences(xp.where(broken, xp.zeros_like(score), score))
    w = _counted(rollouts, broken)[..., None]
    if temperature == 0:
        total = (xp.sum(w, axis=-2) + xp.matmul(xp.sign(gap), w)[..., 0]) / 2
    else:
        total = xp.matmul(_sigmoid(xp, gap / temperature), w)[..., 0]
    return xp.where(broken, score, _shared(total, rollouts, broken))


def table_rates(table: Array, rollouts: Rollouts) -> Array:
    """(..., B, G) win rate of each rollout from a table of wins, which need follow no score.

    table : (..., B, G, G), [i, j] the probability (or the vote) that rollout i beats j, so cycles
        are welcome; the diagonal is not read. A judge with a place bias is made symmetric:
        (P + 1 - P^T)/2. A rollout with a NaN against any present one is absent, and NaN.

    Mean over the group is exactly 1/2. A lone rollout has 1/2.

    Raises ValueError for a table of another shape.
    """
    xp = rollouts.xp
    if tuple(table.shape) != (*rollouts.shape, rollouts.shape[-1]):
        want = (*rollouts.shape, rollouts.shape[-1])
        msg = f"table has shape {tuple(table.shape)}, not {want}: each rollout against each"
        raise ValueError(msg)
    size = rollouts.shape[-1]
    own = xp.eye(size, dtype=table.dtype) > 0
    here = rollouts.w > 0
    bad = xp.isnan(table) & ~own & here[..., None, :] & here[..., :, None]
    broken = xp.any(bad, axis=-1) & here
    # The mean of P and 1 - P^T by the sums of rows and columns: no second table is made.
    table = xp.where(xp.isnan(table) | own, xp.full_like(table, 0.5), table)
    w = _counted(rollouts, broken)
    wins, losses = (
        xp.matmul(table, w[..., None])[..., 0],
        xp.matmul(w[..., None, :], table)[..., 0, :],
    )
    rate = _shared((wins + xp.sum(w, axis=-1, keepdims=True) - losses) / 2, rollouts, broken)
    return xp.where(broken, xp.full_like(rate, xp.nan), rate)


def _counted(rollouts: Rollouts, broken: Array) -> Array:
    """(..., B, G) weights of those that take part."""
    xp = rollouts.xp
    return xp.where(broken | ~(rollouts.w > 0), xp.zeros_like(rollouts.w), rollouts.w)


def _shared(total: Array, rollouts: Rollouts, broken: Array) -> Array:
    """(..., B, G) wins over the number of others; `total` counts itself as a tie."""
    xp, w = rollouts.xp, _counted(rollouts, broken)
    # Itself is a tie, which is taken off again where there are others.
    n = xp.sum(w, axis=-1, keepdims=True)
    own = w * 0 if unlimited(group_size(rollouts, w)) else xp.ones_like(w)
    others = n - own
    rate = (total - own / 2) / xp.where(others > 0, others, 1 + 0 * others)
    return xp.where(others > 0, rate, 0.5 + 0 * n)


def _differences(x: Array) -> Array:
    """(..., G, G) x_i - x_j."""
    return x[..., :, None] - x[..., None, :]


def _leads(r: Rollouts, logp: Array, old_logp: Array, eta: float) -> Array:
    """(..., B, G) h: eta times the log-ratio of each rollout to the old policy."""
    mask = r.need("mask", by="the pairs")
    return eta * r.xp.sum(_masked(r, logp - old_logp, mask), axis=-1)


def _log_sigmoid(xp: Any, x: Array) -> Array:
    return xp.where(x < 0, x, xp.zeros_like(x)) - xp.log1p(xp.exp(-xp.abs(x)))


def _sigmoid(xp: Any, x: Array) -> Array:
    return xp.where(x >= 0, 1 / (1 + xp.exp(-xp.abs(x))), 1 - 1 / (1 + xp.exp(-xp.abs(x))))
