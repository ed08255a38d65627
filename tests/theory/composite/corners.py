"""Corners of the theorems of sums and products, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.theory.ends import P

SETTING = {"G": (1.0, 2.0), "C": (0.0, 1.0), "w": (0.0, 0.3, 1.0), "c": (0.0, 0.1, 1.0)}
PAID = (np.array([0.3, 0.2, -1.0, 0.9]), np.zeros(4))
BATCH = (1, 2, 512)

COMPOSITE: dict[str, Any] = {
    "basin_boundary": {"p0": (0.0, 1e-9, 0.3, 1.0), **SETTING},
    "go_variance": {"p": P, "batch": BATCH, "G": (0.0, 1.0)},
    "idling_steps": {"G": (0.0, 1.0), "w": (-1.0, 0.0, 0.3)},
    "product_gradient": {"p": P, "q": P, "G": (0.0, 1.0), "c": (0.0, 1.0)},
    "product_rewards": {"G": (0.0, 1.0), "c": (0.0, 1.0)},
    "reaches_the_end": {"p": (1e-9, 0.3, 1 - 1e-9), "q": (1e-9, 0.3, 1 - 1e-9), **SETTING},
    "standing_pay": {"form": ("product", "survival", "additive", "sum"), "survival": (0.0, 1.0)},
    "sum_gradient": {"p": P, "q": P, **SETTING},
    "sum_rewards": SETTING,
    "trap_invariant": {"p": (1e-9, 0.3, 1 - 1e-9), "q": (1e-9, 0.3, 1 - 1e-9), **SETTING},
    "trap_saddle": SETTING,
    "update_covariance": {"reward": PAID, "p": P, "q": P, "batch": BATCH},
}
