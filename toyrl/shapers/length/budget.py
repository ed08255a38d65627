"""A length to be met: a triangle with its peak at the token budget, which a schedule tightens.

Train Long, Think Short pays right answers, this term and the format, each right or wrong alike:

    0.6*outcome() + token_budget(stairs(256, 87, 3, 600), alpha=0.3) + 0.1*formatted()

The paper's text counts the whole completion, its overview figure the thinking: `on_trace(...)`.

The budget S_k = S_0 (S_f/S_0)^(k/n) is `stairs(S_0, S_f, n, T)`, or `decay(B_0, gamma, T)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, in_tokens

Array = Any


@entry(
    "token_budget",
    kind="shaper",
    formula="R = alpha L/budget up to the budget, then alpha max(0, 2 - L/budget)",
    cards=("17",),
    section="sections 3.3 and 4.5; weights of format and peak reconstructed",
    provenance="text",
)
@dataclass(frozen=True)
class TokenBudget(Shaper):
    """A term: `alpha` at the budget, falling to 0 at length 0 and at twice the budget.

    budget : up to 1 a share of `max_length`, above 1 tokens (not below one token); a schedule
        tightens it: a decay by gamma leaves a policy that met the old budget max(0, 2 - 1/gamma)
        of the peak
    alpha : lambda_l R_max, >= 0: 0.3 with 0.6 for the outcome, or 0.6 with 0.3
    band : 0 for the triangle; 1 for the ablation in which every length up to the budget is paid
        all of alpha. Between them it raises the left side

    Paid to right and wrong rollouts alike. Part `token_budget` in [0, alpha].
    """

    budget: Annotated[Any, POSITIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    band: Annotated[Any, SHARE] = 0.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp = r.xp
        one, zero = xp.ones_like(r.length), xp.zeros_like(r.length)
        share = r.length / xp.maximum(in_tokens(self.budget, r), one)
        rising = share + at(self.band, r.step) * (1 - share)
        value = xp.where(share <= 1, rising, xp.maximum(2 - share, zero))
        return {"token_budget": at(self.alpha, r.step) * value}
