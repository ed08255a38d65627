"""Corners of the theorems of tool calls, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from typing import Any

BANDIT = {"name": (-0.1, 0.0, 0.3, 1.0), "value": (0.0, 1e-300, 0.5, 1.0, 1.1),
          "keys": (-1, 0, 1, 4, 50), "granularity": ("fine", "intermediate", "coarse", "other"),
          "top": (0.0, 3.0)}  # fmt: skip
TOOLS: dict[str, Any] = {
    "accuracy_traded": {"gain": (-1.0, 0.0, 0.94), "top": (0.0, 1e-300, 3.0)},
    "coarse_over_fine": {"value": (-0.1, 0.0, 0.5, 1.0), "keys": (0, 1, 4, 50)},
    "correctness_share": {"top": (-1.0, 0.0, 3.0), "bonus": (0.0, 1.0)},
    "granularity_crossing": {"keys": (0, 1, 2, 4, 10**9)},
    "shotgun_reward": {"calls": (0, 1, 5, 1e300), "keys": (-1, 0, 4),
                       "granularity": ("fine", "refined", "intermediate", "coarse", "other")},
    "tool_gradient": BANDIT,
    "tool_mean_reward": BANDIT,
    "tool_reward_law": BANDIT,
}  # fmt: skip
