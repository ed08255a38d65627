"""Corners of the theorems of writers' rewards, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

SOME = np.array([[1.0, 0.2, 0.0], [0.2, 1.0, -0.5], [0.0, -0.5, 1.0]])
RHO = (np.eye(3), np.ones((3, 3)), SOME, 2 * np.eye(3)[None] - 1)
LAM = (0.0, [1e-300, 20.0, 1e6], -1.0, np.inf)
LOOP = {"words": (1, 3, 10**6), "times": (1, 2, 10**6), "n": (1, 20, 10**9)}
LAW = (np.array([1.0]), np.array([0.5, 0.5, np.inf]))

WRITING: dict[str, Any] = {
    "mixture_spread": {"rho": RHO, "weight": (np.ones(3), np.zeros(3), np.array([1.0, 1e8, 0.0]))},
    "component_say": {"rho": RHO, "weight": (np.ones(3), np.zeros(3), np.array([1.0, 1e8, 0.0]))},
    "phrase_pay": {"lam": LAM, "divisor": (1, 2, 20)},
    "phrase_drift": {"lam": LAM, "divisor": (1, 2, 20)},
    "phrase_accuracy": {"lam": LAM, "gain": (0.0, 0.15, 1e3), "limit": (0, 30, 10**6)},
    "loop_share": LOOP,
    "loop_waste": LOOP,
    "ranking_accuracy": {"right": LAW, "wrong": LAW, "right_weight": (np.ones(1), np.ones(3)),
                         "wrong_weight": (np.ones(1), np.array([0.0, 1.0, 1e-300]))},
}  # fmt: skip
