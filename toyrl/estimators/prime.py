"""PRIME: dense process rewards still to come, plus the outcome less its siblings', per token.

    A_t = c_p sum_(s >= t) gamma^(s-t) (r_s - mean over siblings of m_j) + c_o (o - mean of other o)

Parts per token are process rewards (`implicit_process()`), parts per rollout the outcome o, so that
the reward is `outcome() + implicit_process()`.

    preset          baseline  batch_norm  last token  c_p, c_o  whitened  as in
    prime           paper     no          kept        1, 1      no        Eq. 5
    prime_released  released  yes         kept        1, 1      yes       PRIME-RL/PRIME
    prime_verl      released  yes         dropped     5, 5      yes       verl recipe/prime

All keep prompts with an accuracy in [0.2, 0.8] alone; the released ones drop prompts with a
truncated rollout too. Without the filter a batch of wrong rollouts has no outcome advantage, and
whitening blows process noise up to unit variance. What the process rewards are, and how the two
baselines differ: `toyrl.shapers.process.prime`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS as GROUP
from toyrl.estimators.participants import usable
from toyrl.estimators.tokens import whiten
from toyrl.ranges import FINITE, FLAG, SHARE
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import backward, returns_to_go
from toyrl.shapers.base import Parts, sum_parts
from toyrl.shapers.process.prime import dense_tokens, in_band

Array = Any


@dataclass(frozen=True)
class Prime(Estimator):
    """Advantages per token (..., B, G, T), 0 outside the mask and for absent rollouts.

    gamma : discount of the process rewards, per token, in [0, 1]
    process, outcome : coefficients c_p, c_o of the two returns
    released, batch_norm, keeps_last, lam : of the process rewards, see
        `toyrl.shapers.process.prime.PrimeProcess`
    low, high : prompts whose share of right rollouts lies outside get 0; 0 and 1 keep all
    drops_truncated : prompts with a truncated rollout get 0
    whitened : over all tokens of the batch

    Dropped prompts are in no maximum, mean or deviation. A group of one has no siblings: 0. A
    rollout with a NaN process reward is absent, for its siblings too. Reads `mask`.

    Raises ValueError for a field out of its range and for a band with low above high.
    """

    gamma: Annotated[float, SHARE] = 1.0
    process: Annotated[float, FINITE] = 1.0
    outcome: Annotated[float, FINITE] = 1.0
    released: Annotated[bool, FLAG] = False
    batch_norm: Annotated[bool, FLAG] = False
    keeps_last: Annotated[bool, FLAG] = True
    lam: Annotated[float, SHARE] = 0.0
    low: Annotated[float, SHARE] = 0.2
    high: Annotated[float, SHARE] = 0.8
    drops_truncated: Annotated[bool, FLAG] = False
    whitened: Annotated[bool, FLAG] = False
    token_level: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("mask",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low > self.high:
            msg = f"low={self.low} is above high={self.high}: no prompt would stay; exchange them"
            raise ValueError(msg)

    @property
    def scope(self) -> str:
        """ "batch" where tokens are normed or whitened over the batch, else "group"."""
        return "batch" if self.whitened or self.batch_norm else "group"

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp, mask = rollouts, rollouts.xp, rollouts.need("mask", by="Prime")
        w = self._kept(r.with_(weight=usable(parts, r)[1]))
        weight = mask * w[..., None]
        tokens, outcome = self._split(parts, r, w)
        dense = dense_tokens(
            tokens, mask, w, released=self.released, batch_norm=self.batch_norm,
            keeps_last=self.keeps_last, lam=self.lam, size=r.group_size,
        )  # fmt: skip
        if self.gamma == 1:
            to_come = returns_to_go(mask * dense)  # one pass in the place of log T
        else:
            to_come = backward(mask * self.gamma + (1 - mask), mask * dense)
        ahead = GROUP["rloo"].advantages(outcome, r.with_(weight=w))
        a = self.process * to_come + self.outcome * ahead[..., None]
        out = whiten(a, weight) if self.whitened else xp.where(weight > 0, a, xp.zeros_like(a))
        return out, dict(state or {})

    def _kept(self, r: Rollouts) -> Array:
        """(..., B, G) weights, 0 in dropped prompts."""
        xp, kept = r.xp, in_band(r, low=self.low, high=self.high)
        if self.drops_truncated:
            cut = xp.where(r.cut, xp.ones_like(r.w), xp.zeros_like(r.w))
            kept = kept & ~(stats.maximum(cut, r.w) > 0)
        return xp.where(kept, r.w, xp.zeros_like(r.w))

    def _split(self, parts: Parts, r: Rollouts, w: Array) -> tuple[Array, Array]:
        """Process rewards (..., B, G, T) and outcome (..., B, G), 0 for who takes no part."""
        xp, mask = r.xp, r.need("mask", by="Prime")
        tokens = xp.zeros_like(mask)
        for value in parts.values():
            if value.ndim > r.correct.ndim:
                tokens = tokens + xp.where(mask > 0, value, xp.zeros_like(mask))
        outcome = sum_parts({n: v for n, v in parts.items() if v.ndim == r.correct.ndim}, r)
        live = w > 0
        return (
            xp.where(live[..., None], tokens, xp.zeros_like(tokens)),
            xp.where(live, outcome, xp.zeros_like(outcome)),
        )


RELEASED = {"released": True, "batch_norm": True, "drops_truncated": True, "whitened": True}
PRESETS = {
    "prime": Prime(),
    "prime_released": Prime(**RELEASED),
    "prime_verl": Prime(**RELEASED, keeps_last=False, process=5.0, outcome=5.0),
}

for _name, _section, _where, _provenance in (
    ("prime", "Eq. 5, Algorithm 1", "as in the paper", "text"),
    ("prime_released", "code PRIME-RL/PRIME, core_algos.py, dp_prime.py", "as its code", "code"),
    ("prime_verl", "code verl, recipe/prime", "as verl's recipe", "code"),
):
    add(
        _name,
        PRESETS[_name],
        kind="estimator",
        formula="A_t = sum_(s >= t) gamma^(s-t) (r_s - siblings' mean by token) + o - others' o",
        cards=("53",),
        section=_section,
        provenance=_provenance,
        summary=f"Process rewards to come plus the outcome, each less its siblings' ({_where})",
    )
