"""The signature of a path up to level 2: where it ends, and the areas that it sweeps.

    S = sum_l d_l,   S2 = sum_l (S_(l-1) (x) d_l + d_l (x) d_l / 2)

for a piecewise-linear path with increments d_1..d_L and running level 1 S_l.

Formulas: docs/theory/population.md. Source: paper 24, the part on whole-trajectory descriptors
(there by the package `iisignature`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def signature(path: Array, order: int = 2, *, time: bool = False) -> np.ndarray:
    """Signature (..., p) or (..., p + p^2) of paths (..., L + 1, p): level 1, then level 2 by rows.

    order : 1 or 2
    time : a first coordinate that rises from 0 to 1 in equal steps is put in front, so that p
        grows by 1 and paths that differ in speed alone differ

    A path of one point has the signature 0. NaN in a path gives NaN.

    Raises ValueError for another order, a path without points or without coordinates.
    """
    x = np.asarray(path, dtype=float)
    if order not in (1, 2):
        msg = f"order={order} must be 1 or 2"
        raise ValueError(msg)
    if x.ndim < 2 or not x.shape[-2] or not x.shape[-1]:
        msg = f"path has shape {x.shape}; it is (..., points, coordinates), both 1 or more"
        raise ValueError(msg)
    if time:
        clock = np.linspace(0.0, 1.0, x.shape[-2])[:, None]
        x = np.concatenate([np.broadcast_to(clock, (*x.shape[:-1], 1)), x], axis=-1)
    d, so_far = np.diff(x, axis=-2), x[..., :-1, :] - x[..., :1, :]
    first = x[..., -1, :] - x[..., 0, :]
    if order == 1:
        return first
    second = np.swapaxes(so_far + d / 2, -1, -2) @ d
    return np.concatenate([first, second.reshape(*first.shape[:-1], -1)], axis=-1)
