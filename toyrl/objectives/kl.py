"""Penalties on the divergence from a reference policy, as a loss on sampled tokens.

With x = log pi_ref - log pi on the sampled token:

    name         loss            E[value] on-policy   E[gradient] on-policy
    kl_k1        -x              KL(pi || ref)        0
    kl_k2        x^2/2           -                    grad KL(pi || ref)
    kl_k3        e^x - x - 1     KL(pi || ref)        grad KL(ref || pi)
    kl_k3_plus   value of k3, gradient of k2          grad KL(pi || ref)      verl "k3+"
    kl_k3_ratio  rho (e^x - x - 1)                    grad KL(pi || ref)      TRL, bias correction
    kl_abs       |x|             -                    -                       verl "abs"

On-policy per token and exactly so for a one-token choice; over a sequence the loss leaves out how
a token changes the states that follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.objectives.base import stopped
from toyrl.objectives.surrogate import Surrogate, Tokens
from toyrl.ranges import NOT_NEGATIVE, POSITIVE_OR_INF, one_of
from toyrl.registry import add

Array = Any
KINDS = ("k1", "k2", "k3", "k3_plus", "k3_ratio", "abs")


@dataclass(frozen=True)
class KlPenalty(Surrogate):
    """-beta KL estimate per token, averaged by `aggregation`; advantages are not read.

    kind : one of `KINDS`
    beta : >= 0. TRL's default is 0, verl's kl_loss_coef 0.001
    input_limit, output_limit : x is held within +-input_limit and k3 below output_limit, with no
        gradient beyond (verl 20 and 10; None: no limit, as TRL)

    Reads `ref_logprobs` (..., B, G, T), nats.

    Raises ValueError for another kind or a negative beta.
    """

    kind: Annotated[str, one_of(*KINDS)] = "k3"
    beta: Annotated[float, NOT_NEGATIVE] = 1e-3
    input_limit: Annotated[float | None, POSITIVE_OR_INF.or_none] = None
    output_limit: Annotated[float | None, POSITIVE_OR_INF.or_none] = None
    needs: ClassVar[tuple[str, ...]] = ("mask", "ref_logprobs")

    def values(self, t: Tokens) -> tuple[Array, Array]:
        """(estimate, its derivative by logp), nats, each (..., B, G, T)."""
        xp = t.xp
        x = t.where(t.mask > 0, t.rollouts.need("ref_logprobs", by="KlPenalty")) - t.logp
        free = xp.ones_like(x)
        if self.input_limit is not None and self.kind.startswith("k3"):
            inside = xp.abs(x) <= self.input_limit
            x = xp.where(inside, x, self.input_limit * xp.sign(x))
            free = t.where(inside, free)
        if self.kind == "k1":
            return -x, free
        if self.kind == "k2":
            return x**2 / 2, -x
        if self.kind == "abs":
            return xp.abs(x), -xp.sign(x)
        k3 = xp.expm1(x) - x
        slope = -xp.expm1(x) * free
        if self.output_limit is not None:
            over = k3 > self.output_limit
            k3 = xp.where(over, k3 * 0 + self.output_limit, k3)
            slope = t.where(~over, slope)
        if self.kind == "k3_plus":
            return k3, t.logp - t.where(t.mask > 0, t.rollouts.fields["ref_logprobs"])
        if self.kind == "k3_ratio":
            return t.ratio * k3, t.ratio * (k3 + slope)
        return k3, slope

    def slope(self, t: Tokens) -> Array:
        return -self.beta * self.values(t)[1]

    def height(self, t: Tokens) -> Array:
        value = self.values(t)[0]
        if self.kind == "k3_plus":
            x = t.logp - t.where(t.mask > 0, t.rollouts.fields["ref_logprobs"])
            value = stopped(value) + x**2 / 2 - stopped(x**2 / 2)
        return -self.beta * value

    def sequence_weight(self, rollouts: Any) -> Array:
        """Raises TypeError: the penalty is no multiple of an advantage."""
        msg = "KlPenalty has no advantage per rollout; add it with Sum, or use the edge table"
        raise TypeError(msg)


_FORMULAS = dict(
    zip(KINDS, ("-x", "x^2/2", "e^x - x - 1", "e^x - x - 1, gradient of x^2/2",
                "rho (e^x - x - 1)", "|x|"), strict=True)
)  # fmt: skip
for _kind in KINDS:
    add(
        f"kl_{_kind}",
        KlPenalty(kind=_kind),
        formula=f"-beta ({_FORMULAS[_kind]}), x = log pi_ref - log pi",
        kind="objective",
        cards=("00",),
        works=("kl",),
        section="TRL use_bias_correction_kl" if _kind == "k3_ratio" else "verl kl_penalty",
        provenance="code",
        summary=f"Penalty on the divergence from a reference policy, estimate {_kind}",
    )
