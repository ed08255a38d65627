"""Surrogates with one importance ratio per rollout.

    gspo      s = exp(mean_t log rho_t), clipped to 1 - 3e-4, 1 + 4e-4; tokens averaged per rollout
    luspo     the same ratio, tokens summed: a rollout weighs by its length
    rloo      s = exp(sum_t log rho_t) = pi(o)/pi_old(o), clipped by 0.2; tokens summed
    geo_mean  exp(mean_t clip(log rho_t)), each token's log ratio clipped on its own (GMPO)
    vespo     phi(w) A with w = exp(sum_t log rho_t) and phi(w) = w^k e^{lam (1 - w)}, no clip

The gradient of s reaches token t through sg(s) rho_t/sg(rho_t) (verl's gspo); with one advantage
per rollout that is also the gradient of the loss that TRL writes with s itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.objectives.base import stopped
from toyrl.objectives.surrogate import Surrogate, Tokens
from toyrl.ranges import FLAG, NOT_NEGATIVE, NOT_NEGATIVE_OR_INF
from toyrl.registry import add, entry

Array = Any


@dataclass(frozen=True)
class SequenceRatio(Surrogate):
    """min(s A, clip(s, 1 - low, 1 + high) A) with s one ratio per rollout.

    mean : s is the geometric mean of the token ratios (GSPO); else their product
    clip_low, clip_high : half-widths of the clip range
    """

    aggregation: str = "grpo"
    clip_low: Annotated[float, NOT_NEGATIVE_OR_INF] = 3e-4
    clip_high: Annotated[float, NOT_NEGATIVE_OR_INF] = 4e-4
    mean: Annotated[bool, FLAG] = True

    def slope(self, t: Tokens) -> Array:
        s = self.ratio(t)
        up, down = (t.a > 0) & (s > 1 + self.clip_high), (t.a < 0) & (s < 1 - self.clip_low)
        return t.where(~(up | down), s) * t.a

    def height(self, t: Tokens) -> Array:
        # Exact with one advantage a rollout; the product reaches every token of the row at once,
        # so each holds its share of the row's one term.
        s = self.ratio(t)
        cut = t.held(s, 1 - self.clip_low, 1 + self.clip_high)
        term = t.least(s * t.a, cut * t.a)
        return term if self.mean else term / t.length

    def ratio(self, t: Tokens) -> Array:
        """(..., B, G, T) the rollout's one ratio, on each of its tokens."""
        x = t.row_mean(t.log_ratio)
        return t.xp.exp(x if self.mean else x * t.length) + t.xp.zeros_like(t.a)


PRESETS = {
    "gspo": SequenceRatio(),
    "luspo": SequenceRatio(aggregation="sum"),
    "rloo": SequenceRatio(aggregation="sum", clip_low=0.2, clip_high=0.2, mean=False),
}
_SOURCES = {
    "gspo": (
        "gspo",
        'verl loss_mode="gspo"; TRL importance_sampling_level="sequence"; clip range second-hand',
        "Clipped policy gradient, one length-normalised ratio per rollout",
    ),
    "luspo": (
        "luspo",
        'TRL loss_type="luspo"',
        "Clipped policy gradient, one length-normalised ratio per rollout, tokens summed",
    ),
    "rloo": (
        "rloo",
        "TRL RLOOTrainer",
        "Clipped policy gradient, one probability ratio per rollout, tokens summed",
    ),
}
for _name, _preset in PRESETS.items():
    add(
        _name,
        _preset,
        kind="objective",
        formula="min(s A, clip(s, 1-low, 1+high) A), s one ratio per rollout",
        cards=("00",),
        works=(_SOURCES[_name][0],),
        section=_SOURCES[_name][1],
        provenance="code",
        summary=_SOURCES[_name][2],
    )


@entry(
    "geo_mean",
    kind="objective",
    formula="A exp(mean_t clip(log rho_t))",
    cards=("00",),
    works=("gmpo",),
    section='verl loss_mode="geo_mean"',
    provenance="code",
)
@dataclass(frozen=True)
class GeoMean(Surrogate):
    """A times the geometric mean of token ratios, each clipped in log space.

    clip_low, clip_high : bounds of the log ratio, nats per token; 0.4 as in the paper (verl reads
        its clip_ratio, 0.2 unless set). A per-token advantage enters by its mean.
    """

    aggregation: str = "grpo"
    clip_low: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.4
    clip_high: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.4

    def slope(self, t: Tokens) -> Array:
        xp, x = t.xp, t.log_ratio
        a, (s, clipped) = t.row_mean(t.a) + xp.zeros_like(x), self.ratio(t)
        return t.where(~clipped & (t.a != 0), a * s)

    def height(self, t: Tokens) -> Array:
        return t.where(t.a != 0, t.row_mean(t.a) * self.ratio(t)[0])

    def ratio(self, t: Tokens) -> tuple[Array, Array]:
        """((..., B, G, 1) geometric mean of clipped ratios, (..., B, G, T) where one is)."""
        xp, x = t.xp, t.log_ratio
        # The sign of each token's own advantage says which side is clipped.
        high, low = (t.a > 0) & (x > self.clip_high), (t.a < 0) & (x < -self.clip_low)
        bounded = xp.where(high, x * 0 + self.clip_high, xp.where(low, x * 0 - self.clip_low, x))
        bounded = t.where(t.a != 0, bounded)
        return xp.exp(t.row_mean(bounded)), high | low


@entry(
    "vespo",
    kind="objective",
    formula="sg(w^k e^(lambda (1-w))) A log pi, w = pi(o)/pi_old(o)",
    cards=("00",),
    works=("vespo",),
    section='TRL loss_type="vespo", get_gamma_weights',
    provenance="code",
)
@dataclass(frozen=True)
class Vespo(Surrogate):
    """sg(phi(w)) A log pi, w = pi(o)/pi_old(o): a smooth weight that falls off on both sides of 1.

    k_pos, lambda_pos, k_neg, lambda_neg : phi(w) = w^k exp(lambda (1 - w)) for A >= 0 and A < 0
    log w is held within [log 1e-8, 20], token log ratios within +-20, as in TRL.
    """

    k_pos: Annotated[float, NOT_NEGATIVE] = 2.0
    lambda_pos: Annotated[float, NOT_NEGATIVE] = 3.0
    k_neg: Annotated[float, NOT_NEGATIVE] = 3.0
    lambda_neg: Annotated[float, NOT_NEGATIVE] = 2.0

    def slope(self, t: Tokens) -> Array:
        return self.weight(t) * t.a

    def height(self, t: Tokens) -> Array:
        return stopped(self.weight(t)) * t.a * t.logp

    def weight(self, t: Tokens) -> Array:
        """(..., B, G, T) phi(w), one number a rollout and sign of the advantage."""
        xp = t.xp
        x = t.held(t.log_ratio, -20.0, 20.0)
        log_w = t.held(t.row_mean(x) * t.length, LOG_LEAST, 20.0) + xp.zeros_like(t.a)
        up = t.a >= 0
        k = xp.where(up, t.a * 0 + self.k_pos, t.a * 0 + self.k_neg)
        rate = xp.where(up, t.a * 0 + self.lambda_pos, t.a * 0 + self.lambda_neg)
        return xp.exp(rate + k * log_w - rate * xp.exp(log_w))


LOG_LEAST = -18.420680743952367  # log 1e-8
