"""Corners of the theorems of detection, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

from tests.theory.ends import POLICIES, UNIT

PAID = tuple(np.array(x) for x in ([1.0, 0.0, 2.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]))

DETECTION: dict[str, Any] = {
    "auroc": {"positive": (*POLICIES, np.zeros(3)), "negative": POLICIES, "score": PAID},
    "auroc_slope": {"prob": POLICIES, "reward": PAID, "inverse_beta": (0.0, 1.0, INF)},
    "best_auroc": {"positive": (*POLICIES, np.zeros(3)), "negative": POLICIES},
    "best_of_n_auroc": {"n": (0, 1, 10**9)},
    "detector_loss": {"lm": ([0.0], [1e150], []), "mix": ([0.0],), "hu": ([0.0], [-1e150]),
                      "replay": ((), [0.0]), "teacher": ((), [1.0]), "logit_l2": (0.0,),
                      "form": ("released", "paper", "mean")},
    "gaussian_auroc": {"inverse_beta": (0.0, 1.0, 1e300), "sd": (0.0, 1.0)},
    "gini_mean_difference": {"prob": (*POLICIES, np.array([0.0, 0.0, 1.0])), "reward": PAID},
    "mixed_text_score": {"model": POLICIES, "human": POLICIES, "segments": (1, 10),
                         "model_share": UNIT},
    "pair_loss": {"score": (np.zeros(3), np.array([0.0, 1e300, -1e300])), "positive": POLICIES,
                  "negative": POLICIES},
    "reward_gap": {"prob": (*POLICIES, np.array([1e-300, 0.5, 0.5])), "reward": PAID,
                   "inverse_beta": (0.0, 1e-300, 1.0, 1e300, INF)},
    "roc_curve": {"positive": (*POLICIES, np.zeros(3)), "negative": POLICIES, "score": PAID},
    "sampled_auroc": {"positive": ([], [1.0], [0.0, 1.0]), "negative": ([0.0], [1.0, 1.0])},
    "trained_detector": {"positive": POLICIES, "negative": POLICIES, "start": PAID,
                         "replay": (0.0, 0.1, INF)},
}  # fmt: skip
DETECTION_UNDEFINED = {
    "auroc": "a law without mass has no draws",
    "best_auroc": "a law without mass has no draws",
    "sampled_auroc": "an empty class, and the error of a class of one",
}
