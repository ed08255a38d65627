"""Order statistics of independent standard normals: of a group, and the maximum of very many.

M_k = E max of k standard normals and V_k = Var max are what selection gains where reward and truth
are jointly normal, and what a group compares when its rewards are noisy.

With z = max, Phi(z)^k is uniform, so z = Phi^-1(exp(-exp(-g)/k)) of a Gumbel g: the two moments are
integrals over g of a smooth function against exp(-g - exp(-g)), which the trapezoid rule answers to
rounding for every k, also where Phi^-1 is read 1e-300 below 1.

Formulas: docs/theory/order_statistics.md.

Source: David and Nagaraja, Order Statistics (2003), sections 2 and 3; the quadrature is derived.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
GUMBEL = np.arange(-5.0, 45.0, 0.05)
"""Nodes of the maximum's quadrature: exp(-g - exp(-g)) is below 1e-19 of its peak outside."""


@entry(
    "order_means",
    kind="theorem",
    cards=("42", "57"),
    provenance="derived",
    formula="m_k = G C(G-1,k-1) E[z Phi(z)^(k-1) (1 - Phi(z))^(G-k)]",
)
def order_means(size: int) -> np.ndarray:
    """(G,) expected order statistics of G standard normals, rising, by quadrature (about 1e-14)."""
    from scipy.stats import norm

    x, k = np.linspace(-9, 9, 20001), np.arange(1, size + 1)[:, None]
    ways = np.array([math.log(size * math.comb(size - 1, int(i) - 1)) for i in k[:, 0]])[:, None]
    law = ways + norm.logpdf(x) + (k - 1) * norm.logcdf(x) + (size - k) * norm.logsf(x)
    return (x * np.exp(law)).sum(-1) * (x[1] - x[0])


@entry(
    "normal_maximum",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="M_k, V_k = mean and variance of Phi^-1(U^(1/k)), U uniform",
)
def normal_maximum(k: Array) -> tuple[np.ndarray, np.ndarray]:
    """(M_k, V_k): mean and variance of the largest of k standard normals; k real, at least 1.

    k : any shape, up to 1e300; both answers have its shape. About 1e-13.

    Raises ValueError for a k below 1 and one that is not finite.
    """
    from scipy.special import ndtri_exp

    k = np.asarray(k, dtype=float)
    if not ((k >= 1) & np.isfinite(k)).all():
        msg = f"k={k.tolist()} must be finite and at least 1: one of k draws is kept"
        raise ValueError(msg)
    small = np.exp(-GUMBEL) / k[..., None]  # -log of Phi at the maximum
    upper = -ndtri_exp(_log_sf(small))  # accurate where Phi is near 1
    z = np.where(small < 0.5, upper, ndtri_exp(-np.maximum(small, 0.5)))
    weight = np.exp(-GUMBEL - np.exp(-GUMBEL))
    weight /= weight.sum()
    mean = z @ weight
    return mean, ((z - mean[..., None]) ** 2) @ weight


def _log_sf(small: np.ndarray) -> np.ndarray:
    """log(1 - exp(-small)), for small down to 0."""
    with np.errstate(divide="ignore"):
        return np.where(small > 1e-300, np.log(-np.expm1(-small)), np.log(small))
