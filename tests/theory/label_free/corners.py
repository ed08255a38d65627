"""Corners of the theorems of rewards without labels, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

P, SIZE = (-0.1, 0.0, 0.5, 1.0), (0, 1, 2, 8)
LAWS = ([1.0, 0.0], [0.5, 0.5], [0.2, 0.3, 0.5], [0.5, 0.6])
TWO = {"p": P, "q": P, "group_size": SIZE, "scale": ("none", "group", "batch")}

LABEL_FREE: dict[str, Any] = {
    "agreement_ends_right": {"p": P, "q": P},
    "agreement_invariant": {"p": (0.0, 0.2, 0.5), "q": (0.5, 0.9, 1.0), "group_size": (1, 2, 8),
                            "scale": ("none", "group", "batch")},
    "certainty_drift": {"p": P},
    "cross_vote_drift": {"policy": ([1.0, 0.0], [0.5, 0.5]), "label": ([0.0, 0.0], [0.3, 0.7]),
                         "group_size": (0, 1, 8, INF)},
    "entropy_drift": {"p": P},
    "own_vote_drift": {"prob": LAWS, "group_size": SIZE},
    "own_vote_pay": {"prob": LAWS, "group_size": SIZE},
    "two_answer_label": {"p": P, "group_size": SIZE},
    "two_view_drift": TWO,
    "wrong_label_bound": {"prob": LAWS, "group_size": SIZE},
}  # fmt: skip
