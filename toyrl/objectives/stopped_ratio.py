"""Surrogates that weigh log pi by a number without gradient, and smooth or masked ratios.

name        dJ_it/dlogp_it                                        as in
cispo       min(rho, 5) A                                         TRL loss_type="cispo"
cispo_verl  clip(rho, 0.8, 1.2) A                                 verl loss_mode="cispo"
sapo        rho 4 s(1-s) A, s = sigmoid(tau (rho - 1))            TRL, verl "sapo"
gpg         A                                                     verl "gpg"
dro         A - beta log rho                                      verl "dro"
dppo_tv     min(rho, 20) A [pi - pi_old on the near side]         verl "dppo_tv"
dppo_kl     min(rho, 20) A [binary KL small, or moving back]      verl "dppo_kl"

Without a cap (inf) sg(rho) A log pi has the gradient of rho A: `dppo_tv(cap=inf, beta=2e-3)` is
prime-rl's default loss, with `two_sided=True` its "ipo", and `dppo_tv(measure='ratio',
two_sided=True, low=0.125, high=8, cap=inf)` the masked importance sampling of verifiers' trainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.objectives.base import stopped
from toyrl.objectives.surrogate import Surrogate, Tokens
from toyrl.ranges import FLAG, NOT_NEGATIVE, NOT_NEGATIVE_OR_INF, POSITIVE, POSITIVE_OR_INF, one_of
from toyrl.registry import add, entry

Array = Any
MEASURES = ("tv", "kl", "ratio")


@dataclass(frozen=True)
class Cispo(Surrogate):
    """sg(clipped rho) A log pi: a ratio out of range is cut, its token never loses its gradient.

    cap : on rho itself (TRL: `epsilon_high` IS the cap, 5.0; verl: 1 + clip_ratio_high)
    floor : under rho, or None (verl: 1 - clip_ratio_low)
    """

    cap: Annotated[float, POSITIVE_OR_INF] = 5.0
    floor: Annotated[float | None, NOT_NEGATIVE.or_none] = None

    def slope(self, t: Tokens) -> Array:
        return self.weight(t) * t.a

    def height(self, t: Tokens) -> Array:
        return stopped(self.weight(t)) * t.a * t.logp

    def weight(self, t: Tokens) -> Array:
        """(..., B, G, T) the truncated ratio."""
        return t.held(t.ratio, self.floor, self.cap)


for _name, _preset, _where in (
    ("cispo", Cispo(), 'TRL loss_type="cispo", epsilon_high=5.0'),
    ("cispo_verl", Cispo(cap=1.2, floor=0.8, count_empty=False), 'verl loss_mode="cispo"'),
):
    add(
        _name,
        _preset,
        kind="objective",
        formula="sg(clip(rho)) A log pi",
        cards=("00",),
        works=("cispo",),
        section=_where,
        provenance="code",
        summary="Truncated ratio without gradient times A log pi; no token is dropped",
    )


@entry(
    "sapo",
    kind="objective",
    formula="(4/tau) sigmoid(tau (rho - 1)) A",
    cards=("00",),
    works=("sapo",),
    section='TRL loss_type="sapo"; verl loss_mode="sapo"',
    provenance="code",
)
@dataclass(frozen=True)
class Sapo(Surrogate):
    """(4/tau) sigmoid(tau (rho - 1)) A: a smooth gate instead of a clip; slope A at rho = 1.

    tau_pos, tau_neg : > 0, for A > 0 and for the rest
    """

    aggregation: str = "grpo"
    tau_pos: Annotated[float, POSITIVE] = 1.0
    tau_neg: Annotated[float, POSITIVE] = 1.05

    def slope(self, t: Tokens) -> Array:
        xp = t.xp
        tau = xp.where(t.a > 0, t.a * 0 + self.tau_pos, t.a * 0 + self.tau_neg)
        # sigmoid(z)(1 - sigmoid(z)) from exp(-|z|), which cannot overflow.
        e = xp.exp(-xp.abs(tau * (t.ratio - 1)))
        return 4 * e / (1 + e) ** 2 * t.ratio * t.a

    def height(self, t: Tokens) -> Array:
        tau = t.xp.where(t.a > 0, t.a * 0 + self.tau_pos, t.a * 0 + self.tau_neg)
        return 2 / tau * (1 + t.xp.tanh(tau * (t.ratio - 1) / 2)) * t.a


@entry(
    "gpg",
    kind="objective",
    formula="A log pi",
    cards=("00",),
    works=("gpg",),
    section='verl loss_mode="gpg"',
    provenance="code",
)
@dataclass(frozen=True)
class Gpg(Surrogate):
    """A log pi: the plain policy gradient, no ratio and no clip."""

    def slope(self, t: Tokens) -> Array:
        return t.a

    def height(self, t: Tokens) -> Array:
        return t.a * t.logp


@entry(
    "dro",
    kind="objective",
    formula="A log pi - beta/2 (log rho)^2",
    cards=("00",),
    works=("dro",),
    section='verl loss_mode="dro"',
    provenance="code",
)
@dataclass(frozen=True)
class Dro(Surrogate):
    """A log pi - beta/2 (log rho)^2.

    beta : >= 0; verl has no default, 0.1 is ours
    """

    beta: Annotated[float, NOT_NEGATIVE] = 0.1

    def slope(self, t: Tokens) -> Array:
        return t.a - self.beta * t.log_ratio

    def height(self, t: Tokens) -> Array:
        return t.a * t.logp - self.beta / 2 * t.log_ratio**2


@dataclass(frozen=True)
class Dppo(Surrogate):
    """sg(min(rho, cap)) A log pi on tokens whose probability has not moved too far that way.

    measure : "tv" (pi - pi_old), "kl" (KL of the two-way choice: this token or another) or "ratio"
        (rho itself)
    low, high : thresholds for A <= 0 and A > 0, in probability or nats; of measure "ratio" the
        least and the largest rho
    two_sided : a token beyond either threshold is dropped whatever the sign of A
    beta : >= 0, subtracts beta/2 (log rho)^2 on every token, dropped or not (prime-rl's 2 kl_tau)

    Raises ValueError for another measure.
    """

    measure: Annotated[str, one_of(*MEASURES)] = "tv"
    low: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.2
    high: Annotated[float, NOT_NEGATIVE_OR_INF] = 0.2
    cap: Annotated[float, POSITIVE_OR_INF] = 20.0
    count_empty: bool = False
    two_sided: Annotated[bool, FLAG] = False
    beta: Annotated[float, NOT_NEGATIVE] = 0.0

    def slope(self, t: Tokens) -> Array:
        out = self.weight(t) * t.a
        return out if self.beta == 0 else out - self.beta * t.log_ratio

    def height(self, t: Tokens) -> Array:
        out = stopped(self.weight(t)) * t.a * t.logp
        return out if self.beta == 0 else out - self.beta / 2 * t.log_ratio**2

    def weight(self, t: Tokens) -> Array:
        """(..., B, G, T) the truncated ratio, 0 outside the trust region."""
        up, down = self._near(t)
        valid = up & down if self.two_sided else ((t.a > 0) & up) | (~(t.a > 0) & down)
        return t.where(valid, t.held(t.ratio, None, self.cap))

    def _near(self, t: Tokens) -> tuple[Array, Array]:
        """True where the token has not become too likely, and too unlikely."""
        if self.measure == "ratio":
            return t.ratio <= self.high, t.ratio >= self.low
        new, old = t.xp.exp(t.logp), t.xp.exp(t.old_logp)
        if self.measure == "tv":
            return new - old <= self.high, new - old >= -self.low
        far = old * -t.log_ratio + (1 - old) * t.xp.log((1 - old + 1e-8) / (1 - new + 1e-8))
        return (far <= self.high) | (new <= old), (far <= self.low) | (new >= old)


for _measure in ("tv", "kl"):
    add(
        f"dppo_{_measure}",
        Dppo(measure=_measure),
        kind="objective",
        formula="sg(min(rho, cap)) A log pi within the trust region",
        cards=("00",),
        works=("dppo",),
        section=f'verl loss_mode="dppo_{_measure}"',
        provenance="code",
        summary=f"Truncated ratio on tokens within a trust region measured by {_measure.upper()}",
    )
