"""ToolRL: Reward is All Tool Learning Needs (arXiv 2504.13958), section 3.3: the format reward."""

from __future__ import annotations

from typing import Any

from toyrl.experiments.backtest.rewards.texts import LAYOUT


def layout(completions: list[str], **_: Any) -> list[float]:
    """1 for a think block followed by one answer block and nothing else, else 0."""
    return [
        1.0 if LAYOUT.match(text) and text.count("<answer>") == 1 else 0.0 for text in completions
    ]
