"""Corners of the theorems of topology, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

from tests.theory.ends import POLICIES

GRAPHS = [
    {"edges": edges, "variance": variance, "nodes": nodes}
    for edges, nodes in (([], 1), ([], 3), ([[0, 1]], 2), ([[0, 0], [0, 1], [1, 0]], 2),
                         ([[0, 1], [1, 2], [2, 0]], 4), ([[0, 3]], 3))
    for variance in (0.0, 1e-300, 1.0, INF)
]  # fmt: skip

TOPOLOGY: dict[str, Any] = {
    "comparison_mean": {"prior": (np.eye(3), np.zeros((3, 3)), np.eye(1)),
                        "pairs": ([], [[0, 0]]), "noise": (0.0, 1e-300, INF)},
    "comparison_posterior": {"prior": (np.eye(3), np.zeros((3, 3))), "noise": (0.0, 1e-300, INF),
                             "pairs": ([], [[0, 1]], [[0, 1], [1, 0], [2, 2]])},
    "difference_variance": {"covariance": (np.eye(3), np.zeros((1, 1)), np.ones((2, 3, 3)))},
    "effective_resistance": GRAPHS,
    "inference_distance": GRAPHS,
    "kirchhoff_mean": GRAPHS,
    "leaf_covariance": {"branching": (1, 2), "depth": (1, 3), "alpha": (0.0, 1e-9, 50.0)},
    "mean_over_pairs": {"distance": (np.zeros((1, 1)), np.zeros((2, 2)), 1 - np.eye(3))},
    "preference_kl": {"p": POLICIES, "distance": (np.zeros((3, 3)), 1e300 * (1 - np.eye(3))),
                      "beta": (0.0, 1.0)},
    "random_graph_hops": {"nodes": (1, 2, 10**9), "degree": (None, 1.0, 2.0, INF)},
    "shape_mean": {"shape": ("path", "star", "complete", "ring"), "nodes": (1, 2, 10**9),
                   "notion": ("resistance", "path", "both")},
    "structural_function": {"clusters": (0.5, 1, 10**9, INF), "alpha": (0.0, 1e-9, 300.0),
                            "kind": ("power", "log", "line")},
    "token_tree": {"branching": (1, 2), "depth": (0, 1, 3), "alpha": (0.0, 1e-9, 50.0)},
    "topology_rate": {"data": ("chain", "tree", "path"), "regime": ("few", "many"),
                      "n": (2, 3, 10**9), "alpha": (0.0, 1e-9, 300.0)},
}  # fmt: skip
