"""Corners of the theorems of short segments, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

SEGMENTS: dict[str, Any] = {
    "short_segment_ratio": {"length": (0, 1, 2, 10**12)},
    "segment_deviation": {"length": (1, 2, 1000), "raised": (-1, 0, 1, 2, 1000),
                          "noise": (0.0, 1e-300, 0.5, 1e9, INF), "jump": (-1.0, 0.0, 1e300)},
}  # fmt: skip
