"""What random genomes reach: chances of cells and discs, and the coverage to be expected.

In the redundant space each of two numbers of behaviour is the mean of n genes, uniform on [-1, 1]
(in units of their limit): a Bates variable, which gathers around 0 with standard deviation
1/sqrt(3 n). With Irwin and Hall's law of the sum of n uniforms on [0, 1],

    F_n(x) = (1/n!) sum_j (-1)^j C(n, j) (x - j)_+^n,     P(mean <= b) = F_n(n (b + 1)/2).

Formulas: docs/theory/population.md. Source: derived, for paper 24.
"""

from __future__ import annotations

from math import comb, factorial
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "mean_of_genes_mass",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="F_n(n (high + 1)/2) - F_n(n (low + 1)/2)",
)
def mean_of_genes_mass(low: Array, high: Array, genes: int) -> np.ndarray:
    """Chance that the mean of n genes, uniform on [-1, 1], lies in [low, high]; any shape.

    Exact to about 1e-12 for 12 genes or fewer: the sum alternates and loses digits with more.

    Raises ValueError for genes outside 1 to 20.
    """
    a, b = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return np.maximum(_below(b, genes) - _below(a, genes), 0.0)


@entry(
    "disc_mass",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="int f_n(x) [F_n(y + h(x)) - F_n(y - h(x))] dx, h the half chord",
)
def disc_mass(centre: tuple[float, float], radius: float, genes: int) -> float:
    """Chance that two independent means of n genes fall into a disc; by quadrature, to 1e-9.

    centre (x, y), radius > 0.

    Raises ValueError for a radius that isn't positive and for genes outside 1 to 20.
    """
    if not radius > 0:
        msg = f"radius={radius} must be positive"
        raise ValueError(msg)
    node, weight = np.polynomial.legendre.leggauss(64)
    # x = centre + radius sin(angle): smooth at the rim, where the chord ends.
    angle = node * np.pi / 2
    x, half = centre[0] + radius * np.sin(angle), radius * np.cos(angle)
    slice_ = mean_of_genes_mass(centre[1] - half, centre[1] + half, genes)
    return float((weight * np.pi / 2 * half * _density(x, genes) * slice_).sum())


@entry(
    "hit_chance",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="1 - (1 - pi)^n",
)
def hit_chance(mass: Array, draws: Array) -> np.ndarray:
    """Chance that one of n independent draws falls into a set of chance pi; any shapes.

    Accurate for tiny pi too. Raises ValueError for pi outside [0, 1] and n below 0.
    """
    p, n = np.asarray(mass, dtype=float), np.asarray(draws, dtype=float)
    if not ((p >= 0) & (p <= 1)).all() or not (n >= 0).all():
        msg = "mass must lie in [0, 1] and draws be 0 or more"
        raise ValueError(msg)
    sure = (p >= 1) & (n > 0)
    return np.where(sure, 1.0, -np.expm1(n * np.log1p(-np.where(p >= 1, 0.0, p))))


@entry(
    "expected_coverage",
    kind="theorem",
    cards=("24",),
    provenance="derived",
    formula="mean over cells of 1 - (1 - pi)^n",
)
def expected_coverage(mass: Array, draws: int) -> float:
    """Share of cells with chances `mass` (any shape) that n independent draws reach, on average.

    The chances need not sum to 1. Raises ValueError for no cell and as `hit_chance` does.
    """
    p = np.asarray(mass, dtype=float)
    if not p.size:
        msg = "mass is empty: there is no cell to be reached"
        raise ValueError(msg)
    return float(hit_chance(p, draws).mean())


def _below(b: np.ndarray, genes: int) -> np.ndarray:
    """P(mean <= b), by symmetry from the nearer end, where few terms count."""
    return np.where(b <= 0, _sum(b, genes, genes), 1 - _sum(-b, genes, genes))


def _density(b: np.ndarray, genes: int) -> np.ndarray:
    low = -np.abs(b)
    return genes / 2 * _sum(low, genes, genes - 1)


def _sum(b: np.ndarray, genes: int, power: int) -> np.ndarray:
    """(1/power!) sum_j (-1)^j C(n, j) (x - j)_+^power at x = n (b + 1)/2, b <= 0."""
    if not 1 <= genes <= 20:
        msg = f"genes={genes} must lie in 1 to 20: beyond, the alternating sum has no digits left"
        raise ValueError(msg)
    x = genes * (np.clip(b, -1, 1) + 1) / 2
    terms = [(-1) ** j * comb(genes, j) * np.where(x > j, np.maximum(x - j, 0.0) ** power, 0.0)
             for j in range(genes + 1)]  # fmt: skip
    return np.sum(terms, axis=0) / factorial(power)
