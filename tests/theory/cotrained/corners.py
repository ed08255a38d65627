"""Corners of the theorems of a co-trained reward model, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

STARTS = {"right": (1.0, -40.0, INF), "hack": (1.0, 6.0, 30.0, -1.0), "share": (-0.1, 0, 0.3, 1.0),
          "rate": (-1.0, 0.0, 0.05)}  # fmt: skip

COTRAINED: dict[str, Any] = {
    "agreed_labels": {"p": (0.0, 0.5, 1.0, 2.0), "rule": ((0.0, 0.0), (0.2, 0.1), (1.0, 2.0)),
                      "judge": ((0.0, 0.5), (0.1, 0.1))},
    "crossing_bounds": STARTS,
    "crossing_time": STARTS,
    "pairs_left": {"p": (0.0, 1e-9, 0.3, 1.0), "group_size": (0, 1, 2, 16), "rate": (0.0, 0.2)},
    "pairs_per_efold": {"group_size": (1, 2, 16), "rate": (0.0, 0.2), "losers": (0, 1, 2)},
    "tolerated_false_share": {"level": (-800.0, 0.0, 800.0), "share": (0.0, 0.5, 1.0, 2.0)},
}  # fmt: skip
