"""Corners of the theorems of bonuses, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

VISITS = (0, 1, 3, 1000, INF)

EXPLORATION: dict[str, Any] = {
    "count_tail": {"visits": VISITS, "d": (0, 1, 64), "eps": (0.0, 1e-3, 0.5, 10.0)},
    "distillation_errors": {"visits": VISITS, "d": (0, 1, 64), "sigma": (-1.0, 0.0, 1.0),
                            "eta": (0.0, 0.1, 1.0), "bias2": (0.0, 4.0)},
    "distilled_count": {"visits": VISITS, "d": (0, 1, 64)},
    "elliptical_count": {"x": (np.zeros(2), np.ones(2)), "visited": (np.eye(2), np.ones((3, 2)))},
    "farming_horizon": {"ahead": (0, 1, 2, 20), "beta": (0.0, 1.0, 1.001, 3.0),
                        "task": (-1.0, 0.0, 100.0)},
    "farming_total": {"times": (-1, 0, 1, 1000, 1001, INF), "beta": (-1.0, 0.0, 1.0, 3.0, INF)},
    "fixed_target_offset": {"first": (0.0, 1e-9, 1.0), "second": (0.0, 1.0, INF),
                            "eta": (0.0, 0.1, 1.0)},
    "labelled_share": {"chances": (np.ones(1), np.array([0.5, 0.5]), np.array([0.5, 0.4]),
                                   np.array([1.0, 0.0])), "step": (0, 1, 1000)},
    "moment_count_variance": {"visits": VISITS, "mean": (0.0, 1.0), "variance": (0.0, 1.0),
                              "m3": (0.0, 1.0), "m4": (None, 0.5, 1.0)},
    "pathwise_bounds": {"f": (np.zeros(3), np.ones(3)), "f_star": (np.zeros(3), np.ones(3)),
                        "mu": (np.zeros(3), 2 * np.ones(3))},
    "ranked_gap": {"share": (-0.1, 0.0, 0.5, 1.0)},
    "voted_label_error": {"labelled": (0, 1, 2, 101), "flip": (-0.1, 0.0, 0.3, 1.0),
                          "helpful": (True, False)},
}  # fmt: skip
