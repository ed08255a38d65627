"""The Climb Carves Wisdom Deeper Than the Summit: the reasoning pattern reward (RPR) alone.

Section 3 and the released code (trestad/Noisy-Rewards-in-Learning-to-Reason, math_score.py): 40
phrases count once each, hits / 20 up to 1, minus the share of repeated 20-grams.
"""

from __future__ import annotations

from typing import Any

from toyrl.graders.base import TextRow
from toyrl.graders.patterns import ReasoningPatterns


def pattern_reward(completions: list[str], **_: Any) -> list[float]:
    """min(1, hits / 20) - repetition - prompts written by itself, at least 0."""
    return ReasoningPatterns().grade([TextRow("", text) for text in completions])
