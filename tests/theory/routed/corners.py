"""Corners of the theorems of many tasks, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

UNIT = (-1.0, 0.0, 0.5, 1.0, INF)
SIZE = (-1.0, 0.0, 0.5, INF)
CHANCES = ([], [0.0], [1.0], [0.3, 0.5], [1.5], 0.5)
ROUTED: dict[str, Any] = {
    "floored_similarity": {"precision": UNIT, "recall": UNIT, "cosine": UNIT},
    "hidden_share": {"share": UNIT},
    "dump_accuracy": {"options": (0, 1, 4, INF), "cosine": (-1.0, 0.0, 0.9, 1.0)},
    "slot_law": {"p": UNIT, "slots": (0, 1, 10, 1.5)},
    "checklist_deviation": {"full": CHANCES, "part": (-1.0, 0.0, 0.5, 1.0)},
    "checklist_law": {"full": CHANCES, "part": (-1.0, 0.0, 0.5, 1.0)},
    "judge_correlation": {"kappa": SIZE, "noise": SIZE, "deviation": SIZE},
    "flip_correlation": {"p": UNIT, "flip": UNIT},
    "flip_rate_matching": {"correlation": UNIT, "p": UNIT},
}
