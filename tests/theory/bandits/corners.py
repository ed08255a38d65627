"""Corners of the theorems of bandits that are met again, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

SAFE = {
    "lam": (-1.0, 0.0, 0.5, 1.0, 2.0, INF),
    "horizon": (0, 1, 3),
    "discount": (0.0, 0.5, 1.0, 2.0),
}

BANDITS: dict[str, Any] = {
    "bandit_rule_total": {"rule": ("greedy", "thompson", "memoryless", "best"), "arms": (0, 1, 2),
                          "horizon": (-1, 0, 1, 3), "a0": (0.0, 1.0, [1.0, 3.0])},
    "bayes_adaptive_value": {"arms": (0, 1, 2), "horizon": (0, 1, 3), "discount": (0.0, 1.0, 1.5),
                             "a0": (1.0, 1e-9), "b0": (1.0, INF)},
    "bayes_policy": {"arms": (0, 1, 2, 9), "horizon": (0, 1, 3), "discount": (0.0, 1.0, 1.5)},
    "belief_states": {"arms": (0, 1, 4), "horizon": (-1, 0, 50)},
    "best_arm_mean": {"arms": (0, 1, 10**6)},
    "boxes_ablated": {"boxes": (0, 1, 5), "episodes": (-1, 0, 20)},
    "boxes_total": {"boxes": (0, 1, 5), "episodes": (-1, 0, 20)},
    "corridor_search_total": {"doors": (1, 4), "episodes": (-1, 0, 8), "cost": (0.0, 0.01, 1.0)},
    "corridor_total": {"doors": (0, 1, 3), "episodes": (0, 1, 4), "gamma_step": (0.0, 1.0, 2.0),
                       "gamma_episode": (0.0, 1.0), "cost": (0.0, 0.01, INF)},
    "explore_first": SAFE,
    "gamma_star": {"lam": (0.0, 1 / 3, 0.5, 0.6, 2 / 3)},
    "lam_star": {"horizon": (0, 1, 3), "discount": (0.0, 1.0, 2.0), "a0": (1e-6, 1.0),
                 "b0": (1.0, 1e6)},
    "noisy_first_pull": {"lam": (-0.1, 0.0, 0.5, 1.0), "samples": (0, 1, 2, 100)},
    "safe_arm_oracle": {"lam": (-0.1, 0.0, 1.0)},
    "safe_arm_total": SAFE | {"rule": ("bayes", "thompson", "best")},
    "safe_arm_value": SAFE,
}  # fmt: skip
