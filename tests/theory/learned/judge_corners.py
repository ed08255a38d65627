"""Corners of the theorems of a reasoning judge, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

SHARE = (-0.1, 0.0, 1e-300, 0.5, 1.0)

JUDGE_CHAIN: dict[str, Any] = {
    "judge_best_accuracy": {"right": ([[0.0, 1.0]], [[0.5], [1.0]], [[1.5]], []),
                            "share": (None, [1.0, 0.0], [1.0]), "aware": (True, False)},
    "judge_drift": {"chance": SHARE, "first": SHARE, "second": (0.0, 1.0),
                    "group_size": (0, 1, 2, INF), "spread": (0.0, 2.0),
                    "normalised": (True, False)},
    "judge_training_time": {"start": (-INF, -800.0, 0.0, INF), "end": (-INF, 0.0, 2.0),
                            "gap": (-1.0, 0.0, 1e-300, 1.0), "group_size": (0, 1, 2, INF)},
    "round_robin_rate": {"rank": (0, 1, [1, 2]), "group_size": (1, 2, 10**9), "accuracy": SHARE,
                         "unread": (0.0, 1.0)},
    "round_robin_variance": {"group_size": (1, 2, 10**9, INF), "accuracy": SHARE,
                             "unread": (0.0, 1.0)},
}  # fmt: skip
