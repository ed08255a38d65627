"""What picking a few steps adds to the loss of a model of step rewards.

    E_picks L_RRD = L_RD + (1 - K/T) S2_T/K,   E_picks L_RRDu = L_RD

S2_T is the sample variance of the T step rewards of one episode. Formulas:
docs/theory/redistribution.md.

Source: paper 41; the losses are those of its code, the identity is derived.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, FINITE, checked
from toyrl.registry import entry


@entry(
    "picking_penalty",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="loss (2), identity",
    formula="(1 - K/T) S2_T/K",
)
@checked
def picking_penalty(r_hat: Any, picked: Annotated[int, COUNT]) -> np.ndarray | float:
    """What picking K of T steps without replacement adds to the loss, in expectation; >= 0.

    r_hat : (..., T) step rewards; picked : K, at most T (more count as T). The answer (...,)

    The variance of a mean of K out of T: 0 for K = T, and 0 where the step rewards are equal, so
    that plain RRD is pulled towards the uniform redistribution.

    Raises ValueError for no step and numbers out of their ranges.
    """
    r = np.asarray(r_hat, dtype=float)
    if not r.ndim or not r.shape[-1] or not np.isfinite(r).all():
        msg = f"r_hat has the shape {r.shape}; give (..., T) finite step rewards, T of 1 and more"
        raise ValueError(msg)
    T = r.shape[-1]
    K = min(picked, T)
    if K == T:
        return np.zeros(r.shape[:-1])[()]
    return (1 - K / T) * r.var(axis=-1, ddof=1) / K


@entry(
    "expected_rrd",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="loss (2), identity",
    formula="E L_RRD = (mean r - R/T)^2 + (1 - K/T) S2_T/K",
)
@checked
def expected_rrd(
    r_hat: Any, total: Annotated[Any, FINITE], picked: Annotated[int, COUNT]
) -> np.ndarray | float:
    """Mean of L_RRD over all picks of K steps; of L_RRDu it is the first term, L_RD.

    r_hat : (..., T) step rewards; total : (...,) returns; picked : K. The answer (...,)

    Raises ValueError for no step and numbers out of their ranges.
    """
    penalty = picking_penalty(r_hat, picked)
    r = np.asarray(r_hat, dtype=float)
    return (r.mean(axis=-1) - np.asarray(total, dtype=float) / r.shape[-1]) ** 2 + penalty
