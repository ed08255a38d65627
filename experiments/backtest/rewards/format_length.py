"""Surrogate Signals from Format and Length (arXiv 2505.19439): rewards without gold answers.

Section on rewards and the released code (insightLLM/rl-without-gt, math_reward.py). Answers are
parsed by a light pattern instead of sympy; the texts that are graded hold plain numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.experiments.backtest.rewards.texts import has_thought, is_right, parses
from toyrl.shapers.label_free.format_length import bump as in_length


def bump(x: float, p: float) -> float:
    """f(x; p): from 0 up to 1 at x = p, then down to -1 at x = 1."""
    return float(in_length(np.asarray(float(x)), p))


def correctness(completions: list[str], answer: list[str], **_: Any) -> list[float]:
    """The baseline that knows the gold answer: half a point for the think block, one for right."""
    return [
        0.5 * has_thought(text) + is_right(text, gold)
        for text, gold in zip(completions, answer, strict=True)
    ]


def format_only(completions: list[str], **_: Any) -> list[float]:
    """Half a point for the think block, half for an answer that parses."""
    return [0.5 * (has_thought(text) + parses(text)) for text in completions]


def format_length(limit: int = 3072, p: float = 0.5) -> Callable[..., list[float]]:
    """Format-only plus f(length / limit; p) where the answer parses, else min(0, f)."""

    def reward(completions: list[str], completion_ids: list[Any], **_: Any) -> list[float]:
        return [
            _with_length(text, bump(len(ids) / limit, p))
            for text, ids in zip(completions, completion_ids, strict=True)
        ]

    return reward


def _with_length(text: str, f: float) -> float:
    return 0.5 * (has_thought(text) + 1) + f if parses(text) else min(0.0, f)
