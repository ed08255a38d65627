"""Corners of the theorems of follow-ups, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

SAID = {"satisfied": (0.0, 0.5, 1.0, 2.0), "approving": ((0.4, 0.1), (0.4, 0.0), (0.0, 0.0)),
        "disapproving": ((0.05, 0.3), (0.0, 0.3), (0.0, 0.0))}  # fmt: skip
FOLLOW_UPS: dict[str, Any] = {
    "follow_up_reward": SAID,
    "follow_up_slope": SAID,
    "contrast_accuracy": {"gap": (-INF, -1.0, 0.0, INF), "noise": (-1.0, 0.0, 1e-300, 1.0),
                          "approving": (0, 1, 10**9), "disapproving": (1, 10)},
    "positive_only_accuracy": {"gap": (-1.0, 0.0, INF), "nuisance": (-1.0, 0.0, 1.0, 1e100),
                               "noise": (0.0, 1.0), "approving": (0, 1, 20)},
    "mining_gap": {"k": (0, 1, [2, 8], 1e300)},
}  # fmt: skip
