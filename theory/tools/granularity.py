"""A tool call paid piece by piece, or only as a whole.

The factored bandit: one gold call with P keys. The policy picks the tool's name with chance
p_a = sigma(z_a) and each value with p_v = sigma(z_v), independently; keys come right with the name.
With k right values the fine reward is 2M (2 + k)/(2 + P) - M, the coarse one M if all are right,
the intermediate one 0 for a right name alone; a wrong name is -M under each. P(a group has any
spread) is `toyrl.theory.group.spread.group_spread` of the law below.

Formulas: docs/theory/tools.md.

Source: paper 21 (ToolRL), its code's rewards; the bandit and all closed forms are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom

from toyrl.registry import entry

Array = Any
GRANULARITIES = ("fine", "intermediate", "coarse")


@entry(
    "tool_reward_law",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="P(wrong name) = 1 - p_a, P(k right values) = p_a Binomial(k; P, p_v)",
)
def tool_reward_law(
    name: Array, value: Array, keys: int, granularity: str = "fine", top: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """(rewards (P + 2,), chances (..., P + 2)): a wrong name, then 0, ..., P right values.

    name, value : p_a and p_v in [0, 1], broadcast; keys : P >= 0 of the gold call
    granularity : fine (also refined, the keys being right), intermediate or coarse; top : M

    Raises ValueError for a chance outside [0, 1], keys below 0 and another granularity.
    """
    a, v, n = _chances(name, value, keys)
    k = np.arange(n + 1)
    share = {
        "fine": (2 + k) / (2 + n),
        "intermediate": (1 + (k == n)) / 2,
        "coarse": 1.0 * (k == n),
    }
    if granularity not in share:
        msg = f"granularity={granularity!r} is not one of {', '.join(GRANULARITIES)}"
        raise ValueError(msg)
    right = a[..., None] * binom.pmf(k, n, v[..., None])
    return (
        np.concatenate([[-top], top * (2 * share[granularity] - 1)]),
        np.concatenate([1 - a[..., None], right], axis=-1),
    )


@entry(
    "tool_mean_reward",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="fine 2M p_a (2 + P p_v)/(2 + P) - M, coarse 2M p_a p_v^P - M",
)
def tool_mean_reward(
    name: Array, value: Array, keys: int, granularity: str = "fine", top: float = 3.0
) -> np.ndarray:
    """E R of the factored bandit, in [-M, M]; arguments as `tool_reward_law`, which broadcast.

    Raises ValueError as `tool_reward_law`.
    """
    a, v, n = _chances(name, value, keys)
    share = {"fine": (2 + n * v) / (2 + n), "intermediate": (1 + v**n) / 2, "coarse": v**n}
    if granularity not in share:
        msg = f"granularity={granularity!r} is not one of {', '.join(GRANULARITIES)}"
        raise ValueError(msg)
    return (2 * top * a * share[granularity] - top)[()]


@entry(
    "tool_gradient",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="dE R/dz_v: fine 2M p_a p_v (1 - p_v)/(2 + P), coarse 2M p_a p_v^P (1 - p_v)",
)
def tool_gradient(
    name: Array, value: Array, keys: int, granularity: str = "fine", top: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """(dE R/dz_a, dE R/dz_v of one value); arguments as `tool_reward_law`, which broadcast.

    The second is 0 where there are no keys.

    Raises ValueError as `tool_reward_law`.
    """
    a, v, n = _chances(name, value, keys)
    by_name = (1 - a) * (np.asarray(tool_mean_reward(a, v, n, granularity, top)) + top)
    whole = v**n * (1 - v) if n else 0.0 * v
    share = {"fine": (v * (1 - v) if n else 0.0 * v) / (2 + n), "intermediate": whole / 2,
             "coarse": whole}  # fmt: skip
    return by_name[()], (2 * top * a * share[granularity])[()]


@entry(
    "coarse_over_fine",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="(2 + P) p_v^(P - 1)",
)
def coarse_over_fine(value: Array, keys: int) -> np.ndarray:
    """How many times the coarse gradient of one value's logit is the fine one.

    value : p_v in [0, 1], any shape; keys : P >= 1

    Raises ValueError for a value outside [0, 1] and keys below 1.
    """
    _, v, n = _chances(1.0, value, _some(keys, 1))
    return ((2 + n) * v ** (n - 1))[()]


@entry(
    "granularity_crossing",
    kind="theorem",
    cards=("21",),
    provenance="derived",
    formula="(2 + P)^(-1/(P - 1))",
)
def granularity_crossing(keys: int) -> float:
    """The p_v above which the coarse reward has the larger gradient; 0 for one key.

    keys : P >= 1

    Raises ValueError for keys below 1.
    """
    n = _some(keys, 1)
    return (2 + n) ** (-1 / (n - 1)) if n > 1 else 0.0


def _chances(name: Array, value: Array, keys: int) -> tuple[np.ndarray, np.ndarray, int]:
    a, v = np.broadcast_arrays(np.asarray(name, dtype=float), np.asarray(value, dtype=float))
    for said, x in (("name", a), ("value", v)):
        if not ((x >= 0) & (x <= 1)).all():
            msg = f"{said}={x.tolist()} must lie in [0, 1]: it is a chance"
            raise ValueError(msg)
    return a, v, _some(keys, 0)


def _some(keys: int, least: int) -> int:
    if keys < least or keys % 1:
        msg = f"keys={keys} must be a whole number, at least {least}"
        raise ValueError(msg)
    return int(keys)
