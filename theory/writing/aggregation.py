"""Rewards of several scales: what each one's say is if they are added, or averaged as advantages.

In a group the components z_k, standardised, have correlations rho and are mixed with weights w:
averaged advantages have w_k = 1/K whatever the scales, a sum of rewards has w_k = s_k.

Formulas: docs/theory/writing.md.

Source: derived, for paper 10 (advantage-level averaging).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


def _mixed(rho: Array, weight: Array) -> tuple[np.ndarray, np.ndarray]:
    r, w = np.asarray(rho, dtype=float), np.asarray(weight, dtype=float)
    if r.ndim < 2 or r.shape[-1] != r.shape[-2] or not w.ndim or w.shape[-1] != r.shape[-1]:
        msg = f"rho {r.shape} and weight {w.shape} must be (..., K, K) and (..., K)"
        raise ValueError(msg)
    return r, w


@entry(
    "mixture_spread",
    kind="theorem",
    cards=("10",),
    section="A_final; derived",
    provenance="derived",
    formula="sqrt(sum_ij rho_ij w_i w_j)",
)
def mixture_spread(rho: Array, weight: Array) -> np.ndarray:
    """(...,) standard deviation of sum_k w_k z_k in the group.

    rho : (..., K, K) correlations of the components; weight : (..., K)

    For averaged advantages (w = 1/K) it is 1/sqrt(K) without correlations, not 1.

    Raises ValueError for other shapes.
    """
    r, w = _mixed(rho, weight)
    return np.sqrt(np.maximum(np.einsum("...j,...jk,...k->...", w, r, w), 0.0))


@entry(
    "component_say",
    kind="theorem",
    cards=("10",),
    section="A_final; derived",
    provenance="derived",
    formula="sum_j rho_kj w_j / sqrt(sum_ij rho_ij w_i w_j)",
)
def component_say(rho: Array, weight: Array) -> np.ndarray:
    """(..., K) correlation of sum_j w_j z_j with each component, 0 where the sum is constant.

    Arguments of `mixture_spread`. With w = 1/K it is free of every scale; in a sum of rewards
    w_k = s_k, and a component far wider than the others has all the say.

    Raises ValueError for other shapes.
    """
    r, w = _mixed(rho, weight)
    spread = mixture_spread(r, w)[..., None]
    own = np.einsum("...jk,...j->...k", r, w)
    return np.where(spread > 0, own / np.where(spread > 0, spread, 1.0), 0.0)
