"""Corners of the theorems of relevance, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

RELEVANCE: dict[str, Any] = {
    "repeated_block": {"n": (1, 2, 10**6), "k": (1, 2, 10**6), "unit": (1e-3, 100.0)},
    "padded_relevance": {"on": (0, 1, 10**6), "off": (0, 1, 10**6), "m": (-1.0, 0.0, 1.8),
                         "pooling": ("mean", "unit", "max")},
    "best_open_reward": {"limit": (0, 1, 10**6), "words": (1, 2, 10**6), "m": (0.0, 1.8),
                         "again": (False, True)},
    "longest_varied": {"words": (1, 2, 10**6), "n": (1, 3)},
    "constrained_relevance": {"r": (-1.0, 0.0, 3.5, 1e6), "share": (1e-9, 1.0), "limit": (1, 512),
                              "largest": (1e-3, 3.5)},
    "capsule_cosine": {"facts": (0, 1, 8), "fillers": ((0, 0), (8, 8), (0, 1, 2)),
                       "n_facts": (1, 8)},
    "budget_utility": {"budget": (0, 1, np.inf), "weights": ((1.0,), (1.0, 2.0), (), (0.0, 1.0))},
    "random_order_utility": {"budget": (0, 1, np.inf), "n": (1, 40)},
    "best_capsule": {"budget": (0, 1, 12), "n_facts": (1, 8), "kinds": (1, 4)},
    "every_capsule": {"budget": (0, 1, 12), "n_facts": (1, 4), "kinds": (1, 2)},
    "varied_text": {"words": (1, 2, 1000), "limit": (0, 1, 10), "n": (1, 3)},
}  # fmt: skip
