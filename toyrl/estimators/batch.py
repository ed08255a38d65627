"""Advantages whitened over the whole batch: REINFORCE++, TRL's normalised RLOO, OpenRLHF.

    A_i = (a_i - mean) / std,    a_i = r_i, r_i - group mean, or r_i - mean of the others

with mean and standard deviation over all tokens of the batch (a rollout counts as often as it has
tokens) or over all rollouts. No prompt is favoured for its difficulty in a large batch, but with
tokens the mean is not 0 when length goes with reward: long wrong answers shift ALL advantages up.

    preset                        a                over      ddof  eps             as in
    reinforce_plus_plus           r                tokens    1     1e-8 in var     verl, gamma = 1
    reinforce_plus_plus_baseline  r - mean         tokens    1     1e-8 in var     verl
    rloo_normalized               r - others       rollouts  1     1e-4 on std     TRL RLOOTrainer
    reinforce_openrlhf            r                tokens    0     var >= 1e-8     OpenRLHF
    reinforce_baseline            r - mean         tokens    0     var >= 1e-8     OpenRLHF, NeMo-RL

One reward per rollout and no discount: every token of a rollout then has the same advantage.
`reinforce_plus_plus_tokens` (toyrl.estimators.tokens) discounts and takes rewards per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.participants import (
    PLACES,
    alone,
    divisor,
    group_size,
    token_weight,
    usable,
)
from toyrl.ranges import DDOF, FINITE, FLAG, NOT_NEGATIVE, one_of
from toyrl.registry import add
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any


@dataclass(frozen=True)
class Whitened(Estimator):
    """Rewards minus a baseline, centred and scaled over the batch.

    baseline : none | mean (of the group) | leave_one_out
    over : "tokens" (rollouts weigh by their length) or "rollouts"
    ddof : 1 or 0, over the tokens or rollouts of the batch
    eps, eps_in : a number, in reward units ("std") or squared ones, and where it stands:
        std + eps, sqrt(var + eps) ("variance") or sqrt(max(var, eps)) ("floor")
    singleton : a group of one has a = 0 ("zero"), its own reward ("raw", as verl), or is left out
        of the batch's statistics with advantage 0 ("absent", as TRL's RLOO)
    centre, spread : numbers instead of the batch's mean and standard deviation
    divides : by the standard deviation; False centres alone (OpenRLHF no_advantage_std_norm)

    Rollouts of NaN reward are absent; a batch of equal a has advantages 0.
    """

    baseline: Annotated[str, one_of("none", "mean", "leave_one_out")] = "none"
    over: Annotated[str, one_of("tokens", "rollouts")] = "tokens"
    ddof: Annotated[float, DDOF] = 1.0
    eps: Annotated[float, NOT_NEGATIVE] = 1e-8
    eps_in: Annotated[str, one_of(*PLACES)] = "variance"
    singleton: Annotated[str, one_of("zero", "raw", "absent")] = "zero"
    centre: Annotated[float | None, FINITE.or_none] = None
    spread: Annotated[float | None, NOT_NEGATIVE.or_none] = None
    divides: Annotated[bool, FLAG] = True

    @property
    def scope(self) -> str:
        """ "batch", unless the batch's mean and standard deviation are given as numbers."""
        known = self.centre is not None and self.spread is not None
        return self.inner.scope if known else "batch"

    @property
    def scale(self) -> str:
        """ "batch": the mean, and the standard deviation if any, are the batch's."""
        return "batch"

    @property
    def inner(self) -> GroupEstimator:
        """The estimator before whitening."""
        singleton = "raw" if self.singleton == "raw" else "zero"
        return GroupEstimator(baseline=self.baseline, scale="none", singleton=singleton)

    def apply(
        self, parts: Parts, rollouts: Rollouts, state: Mapping[str, Array] | None = None
    ) -> tuple[Array, Mapping[str, Array]]:
        r, xp = rollouts, rollouts.xp
        reward, w = usable(parts, r)
        if self.singleton == "absent":
            w = xp.where(alone(w, group_size(r, w)), xp.zeros_like(w), w)
        a = self.inner.advantages(reward, r.with_(weight=w))
        zero = xp.zeros_like(a)
        if self.centre is None or self.spread is None:
            centre, spread = self._pooled(a, token_weight(r, w) if self.over == "tokens" else w, r)
        else:
            centre, spread = zero + self.centre, zero + self.spread
        # A mean that is 0 but for rounding would push tied groups by 1e-17.
        noise = 64 * xp.finfo(a.dtype).eps * spread
        centre = xp.where(xp.abs(centre) <= noise, xp.zeros_like(centre), centre)
        signal = spread > 0
        scale = divisor(spread, self.eps, self.eps_in) if self.divides else xp.ones_like(spread)
        out = (a - centre) / xp.where(signal, scale, xp.ones_like(scale))
        return xp.where(signal & (w > 0), out, zero), dict(state or {})

    def _pooled(self, a: Array, weight: Array, r: Rollouts) -> tuple[Array, Array]:
        """(..., 1, 1) mean and standard deviation of the batch."""
        xp = r.xp
        flat = (*a.shape[:-2], 1, a.shape[-2] * a.shape[-1])
        x, weight = xp.reshape(a, flat), xp.reshape(weight, flat)
        size = r.group_size if isinstance(r.group_size, float) else None
        limit = size if size == float("inf") else None
        return stats.mean(x, weight), stats.std(x, weight, ddof=self.ddof, size=limit)

    def in_batch(self, parts: Parts, rollouts: Rollouts, group_size: float) -> Estimator:
        """With mean and standard deviation as numbers, in closed form.

        Siblings are independent: E[a | class] and Var[a | class] need only the mean and variance
        of the prompt's reward; NaN classes make the number of siblings binomial.
        """
        import numpy as np

        reward = np.asarray(sum_parts(parts, rollouts), dtype=float)
        here = np.isfinite(reward)
        value = np.where(here, reward, 0.0)
        w = np.where(here, np.asarray(rollouts.w, dtype=float), 0.0)
        total = np.asarray(rollouts.w, dtype=float).sum(-1, keepdims=True)
        present = w.sum(-1, keepdims=True) / np.where(total > 0, total, 1.0)
        first, second, chance = self._moments(value, w, present, group_size)
        w = w * chance
        weight = w * np.asarray(rollouts.length, dtype=float) if self.over == "tokens" else w
        mass = weight.sum()
        if not mass > 0:
            return replace(self, centre=0.0, spread=0.0)
        centre = float((weight * first).sum() / mass)
        variance = float((weight * (second - 2 * centre * first + centre**2)).sum() / mass)
        rounding = 64 * np.finfo(float).eps * float((weight * second).sum() / mass)
        spread = variance**0.5 if variance > rounding else 0.0
        return replace(self, centre=centre, spread=spread)

    def _moments(self, x: Any, w: Any, present: Any, group_size: float) -> tuple[Any, ...]:
        """E[a | class], E[a^2 | class] (B, K) and the chance to take part."""
        import numpy as np

        if self.baseline == "none":
            return x, x**2, 1.0
        mean = stats.mean(x, w)
        d, variance = x - mean, stats.mean((x - mean) ** 2, w)
        if group_size == float("inf"):
            return d, d**2, 1.0
        from scipy.stats import binom

        m = np.arange(int(group_size))  # usable siblings
        chance = binom.pmf(m, int(group_size) - 1, np.clip(present, 0.0, 1.0))
        if self.baseline == "mean":
            own, noise = m / (m + 1), m / (m + 1.0) ** 2
        else:
            own, noise = (m > 0) * 1.0, np.where(m > 0, 1 / np.maximum(m, 1), 0.0)
        first = d * (chance @ own)[:, None]
        second = d**2 * (chance @ own**2)[:, None] + variance * (chance @ noise)[:, None]
        if self.singleton == "raw":
            first, second = first + chance[:, :1] * x, second + chance[:, :1] * x**2
        if self.singleton != "absent":
            return first, second, 1.0
        some = 1 - chance[:, :1]
        scale = np.where(some > 0, some, 1.0)
        return first / scale, second / scale, some


OPENRLHF = Whitened(ddof=0.0, eps=1e-8, eps_in="floor")
PRESETS = {
    "reinforce_plus_plus": Whitened(),
    "reinforce_plus_plus_baseline": Whitened(baseline="mean", singleton="raw"),
    "rloo_normalized": Whitened(
        baseline="leave_one_out", over="rollouts", eps=1e-4, eps_in="std", singleton="absent"
    ),
    "reinforce_openrlhf": OPENRLHF,
    "reinforce_baseline": replace(OPENRLHF, baseline="mean"),
}
SOURCES = {
    "reinforce_plus_plus": ("reinforce++", "verl reinforce_plus_plus, gamma=1"),
    "reinforce_plus_plus_baseline": ("reinforce++", "verl reinforce_plus_plus_baseline"),
    "rloo_normalized": ("rloo", "TRL RLOOConfig normalize_advantages=True"),
    "reinforce_openrlhf": ("", "OpenRLHF --algo.advantage.estimator reinforce"),
    "reinforce_baseline": ("", "OpenRLHF --algo.advantage.estimator reinforce_baseline"),
}
for _name, _preset in PRESETS.items():
    _what = {"none": "Rewards", "mean": "Rewards minus their group's mean"}.get(
        _preset.baseline, "Rewards minus the mean of their siblings"
    )
    add(
        _name,
        _preset,
        kind="estimator",
        cards=("00",),
        works=tuple(filter(None, SOURCES[_name][:1])),
        section=SOURCES[_name][1],
        provenance="code",
        formula="A_i = (a_i - mean)/std over the batch, a = r, r - mean or r - others",
        summary=f"{_what}, whitened over all {_preset.over} of the batch",
    )
