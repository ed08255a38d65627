"""Novelty, the mean distance to the nearest others, and fronts of what nothing dominates.

    novelty(i) = mean distance of bd_i to its k nearest others in the reference set

As released, distances are sorted and the first is dropped, the point itself: a duplicate elsewhere
counts with distance 0, and a point that is not in the set loses its nearest neighbour too
(`drop_nearest=False` keeps it).

Formulas: docs/theory/population.md. Source: paper 24, code core/evolvers/utils.py.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

Array = Any


def novelty(bd: Array, reference: Array, k: int = 15, *, drop_nearest: bool = True) -> np.ndarray:
    """(n,) mean Euclidean distance of descriptors (n, p) to their k nearest in reference (r, p).

    Fewer than k others: the mean of those there are; none: 0. O(n r (p + k)).
    drop_nearest : the nearest is taken for the point itself and left out, as in the released code

    Raises ValueError for k below 1, other shapes, and NaN or infinite descriptors: they would sort
    last and shrink k unseen.
    """
    x, y = (np.ascontiguousarray(v, dtype=float) for v in (bd, reference))
    if k < 1:
        msg = f"k={k} must be 1 or more"
        raise ValueError(msg)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        msg = f"bd has shape {x.shape}, reference {y.shape}: both are (number, descriptor)"
        raise ValueError(msg)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        msg = "bd or reference holds NaN or inf; leave these individuals out"
        raise ValueError(msg)
    return _means(x, y, k, int(drop_nearest))


@numba.njit(cache=True)
def _means(x, y, k, drop):  # pragma: no cover (compiled)
    n, r, p = len(x), len(y), x.shape[1]
    most = min(k + drop, r)
    out = np.zeros(n)
    if most <= drop:
        return out
    columns = np.ascontiguousarray(y.T)
    near, square = np.empty(most), np.empty(r)
    for i in range(n):
        square[:] = 0.0
        for c in range(p):
            here = x[i, c]
            for j in range(r):
                square[j] += (here - columns[c, j]) ** 2
        near[:] = np.inf
        worst = np.inf
        for j in range(r):
            if square[j] < worst:
                at = most - 1
                while at > 0 and near[at - 1] > square[j]:
                    near[at] = near[at - 1]
                    at -= 1
                near[at] = square[j]
                worst = near[most - 1]
        total = 0.0
        for j in range(drop, most):
            total += np.sqrt(near[j])
        out[i] = total / (most - drop)
    return out


def fronts(values1: Array, values2: Array) -> list[np.ndarray]:
    """Sorted indices of each Pareto front of two objectives (n,), both maximised, best front first.

    A member of a front is dominated (no better in both, worse in one) by none of its own or a later
    front; equal points share one. O(n^2) a front.

    Raises ValueError for other shapes and for NaN.
    """
    a, b = np.asarray(values1, dtype=float), np.asarray(values2, dtype=float)
    if a.ndim != 1 or a.shape != b.shape or np.isnan(a).any() or np.isnan(b).any():
        msg = f"values1 {a.shape} and values2 {b.shape} must be alike (n,) and without NaN"
        raise ValueError(msg)
    over = (a[:, None] >= a) & (b[:, None] >= b) & ((a[:, None] > a) | (b[:, None] > b))
    left, out = np.ones(len(a), dtype=bool), []
    while left.any():
        best = left & ~(over & left[:, None]).any(0)
        out.append(np.flatnonzero(best))
        left &= ~best
    return out
