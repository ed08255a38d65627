"""A proxy that likes guesses, and a penalty on wrong short answers: drift, threshold, basins.

Two modes, short (right with p_S, length l_S) and long (p_L > p_S, l_L), in large groups; a proxy
pays b more for the short one. Wrong rollouts shorter than tau times the mean length Lbar of right
ones are charged. All derived; the setting is that of "Beyond Monolithic Rewards: Hybrid and
Multi-Aspect Reward Optimization" (HARMO), whose penalty is reconstructed.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@dataclass(frozen=True)
class TwoModes:
    """Two modes of answering, and a proxy's taste.

    p_short, p_long : chances of being right, in [0, 1]; l_short, l_long : tokens, > 0
    bias : b, the proxy's extra pay for the short mode; tau : share of the mean right length, > 0
    """

    p_short: float = 0.15
    p_long: float = 0.5
    l_short: float = 10.0
    l_long: float = 100.0
    bias: float = 0.45
    tau: float = 1.0


@entry(
    "brevity_charge",
    kind="theorem",
    cards=("52",),
    section="length penalty, reconstructed; derived",
    provenance="derived",
    formula="(1 - p_S)(1 - l_S/(tau Lbar))+ - (1 - p_L)(1 - l_L/(tau Lbar))+",
)
def brevity_charge(modes: TwoModes, q: Array) -> np.ndarray:
    """What the penalty charges the short mode more than the long one, per unit of weight.

    Lbar = (q p_L l_L + (1 - q) p_S l_S)/(q p_L + (1 - q) p_S). As q falls, Lbar falls to l_S: once
    right answers are short the penalty is gone (at tau at most 1).

    q : any shape, chance of the long mode.
    """
    q = np.asarray(q, dtype=float)
    right = q * modes.p_long + (1 - q) * modes.p_short
    total = q * modes.p_long * modes.l_long + (1 - q) * modes.p_short * modes.l_short
    enough = modes.tau * total / np.where(right > 0, right, 1.0)
    enough = np.where(enough > 0, enough, np.inf)  # nobody is right: nothing is charged
    short, long = (np.maximum(1 - n / enough, 0.0) for n in (modes.l_short, modes.l_long))
    none = np.isinf(enough)
    return np.where(none, 0.0, (1 - modes.p_short) * short - (1 - modes.p_long) * long)


@entry(
    "brevity_drift",
    kind="theorem",
    cards=("52",),
    section="length penalty, reconstructed; derived",
    provenance="derived",
    formula="q (1 - q)(p_L - p_S - b + alpha charge(q))",
)
def brevity_drift(modes: TwoModes, q: Array, alpha: float) -> np.ndarray:
    """d logit(q)/dt for mean-only advantages; q : any shape, alpha >= 0 the weight P_max."""
    q = np.asarray(q, dtype=float)
    gain = modes.p_long - modes.p_short - modes.bias
    return q * (1 - q) * (gain + alpha * brevity_charge(modes, q))


@entry(
    "brevity_weight",
    kind="theorem",
    cards=("52",),
    section="length penalty, reconstructed; derived",
    provenance="derived",
    formula="(b + p_S - p_L)/charge(q)",
)
def brevity_weight(modes: TwoModes, q: Array) -> np.ndarray:
    """Weight above which the long mode gains at q: P*(q); inf where nothing is charged.

    It grows as q falls: a weight that would have kept the long mode is too small after a collapse.

    q : any shape.
    """
    charge = brevity_charge(modes, q)
    need = modes.bias + modes.p_short - modes.p_long
    if need <= 0:
        return np.zeros_like(charge)
    return np.where(charge > 0, need / np.where(charge > 0, charge, 1.0), np.inf)


@entry(
    "hybrid_bias_limit",
    kind="theorem",
    cards=("52",),
    section="hybrid reward; derived",
    provenance="derived",
    formula="(v D_v + (1 - v) D_o)/(1 - v) against v D_v + (1 - v) D_o",
)
def hybrid_bias_limit(gain_verified: Array, gain_open: Array, share: Array = 0.5) -> np.ndarray:
    """Proxy bias per prompt at which a shared style's drift turns: (2, ...) proxy only, hybrid.

    A share v of prompts is verified by a rule, where the good style gains D_v; the others gain D_o,
    less the bias where the proxy scores them. Proxy only: v D_v + (1 - v) D_o; hybrid: that over
    1 - v, twice as much for half of the prompts. inf at v = 1.

    gain_verified, gain_open : any shape; share in [0, 1]; they broadcast.
    """
    v = np.asarray(share, dtype=float)
    mean = v * np.asarray(gain_verified, dtype=float) + (1 - v) * np.asarray(gain_open, dtype=float)
    left = np.where(v < 1, 1 - v, 1.0)
    return np.stack([mean, np.where(v < 1, mean / left, np.inf)])
