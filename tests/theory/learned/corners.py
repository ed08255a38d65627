"""Corners of the theorems of learned rewards, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

VECTORS = (np.zeros(3), np.array([1e300, -1e300, 0.0]), np.array([1e-300, 0.0, 0.0]))

PRINCIPLES: dict[str, Any] = {
    "angle_accuracy": {"judge": VECTORS, "principle": VECTORS},
    "blind_accuracy": {"attributes": (0, 1, 10**9)},
    "chance_agreement": {"truth": ([1.0], [1.0, 1.0], [1.0, 5.0], [], [np.nan, 1.0])},
    "copied_accuracy": {"attributes": (0, 1, 10**9), "floor": (0.0, 0.5, 1.0)},
    "silence_threshold": {"form": (0.0, 1.0), "agree": (0.0, 1.0), "said": (0.0, 1.0),
                          "silent": (0.0, 1.0)},
    "span_accuracy": {"span": (-1.0, 0.0, 3.0, 4.0)},
    "steered_mean": {"ref": (np.array([0.5, 0.5]), np.array([1.0, 0.0])),
                     "attribute": (np.zeros(2), np.array([1.0, 1e9])),
                     "sign": (-1.0, 0.0, 1.0), "beta": (0.0, 1e-9, 1.0)},
}  # fmt: skip

GAPS = (np.zeros(2), np.array([1.0, 0.0]), np.array([1e-300, 1e150]))
NOISE = (np.eye(2), np.zeros((2, 2)), np.array([[1.0, 1.0], [1.0, 1.0]]))

LEARNED: dict[str, Any] = {
    "discard_speed": {"share": (0.0, 0.5, 1.0), "group_size": (1, 2, 8),
                      "baseline": ("none", "mean", "leave_one_out")},
    "encoded_correlation": {"strength": (np.zeros(3), np.array([0.0, 1.0, 1e100]))},
    "kept_share": {"most": (0.0, 1.0, INF), "distance": (0.0, 1.0, 1e3), "dimensions": (1, 100),
                   "sd": (0.0, 1.0)},
    "pairwise_accuracy": {"weight": GAPS[:2], "gap": GAPS[:2], "covariance": NOISE},
    "probe_accuracy": {"gap": GAPS, "covariance": NOISE},
    "sign_accuracy": {"correlation": (-1.0, 0.0, 1.0)},
    "tilted_gain": {"correlation": (-1.0, 0.0, 1.0), "nats": (0.0, 1e-300, 1.0, INF)},
}  # fmt: skip
LEARNED_UNDEFINED = {
    "discard_speed": "a group of one has no baseline, and no gradient to slow",
}
