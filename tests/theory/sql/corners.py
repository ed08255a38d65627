"""Corners of the theorems of partial rewards, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

WEIGHT = (0.0, 1.0, 1e6)

SQL: dict[str, Any] = {
    "guaranteed_margin": dict.fromkeys(("w_execution", "w_judge", "w_schema", "w_ngram"), WEIGHT),
    "execution_threshold": {"partials": (np.zeros(2), np.array([1.0, 3.0])),
                            "right": (np.array([1, 0]), np.ones(2), np.zeros(2))},
    "link_scores": {"gold": (1, 7), "found": (0, 1, 8), "extra": (0, 1, 10**6)},
    "ngram_after_edit": {"size": (1, 16), "broken": (0, 1, 16)},
    "updates_to_first_signal": {"signal": (0.0, 1e-300, 0.5, 1.0), "groups": (1, 4, 10**6)},
}  # fmt: skip
