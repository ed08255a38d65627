"""DRPO: a length preference inside the set of right rollouts, against wrong ones by log-sum-exp.

Per prompt, with P the right and N the wrong rollouts, L tokens, C the completion limit and
s = (1/L) sum_t log pi(token) the mean token log-probability, the objective to be maximised is

    J = sum_P w_i s_i - tau log( (1/|N|) sum_N exp(s_j / tau) ),
    w = softmax over P of -L/(C lambda),      dJ/ds_i = w_i on P, -v_i on N,
    v = softmax over N of s/tau.

A right rollout's coefficient is positive whatever its length, so no long right answer is pushed
down (w > 0; it underflows only for lambda below 1/700). A prompt without right or without wrong
rollouts contributes nothing. Minus a trust region
(beta/2) max(KL - delta, 0)^2, KL the token mean over the batch of an estimate of KL(old || new).

The released code's printed loss has this gradient, not this value: the log-mean-exp is coded as
x/sg(x), which is 1 whatever x, and the hinge as sg(beta max(KL - delta, 0)) KL.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.objectives.base import Objective, present_prompts
from toyrl.ranges import NOT_NEGATIVE, POSITIVE_OR_INF, one_of
from toyrl.registry import entry
from toyrl.rollouts import Rollouts

Array = Any
KL_ESTIMATES = ("kl", "low_var_kl")
SWITCH = POSITIVE_OR_INF.so("a very large value switches it off")


@entry(
    "drpo",
    kind="objective",
    formula="sum_P w_i s_i - tau log mean_N exp(s_j/tau), w = softmax_P(-L/(C lambda))",
    cards=("03",),
    section="Eq. 7; official code, compute_policy_loss_drpo",
    provenance="code",
)
@dataclass(frozen=True)
class Drpo(Objective):
    """Discriminative objective: right rollouts weighted by length among themselves, wrong apart.

    lambda_ : > 0, strength of the length preference (small is strong), in units of the completion
        limit; inf ignores length (DisCO)
    tau : > 0, temperature over wrong rollouts; inf weighs them equally
    delta, beta : where the trust region's hinge starts (nats per token) and its weight; beta = 0
        switches it off
    kl : per-token estimate from rho = pi_new/pi_old: "kl" -log rho, or "low_var_kl"
        rho - log rho - 1

    Right is `correct` == 1 and wrong is `correct` == 0, exactly; a graded outcome in between takes
    no part: threshold it first. Rollouts of length 0 and of weight 0 take no part either.

    Raises ValueError for a number that must be above 0 and isn't, and for another KL estimate.
    """

    lambda_: Annotated[float, SWITCH] = 0.1
    tau: Annotated[float, SWITCH] = 10.0
    delta: Annotated[float, NOT_NEGATIVE] = 1e-4
    beta: Annotated[float, NOT_NEGATIVE] = 1e3
    kl: Annotated[str, one_of(*KL_ESTIMATES)] = "kl"
    needs: ClassVar[tuple[str, ...]] = ("correct", "length", "mask")

    def pair_weights(self, rollouts: Rollouts, mean_logp: Array) -> tuple[Array, Array]:
        """(w, -v), each (..., B, G): dJ/ds of right and of wrong rollouts of each prompt.

        mean_logp : (..., B, G) s, nats per token (read for wrong rollouts alone). With weights
        (multiplicities, probabilities) the answer is per member: sum(weight w) = 1 =
        sum(weight v) in every mixed prompt, and both are 0 in the others.
        """
        right, wrong = self._sets(rollouts, mean_logp)
        mixed = (stats.mass(right) > 0) & (stats.mass(wrong) > 0)
        w = _softmax(-rollouts.length / rollouts.max_length, right, self.lambda_)
        v = _softmax(mean_logp, wrong, self.tau)
        nothing = rollouts.xp.zeros_like(w)
        return rollouts.xp.where(mixed, w, nothing), rollouts.xp.where(mixed, -v, nothing)

    def advantages(self, rollouts: Rollouts, mean_logp: Array) -> Array:
        """(..., B, G) n (w - v), n rollouts in the group: what a trainer must be given.

        On-policy, and with a loss that divides each rollout by its own length and averages over
        rollouts (TRL loss_type="grpo"), the update is then that of J without the trust region.
        Never centre or rescale it: a right rollout's sign is the point.
        """
        w, minus_v = self.pair_weights(rollouts, mean_logp)
        return stats.mass(rollouts.w) * (w + minus_v)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        """d/dlogp (..., B, G, T) of the mean of J over prompts minus the trust region.

        `advantages` is not read (None will do): the weights need the current logp. All prompts
        with a rollout count in the mean, mixed or not.
        """
        r = rollouts
        mask = r.need("mask", by="Drpo")
        mean_logp, per_row = self._mean_logp(r, logp)
        w, minus_v = self.pair_weights(r, mean_logp)
        share = r.w * (w + minus_v) / present_prompts(r)
        excess, slope = self._trust_region(r, mask, logp - old_logp)
        return (share / per_row)[..., None] * mask - self.beta * excess * slope

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """-J plus the trust region's hinge, the mean over all prompts with a rollout."""
        r, xp = rollouts, rollouts.xp
        s, _ = self._mean_logp(r, logp)
        right, wrong = self._sets(r, s)
        s = xp.where(right + wrong > 0, s, xp.zeros_like(s))
        w, _ = self.pair_weights(r, s)
        up = xp.sum(r.w * w * s, axis=-1, keepdims=True)
        mixed = (stats.mass(right) > 0) & (stats.mass(wrong) > 0)
        j = xp.where(mixed, up - _log_mean_exp(s, wrong, self.tau), xp.zeros_like(up))
        mean = xp.sum(j / present_prompts(r), axis=(-2, -1))
        excess, _ = self._trust_region(r, r.need("mask", by="Drpo"), logp - old_logp)
        return self.beta / 2 * excess[..., 0, 0, 0] ** 2 - mean

    def _mean_logp(self, r: Rollouts, logp: Array) -> tuple[Array, Array]:
        """(..., B, G) mean log-probability of a token, and tokens (at least 1)."""
        xp, mask = r.xp, r.need("mask", by="Drpo")
        tokens = xp.sum(mask, axis=-1)
        per_row = xp.where(tokens > 1, tokens, xp.ones_like(tokens))
        inside = xp.where(mask > 0, logp, xp.zeros_like(logp))
        return xp.sum(inside * mask, axis=-1) / per_row, per_row

    def _trust_region(self, r: Rollouts, mask: Array, log_ratio: Array) -> tuple[Array, Array]:
        """(..., 1, 1, 1) how far the KL estimate is above delta, and its gradient by logp."""
        xp = r.xp
        live = mask * r.w[..., None]
        log_ratio = xp.where(live > 0, log_ratio, xp.zeros_like(log_ratio))
        total = xp.sum(live, axis=(-3, -2, -1), keepdims=True)
        token = live / xp.where(total > 0, total, xp.ones_like(total))
        if self.kl == "kl":
            estimate, slope = -log_ratio, -xp.ones_like(log_ratio)
        else:
            ratio = xp.exp(log_ratio)
            estimate, slope = ratio - log_ratio - 1, ratio - 1
        excess = xp.sum(token * estimate, axis=(-3, -2, -1), keepdims=True) - self.delta
        return xp.where(excess > 0, excess, xp.zeros_like(excess)), slope * token

    def _sets(self, r: Rollouts, mean_logp: Array) -> tuple[Array, Array]:
        """Weights of right and of wrong rollouts."""
        xp, zero = r.xp, r.xp.zeros_like(r.w)
        usable = xp.where((r.w > 0) & (r.length > 0), r.w, zero)
        right = xp.where(r.correct == 1, usable, zero)
        return right, xp.where((r.correct == 0) & ~xp.isnan(mean_logp), usable, zero)


def _softmax(score: Array, weight: Array, temperature: Any) -> Array:
    """exp(score/T) / sum(weight exp(score/T)) where weight > 0, else 0; the last axis."""
    xp = stats.array_namespace(score)
    top = stats.maximum(score, weight)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    # The maximum goes before the division: score/T overflows for a small T.
    below = xp.where(weight > 0, score - top, xp.zeros_like(score)) / temperature
    e = xp.where(weight > 0, xp.exp(below), xp.zeros_like(score))
    total = xp.sum(e * weight, axis=-1, keepdims=True)
    return e / xp.where(total > 0, total, xp.ones_like(total))


def _log_mean_exp(score: Array, weight: Array, temperature: Any) -> Array:
    """T log of the weighted mean of exp(score/T), (..., B, 1); the mean at T = inf."""
    xp = stats.array_namespace(score)
    if isinstance(temperature, float) and math.isinf(temperature):
        return stats.mean(score, weight)
    top = stats.maximum(score, weight)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    below = xp.where(weight > 0, score - top, xp.zeros_like(score)) / temperature
    total = xp.sum(xp.exp(below) * weight, axis=-1, keepdims=True)
    mass = stats.mass(weight)
    some = total > 0
    mean = xp.where(some, total, xp.ones_like(total)) / xp.where(some, mass, xp.ones_like(mass))
    return top + temperature * xp.log(mean)
