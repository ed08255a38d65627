"""Corners of the theorems on length, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

import numpy as np

from toyrl.theory.length.basins import Kinds
from toyrl.theory.length.brevity import TwoModes
from toyrl.theory.length.conciseness import ScoreLaw
from toyrl.worlds.chain.model import Chain

MODES = (TwoModes(), TwoModes(p_short=0.0, p_long=0.0), TwoModes(bias=0.0), TwoModes(tau=1e-9))
SPREAD: dict[str, Any] = {
    "group_spread": {
        "prob": ([1.0], [0.5, 0.5], [1.0, 0.0], [0.0, 0.0], [[0.2, 0.8], [1.0, 0.0]]),
        "value": (1.0, 0.0),
        "group_size": (0, 1, 8, INF),
    },
}
KINDS = (Kinds(), Kinds((1.0,), (0.0,), (0.0,)), Kinds((1.0,), (1.0,), (1.0,)))
CHAINS = (
    Chain(),
    Chain(guess=1.0),
    Chain(difficulties=(8,), shares=(1.0,), max_actions=9),
    Chain(shares=(0.0, 1.0)),
    Chain(progress=0.0),
    Chain(slip=1.0),
)
LAWS = tuple(
    {"law": ScoreLaw(p, m1, v1, m0, v0, kappa)}
    for p in (0.0, 0.3, 1.0)
    for m1, v1, m0, v0 in ((0.5, 0.0, 0.5, 0.0), (0.1, 0.02, 1.0, 0.01), (0.0, 0.0, 0.0, 0.0))
    for kappa in (0.0, 1 / 0.9, 20.0)
)
LENGTH: dict[str, Any] = {
    "accuracy_noise_floors": LAWS,
    "crf_follows_less": LAWS,
    "crf_variance_accuracy": LAWS,
    "gated_thinking_weight": {"chain": CHAINS},
    "gradient_noise_floors": LAWS,
    "mode_boundary": {"kinds": KINDS, "gated": (True, False)},
    "mode_drift": {
        "kinds": KINDS,
        "q": (0.0, 0.5, 1.0),
        "alpha": (0.0, 1e-9, 1.0),
        "scale": ("group", "none", "batch"),
        "eps": (0.0, 1e-4),
        "group_size": (1, 2, 8, INF),
        "gated": (True, False),
    },
    "noise_floor_accuracy": LAWS,
    "shared_collapse_weight": {
        "rho": (0.0, 0.5, 1.0, np.array([0.2, 0.9])),
        "group_size": (1, 2, 8),
        "eps": (0.0, 1e-300, 1e-4, 1e100),
        "long": (0, 1),
    },
    "stop_values": {"chain": CHAINS},
    "thinking_weights": {"chain": CHAINS},
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
    "hapo_linear_dead_zone": {"tolerance": (-0.1, 0.0, 0.1), "clip": (-1.0, 0.0, 0.5)},
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
    "l1_max_length": {
        "target": (0.0, 16.0),
        "alpha": (0.0, 1e-9, 0.03, 1e3),
        "tau": (1e-3, 8.0, 1e6),
        "delta": (0.0, 0.5, 1.0),
    },
    "laser_de_switch": {
        "longest": (0.0, 1e-300, 1.0),
        "alpha": (0.0, 0.5, np.array([0.1, 1.0])),
        "wrong": (-0.5, 0.0, 1.0),
    },
    "laser_switch": {"alpha": (0.0, 0.5, 1e300), "wrong": (-0.5, 0.0, 1.0)},
    "outlier_weight": {"right": (1, 2, 8, np.array([1, 8])), "group_size": (1, 2, 8)},
    "penalty_safe_share": {"alpha": (0.0, 0.2, 1.0, 1e300)},
    "selection_chance": {
        "success": ([0.5, 1.0], [0.0, 0.0]),
        "count": ([1, 1], [3, 0], [0, 2]),
        "group_size": (1, 8),
        "keep": (0, 1, 2, 3),
    },
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
