"""What a z-score within a group makes of noise: its alignment with it and its error.

N rewards eps_i ~ N(0, sigma^2), independent, and A_i = (eps_i - mean)/D with D the population
standard deviation of the group. By symmetry E[eps_i A_i] = E[D] = sigma c_N, E[A_i^2] = 1, so

    E[(A_i - eps_i)^2] = sigma^2 - 2 sigma c_N + 1,     c_N = sqrt(2/N) Gamma(N/2)/Gamma((N-1)/2),

least at sigma = c_N and growing beyond: the larger the noise, the worse the z-score is as an
estimate of it.

Formulas: docs/theory/group.md.

Source: paper 08, Appendix B, whose printed proof has two slips; derived anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "mean_group_std",
    kind="theorem",
    cards=("08",),
    section="Appendix B; derived",
    provenance="derived",
    formula="c_N = sqrt(2/N) Gamma(N/2)/Gamma((N-1)/2)",
)
def mean_group_std(group_size: Array) -> np.ndarray:
    """c_N: the expected population standard deviation of N standard normal rewards; 1 at inf.

    group_size : any shape, and so is the answer.

    Raises ValueError for a group of one.
    """
    from scipy.special import gammaln

    n = np.asarray(group_size, dtype=float)
    if (n < 2).any():
        msg = f"group_size={group_size} must be at least 2: one reward has no spread"
        raise ValueError(msg)
    finite = np.where(np.isinf(n), 2.0, n)
    found = np.sqrt(2 / finite) * np.exp(gammaln(finite / 2) - gammaln((finite - 1) / 2))
    return np.where(np.isinf(n), 1.0, found)[()]


@entry(
    "z_score_alignment",
    kind="theorem",
    cards=("08",),
    section="Appendix B; derived",
    provenance="derived",
    formula="E[eps A] = sigma c_N",
)
def z_score_alignment(sigma: Array, group_size: Array) -> np.ndarray:
    """E[eps_i A_i] = sigma c_N, in units of the noise.

    sigma : >= 0, broadcasts with group_size. Raises ValueError for a group of one.
    """
    return np.asarray(sigma, dtype=float) * mean_group_std(group_size)


@entry(
    "z_score_error",
    kind="theorem",
    cards=("08",),
    section="Appendix B; derived",
    provenance="derived",
    formula="E[(A - eps)^2] = sigma^2 - 2 sigma c_N + 1",
)
def z_score_error(sigma: Array, group_size: Array) -> np.ndarray:
    """E[(A_i - eps_i)^2] = sigma^2 - 2 sigma c_N + 1: least, 1 - c_N^2, at sigma = c_N.

    sigma : > 0, broadcasts with group_size; 1 is the limit at 0, where a tied group has A = 0.

    Raises ValueError for a group of one.
    """
    sigma = np.asarray(sigma, dtype=float)
    return sigma * (sigma - 2 * mean_group_std(group_size)) + 1
