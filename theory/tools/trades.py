"""What the scales of a tool-call reward trade for one another, and what listing every tool pays.

Formulas: docs/theory/tools.md.

Source: paper 21 (ToolRL), its code's rewards; thresholds and the shotgun hack are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "accuracy_traded",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="gain/(2M)",
)
def accuracy_traded(gain: Array, top: Array = 3.0) -> np.ndarray:
    """How much accuracy a policy gives away for a bonus, correctness being paid +-M.

    The bonus is preferred exactly if it costs less accuracy than this.

    gain : >= 0, the bonus in reward units; top : M > 0; both broadcast

    Raises ValueError for a negative gain and a top that is not above 0.
    """
    g, m = np.asarray(gain, dtype=float), np.asarray(top, dtype=float)
    if not (np.all(g >= 0) and np.all(m > 0)):
        msg = f"gain={g.tolist()} must be at least 0 and top={m.tolist()} above 0"
        raise ValueError(msg)
    return (g / (2 * m))[()]


@entry(
    "correctness_share",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="(2M)^2/((2M)^2 + b^2)",
)
def correctness_share(top: Array = 3.0, bonus: Array = 1.0) -> np.ndarray:
    """Share of correctness in the variance of the reward, in [0, 1].

    Correctness pays +-M, format b or 0, both independent and met at the same rate.

    top : M >= 0; bonus : b >= 0, not both 0; they broadcast

    Raises ValueError for negative numbers and where both are 0.
    """
    m, b = np.broadcast_arrays(np.asarray(top, dtype=float), np.asarray(bonus, dtype=float))
    if not (np.all(m >= 0) and np.all(b >= 0) and np.all(m + b > 0)):
        msg = f"top={m.tolist()} and bonus={b.tolist()} must be at least 0, and not both 0"
        raise ValueError(msg)
    return ((2 * m) ** 2 / ((2 * m) ** 2 + b**2))[()]


@entry(
    "shotgun_reward",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="M - 2M (K - 1)/(K (2 + P))",
)
def shotgun_reward(calls: Array, keys: Array, granularity: str = "fine", top: float = 3.0
                   ) -> np.ndarray:  # fmt: skip
    """Pay of K calls of different names, the right one among them; the gold is one call.

    Only the name term shrinks, to 1/K: for any K the fine reward is at least M P/(2 + P).

    calls : K >= 1; keys : P >= 0 of the gold call; granularity : fine, refined, intermediate or
    coarse; top : M; calls and keys broadcast

    Raises ValueError for calls below 1, keys below 0 and another granularity.
    """
    k, n = np.broadcast_arrays(np.asarray(calls, dtype=float), np.asarray(keys, dtype=float))
    if not (np.all(k >= 1) and np.all(n >= 0)):
        msg = f"calls={k.tolist()} must be at least 1 and keys={n.tolist()} at least 0"
        raise ValueError(msg)
    one = 1.0 * (k == 1)
    share = {
        "fine": (1 + n + 1 / k) / (2 + n),
        "refined": (1 + n + one) / (2 + n),
        "intermediate": (1 + 1 / k) / 2,
        "coarse": one,
    }
    if granularity not in share:
        msg = f"granularity={granularity!r} is not one of {', '.join(share)}"
        raise ValueError(msg)
    return (top * (2 * share[granularity] - 1))[()]
