"""Novelty by its definition and of scattered points, and how many individuals nothing dominates.

Points scattered with density rho in R^p: n(r), the number within r of a place, is Poisson with mean
rho V_p r^p, so that rho V_p r_j^p of the j-th neighbour is a Gamma(j) variable and

    E r_j = Gamma(j + 1/p)/Gamma(j) (rho V_p)^(-1/p),   V_p = pi^(p/2)/Gamma(p/2 + 1).

Novelty, the mean of r_1..r_k, falls as rho^(-1/p): what novelty search pays is the inverse root of
the local density of what was seen. Of n points with two independent objectives without ties the
i-th best by the first is undominated iff it is the best of the first i by the second, 1/i.

Formulas: docs/theory/population.md. Source: (1) paper 24, code core/evolvers/utils.py; the rest
derived.
"""

from __future__ import annotations

from math import lgamma, log, pi
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "novelty_score",
    kind="theorem",
    cards=("24",),
    section="code core/evolvers/utils.py",
    provenance="code",
    formula="mean of the sorted distances 2..k+1 to the reference set",
)
def novelty_score(bd: Array, reference: Array, k: int = 15) -> np.ndarray:
    """(n,) novelty of descriptors (n, p) in a reference set (r, p) that contains them.

    By sorting all distances and dropping the first, the point itself; fewer than k others: their
    mean, none: 0. O(n r log r); `toyrl.dynamics.population.neighbours.novelty` is the quick one.

    Raises ValueError for k below 1 and for NaN.
    """
    x, y = np.asarray(bd, dtype=float), np.asarray(reference, dtype=float)
    if k < 1 or np.isnan(x).any() or np.isnan(y).any():
        msg = f"k={k} must be 1 or more, bd and reference without NaN"
        raise ValueError(msg)
    away = np.sort(np.sqrt(((x[:, None] - y) ** 2).sum(-1)), axis=-1)[:, 1 : k + 1]
    return away.mean(-1) if away.shape[1] else np.zeros(len(x))


@entry(
    "expected_novelty",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="(1/k) sum_j Gamma(j + 1/p)/Gamma(j) (rho V_p)^(-1/p)",
)
def expected_novelty(density: Array, k: int = 15, dimension: int = 2) -> np.ndarray:
    """Mean distance to the k nearest of points scattered with this density; any shape.

    density rho > 0, points per unit of volume in R^p; far from the edges.

    Raises ValueError for a density that isn't positive, k or a dimension below 1.
    """
    rho = np.asarray(density, dtype=float)
    if not (rho > 0).all() or k < 1 or dimension < 1:
        msg = f"density must be positive, k={k} and dimension={dimension} 1 or more"
        raise ValueError(msg)
    p = dimension
    ball = p / 2 * log(pi) - lgamma(p / 2 + 1)
    each = np.exp([lgamma(j + 1 / p) - lgamma(j) for j in range(1, k + 1)])
    return each.mean() * np.exp(-(np.log(rho) + ball) / p)


@entry(
    "expected_front_size",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="1 + 1/2 + ... + 1/n",
)
def expected_front_size(n: int) -> float:
    """Expected size of the first Pareto front of n points with two independent objectives.

    0 for no point. Raises ValueError for n below 0.
    """
    if n < 0:
        msg = f"n={n} must be 0 or more"
        raise ValueError(msg)
    return float((1 / np.arange(1, n + 1)).sum())
