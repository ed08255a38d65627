"""Corners of the theorems of graded groups, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

GRADED = {"delta": (-INF, -1e3, -40.0, 0.0, [0.0, 8.0], INF), "tau": (-1.0, 0.0, 1e-9, 0.5, INF),
          "thresholds": ((-1.5, -0.5, 0.5, 1.5), (0.0,), (0.0, 0.0), (1.0, 0.0), ())}  # fmt: skip
SCALE = {k: GRADED[k] for k in ("thresholds", "tau")} | {"spread": (-1.0, 0.0, 2.0, INF)}
EXEMPLAR: dict[str, Any] = {
    "grade_law": GRADED,
    "exemplar_live": GRADED | {"group_size": (0.5, 1, 8, INF)},
    "exemplar_corr": GRADED,
    "exemplar_drift": GRADED,
    "absolute_live": SCALE | {"group_size": (0.5, 1, 8, INF)},
    "absolute_corr": SCALE,
}  # fmt: skip
