"""Corners of the theorems of noise, for `tests/theory/test_corners.py`."""

from __future__ import annotations

from math import inf as INF
from typing import Any

from tests.theory.ends import UNIT, P
from toyrl.theory.group import variance

GROUP = (1, 2, 8)

NOISE: dict[str, Any] = {
    "batch_signal_to_noise": {"second_moment": (1.0,), "squared_mean": (0.0, 1.0),
                              "signal": (-1.0, 0.0, 0.2, 1.0), "prompts": (1, 10**9)},
    "critical_flip_rate": {"false_negative": P, "budget": (0.5, 1, INF)},
    "critical_symmetric_flip_rate": {"budget": (0.0, 1, 5, INF)},
    "grpo_flow_time": {"p_from": (0.0, 0.3, 1e-9), "p_to": (0.3, 0.9), "false_negative": UNIT,
                       "false_positive": UNIT, "group_size": (1, 8, INF),
                       "by": ("output", "prompt", "group")},
    "logit_flow_time": {"p_from": (*P, 1e-300), "p_to": P, "signal": (-1.0, 0.0, 0.2)},
    "noise_floor": {"squared_mean": (0.0, 1.0), "flip": UNIT},
    "noisy_omega": {"p": P, "false_negative": UNIT, "false_positive": UNIT,
                    "group_size": (*GROUP, INF), "ddof": (0, 1)},
    "noisy_success": {"p": P, "false_negative": UNIT, "false_positive": UNIT},
    "prompts_ratio": {"second_moment": (1.0,), "squared_mean": (0.0, 0.5, 1.0), "flip": UNIT},
    "reinforce_relative_variance": {"p": P, "false_negative": UNIT, "false_positive": UNIT},
    "sign_step": {"snr": (-INF, 0.0, 1e-300, INF)},
    "signal_kept": {"p": P, "false_negative": UNIT, "false_positive": UNIT,
                    "group_size": (*GROUP, INF)},
    "variance_by_output": {"p": P, "false_negative": UNIT, "false_positive": UNIT,
                           "group_size": GROUP},
    "variance_by_prompt": {"estimator": variance.ESTIMATORS, "p": P, "flip": UNIT,
                           "group_size": GROUP},
    "verifier_fixed_point": {"false_negative": UNIT, "false_positive": UNIT},
    "verifier_signal": {"false_negative": UNIT, "false_positive": (-0.1, *UNIT)},
}  # fmt: skip
