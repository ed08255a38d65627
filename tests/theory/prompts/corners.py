"""Corners of the theorems of prompts' rewards, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

GAP = {"m": (-1.0, 0.0, 1.0), "s": (0.0, 1e-300, 0.2, 1.0), "wrong": (0.0, 180.0),
       "right": (0.0, 200.0)}  # fmt: skip
PROMPTS: dict[str, Any] = {
    "uneven_gap_bonus": GAP,
    "normal_gap_reward": GAP,
    "tied_gap": {"tied": (2, 3, 10**6), "classes": (2, 3, 10**6)},
    "bootstrapped_maximum_law": {"n": (1, 32, 10**9), "k": (1, 4, 10**9)},
    "lucky_segments": {"p": (0.0, 1e-300, 0.5, 1.0), "n": (1, 32, 10**9)},
    "input_signal": {"merits": (np.zeros(1), np.zeros(3), np.arange(3.0)), "sigma": (0.0, 1e6)},
    "pooled_spread": {"between": (0.0, 1e-300, 1.0), "within": (1e-300, 1.0), "k": (1, 10**9)},
}  # fmt: skip
