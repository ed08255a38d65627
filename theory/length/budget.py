"""A triangle of pay around a token budget: what a tighter budget leaves, and its pull on lengths.

Pay is l/L up to the budget L, then 2 - l/L down to 0. All derived; the setting is that of "Train
Long, Think Short: Curriculum Learning for Efficient Reasoning".

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "budget_carry_over",
    kind="theorem",
    cards=("17",),
    section="section 3.4; derived",
    provenance="derived",
    formula="max(0, 2 - 1/gamma)",
)
def budget_carry_over(gamma: Array) -> np.ndarray:
    """Share of the peak that a policy at the old budget keeps after one decay by gamma.

    0 from gamma = 1/2 down: such a policy lies beyond twice the new budget, where the pay has no
    slope, so that a single large cut gives no pressure on length at all. A curriculum of decays
    above 1/2 keeps the policy inside the triangle. Above 1, a wider budget, it is 1/gamma.

    gamma : any shape, > 0.
    """
    gamma = np.asarray(gamma, dtype=float)
    return np.where(gamma < 1, np.maximum(2 - 1 / gamma, 0.0), 1 / gamma)


@entry(
    "budget_pay",
    kind="theorem",
    cards=("17",),
    section="section 3.3; derived for normal lengths",
    provenance="derived",
    formula="(P(0) - 2 P(L) + P(2L))/L, P(k) = (mu - k) Phi((mu - k)/s) + s phi((mu - k)/s)",
)
def budget_pay(mean: Array, spread: Array, budget: Array) -> np.ndarray:
    """Expected pay where lengths are normal: three expected excesses over 0, L and 2 L.

    mean, spread : of the length, tokens; spread >= 0; budget : L > 0; they broadcast. In [0, 1].
    """
    mean, spread, budget = (np.asarray(x, dtype=float) for x in (mean, spread, budget))

    def excess(k: Array) -> np.ndarray:
        z = _standard(mean - k, spread)
        density = np.exp(-0.5 * np.minimum(z**2, 1400)) / math.sqrt(2 * math.pi)
        return (mean - k) * _below(z) + spread * density

    return (excess(0.0) - 2 * excess(budget) + excess(2 * budget)) / budget


@entry(
    "budget_pull",
    kind="theorem",
    cards=("17",),
    section="section 3.3; derived for normal lengths",
    provenance="derived",
    formula="(Phi(mu/s) - 2 Phi((mu - L)/s) + Phi((mu - 2L)/s))/L",
)
def budget_pull(mean: Array, spread: Array, budget: Array) -> np.ndarray:
    """Slope of `budget_pay` in the mean length, per token: 0 far beyond twice the budget.

    mean, spread, budget : as there; they broadcast.
    """
    mean, spread, budget = (np.asarray(x, dtype=float) for x in (mean, spread, budget))
    at = [_below(_standard(mean - k * budget, spread)) for k in (0, 1, 2)]
    return (at[0] - 2 * at[1] + at[2]) / budget


@entry(
    "skill_clock",
    kind="theorem",
    cards=("17",),
    section="section 4; derived",
    provenance="derived",
    formula="e^u - e^-u + 2u",
)
def skill_clock(u: Array) -> np.ndarray:
    """What grows at the rate eta lambda g(mu) while du/dt = eta lambda s(u)(1 - s(u)) g(mu).

    s is the logistic function and g(mu) the share of skill that shows at mean length mu, rising: of
    two runs to one final length the one that was long for longer ends with more skill.

    u : any shape, logits up to 700.
    """
    u = np.asarray(u, dtype=float)
    return np.exp(u) - np.exp(-u) + 2 * u


def _standard(gap: Array, spread: Array) -> np.ndarray:
    """gap/spread; without spread only its sign counts."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.where(spread > 0, gap / np.where(spread > 0, spread, 1.0), np.inf * np.sign(gap))
    return np.where(np.isnan(z), 0.0, np.clip(z, -1e9, 1e9))


def _below(z: Array) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(z)
