"""Corners of the theorems of traces, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

NONE, ALL = np.zeros((2, 2)), np.ones((2, 2))
TRACES: dict[str, Any] = {
    "trace_keys": {"variant": ("tail", "position", "block", "input", "none"), "length": (0, 1, 100),
                   "base": (1, 2, 10), "block": (0, 1, 100)},
    "key_coverage": {"domain": (1, 2, 200, 1e30), "n_train_keys": (0, 1, 1e9),
                     "n_steps": (0, 1, 10**6), "guess": (0.0, 0.5, 1.0)},
    "keys_until_all": {"domain": (0, 1, 2, 10**6, 10**12)},
    "compounded": {"eps": (0.0, 1e-300, 1.0), "n_steps": (0, 1, 10**9)},
    "step_error_allowed": {"success": (0.0, 1e-300, 0.5, 1.0), "n_steps": (1, 10**9)},
    "addition_coverage": {"base": (2, 10, 1000), "n_examples": (0, 1, 10**9),
                          "lengths": ((), (1,), (1, 40)), "known": (False, True)},
    "addition_success": {"base": (2, 10), "known": (NONE, ALL, np.ones((3, 2, 2)), np.ones(2)),
                         "length": (0, 1, 40), "guess": (0.0, 0.5, 1.0)},
    "table_shares": {"base": (2,), "known": (np.ones((2, 2, 2)), np.zeros((2, 2, 2)), ALL)},
    "position_coverage": {"base": (2, 10), "n_examples": (0, 1, 10**9), "longest": (1, 40)},
    "trace_prefix_mean": {"q": (0.0, 1e-300, 1.0), "n_steps": (0, 1, 1000)},
    "trace_prefix_variance": {"q": (0.0, 1e-300, 1.0), "n_steps": (0, 1, 1000)},
    "group_has_signal": {"success": (0.0, 1e-300, 0.5, 1 - 1e-16, 1.0), "group_size": (1, 2, 1000)},
    "trace_cost": {"form": ("tail", "block", "answer", "none"), "length": (1, 4, 10**6),
                   "block": (1, 2)},
}  # fmt: skip
