"""Corners of the theorems on length, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

from toyrl.theory.length.brevity import TwoModes

MODES = (TwoModes(), TwoModes(p_short=0.0, p_long=0.0), TwoModes(bias=0.0), TwoModes(tau=1e-9))
SPREAD: dict[str, Any] = {
    "group_spread": {
        "prob": ([1.0], [0.5, 0.5], [1.0, 0.0], [0.0, 0.0], [[0.2, 0.8], [1.0, 0.0]]),
        "value": (1.0, 0.0),
        "group_size": (0, 1, 8, INF),
    },
}
LENGTH: dict[str, Any] = {
    "brevity_charge": {"modes": MODES, "q": (0.0, 0.5, 1.0)},
    "brevity_drift": {"modes": MODES, "q": (0.0, 0.5, 1.0), "alpha": (0.0, 1.0)},
    "brevity_weight": {"modes": MODES, "q": (0.0, 0.5, 1.0)},
    "hybrid_bias_limit": {
        "gain_verified": (0.0, 0.3),
        "gain_open": (-1.0, 0.2),
        "share": (0.0, 0.5, 1.0),
    },
    "budget_carry_over": {"gamma": (1e-300, 0.5, 1.0, 2.0, INF)},
    "budget_pay": {"mean": (0.0, 87.0, 1e9), "spread": (0.0, 1e-9, 20.0), "budget": (1.0, 87.0)},
    "budget_pull": {"mean": (0.0, 87.0, 1e9), "spread": (0.0, 1e-9, 20.0), "budget": (1.0, 87.0)},
    "bump_zero": {"turn": (1e-300, 0.25, 0.5, 1 - 1e-16)},
    "format_speed": {
        "policy": ([1.0], [0.5, 0.5]),
        "accuracy": ([0.0], [0.8], [0.0, 1e-300]),
    },
    "exponential_target": {"mean": (0.0, 1.0, 1e300), "quantile": (0.0, 0.5, 1.0, INF)},
    "hapo_dead_zone": {"clip": (-1.0, -0.7, 0.0, 0.5, np.array([-1.0, 0.0]))},
    "hapo_dominant_weight": {"clip": (-1.0, -0.7, 0.0)},
    "hapo_value": {
        "success": (0.0, 0.5, 1.0),
        "share": (0.0, 1.0, 2.0, 1e300, INF),
        "clip": (-1.0, 0.0),
        "alpha": (0.0, 1.0),
    },
    "limits_by_difficulty": {
        "tau": (1e-300, 1.0, 1e300, np.array([3.0, 60.0])),
        "easy": (1.0, 16.0),
        "hard": (16.0, INF),
        "threshold": (0.0, 0.5, 1 - 1e-16),
    },
    "merge_noise_kept": {"support": (0.0, 0.25, 1.0), "share": (0.0, 0.25, 1.0, 2.0)},
    "l1_exact_length": {"target": (0.0, 16.0), "alpha": (0.0, 1e-300, 1.0), "tau": (1e-3, 8.0)},
    "laser_de_switch": {
        "longest": (0.0, 1e-300, 1.0),
        "alpha": (0.0, 0.5, np.array([0.1, 1.0])),
        "wrong": (-0.5, 0.0, 1.0),
    },
    "laser_switch": {"alpha": (0.0, 0.5, 1e300), "wrong": (-0.5, 0.0, 1.0)},
    "pear_dominant_alpha": {
        "think": (0.0, 0.5, 2.0),
        "answer": (0.0, 0.2),
        "right": (1.0, 0.5),
        "wrong": (0.0, 0.1),
    },
    "pear_free_alpha": {"think": (0.0, 1.2), "answer": (0.0, 0.2, 1e300)},
    "pear_switch": {
        "concise": (0.0, 0.2, np.array([0.1, 0.2])),
        "verbose": (0.3, 1.0, 5.0),
        "right": (1.0, 0.5),
        "wrong": (0.0, 0.1),
    },
    "score_error_margin": {
        "kappa": (0.0, 1.2, 1e300),
        "delta": (0.0, 0.1, np.array([0.0, 1.0])),
        "score": (0.0, 1.0),
    },
    "score_error_noise": {
        "p": (0.0, 0.5, 1.0),
        "kappa": (0.0, 2.0),
        "w1": (0.0, -0.1, 0.2),
        "w0": (0.0, np.array([0.1, 0.2])),
    },
    "stop_entropy": {"stop": (0.0, 1e-300, 0.5, 1.0), "fillers": (1, 2, 1e300)},
    "stop_entropy_peak": {"fillers": (1, 2, INF)},
    "skill_clock": {"u": (-700.0, 0.0, 700.0)},
    "shortest_of_k": {"below": (0.0, 0.5, 1.0), "k": (0, 1, 10**9)},
    "target_quantile": {"group_size": (0, 1, 8, 10**6), "rounding": ("floor", "ceil", "none")},
}
