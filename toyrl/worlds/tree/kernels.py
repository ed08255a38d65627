"""Compiled sweeps over large trees: parents come first, so one loop over the nodes is a sweep."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def up(parent, weight, term, factor, out):  # pragma: no cover (compiled)
    """out[s] += weight_c (term_c + factor_c out[c]) over children c; out comes in as zeros.

    parent, weight, out : (N,); term, factor : (N,), or (1,) for the same number everywhere
    """
    t, f = min(1, term.size - 1), min(1, factor.size - 1)  # strides: 0 reads the one number
    for n in range(parent.size - 1, 0, -1):
        w = weight[n]
        if w != 0.0:
            gain = factor[n * f] * out[n] if factor[n * f] != 0.0 else 0.0
            out[parent[n]] += w * (term[n * t] + gain)


@numba.njit(cache=True)
def down(parent, factor, term, out):  # pragma: no cover (compiled)
    """out[c] = factor_c out[s] + term_c; out[0] comes in.

    parent, out : (N,); term, factor : (N,), or (1,) for the same number everywhere
    """
    t, f = min(1, term.size - 1), min(1, factor.size - 1)
    for n in range(1, parent.size):
        out[n] = factor[n * f] * out[parent[n]] + term[n * t]


def row(x: np.ndarray) -> np.ndarray:
    """(N,) contiguous float64, or (1,) for a scalar."""
    return np.ascontiguousarray(x.reshape(1) if x.ndim == 0 else x, dtype=np.float64)
