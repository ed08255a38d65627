"""Runs of exact training side by side, one to a lane of the compiled loop."""

from __future__ import annotations

import numpy as np

LANES = 16


def in_lanes(x: np.ndarray, groups: int) -> np.ndarray:
    """(W, ...) -> (groups, ..., LANES), the last run repeated into spare lanes."""
    spare = groups * LANES - len(x)
    x = np.concatenate([x, np.repeat(x[-1:], spare, axis=0)]) if spare else x
    return np.ascontiguousarray(np.moveaxis(x.reshape(groups, LANES, *x.shape[1:]), 1, -1))


def unlanes(x: np.ndarray, n: int) -> np.ndarray:
    """(groups, ..., LANES) -> (W, ...), the inverse of `in_lanes`; n : W."""
    return np.moveaxis(x, -1, 1).reshape(-1, *x.shape[1:-1])[:n]
