"""Train Long, Think Short (arXiv 2508.08940), sections 3.3 and 3.4: a triangle at the budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toyrl.experiments.backtest.rewards.texts import THOUGHT, is_right


def triangle(length: float, budget: float) -> float:
    """1 at the budget, falling on both sides to 0 at length 0 and at twice the budget."""
    return max(0.0, 1.0 - abs(length - budget) / budget)


def fixed_budget(
    budget: float = 87, correct: float = 0.6, length: float = 0.3, layout: float = 0.1
) -> Callable[..., list[float]]:
    """correct x right + length x triangle + layout x half a point per pair of tags.

    The length term is paid to wrong answers too, as published. The weight of the layout and the
    half points are reconstructed: the paper's weights then sum to 1.
    """

    def reward(
        completions: list[str], completion_ids: list[Any], answer: list[str], **_: Any
    ) -> list[float]:
        out = []
        for text, ids, gold in zip(completions, completion_ids, answer, strict=True):
            tags = 0.5 * bool(THOUGHT.search(text)) + 0.5 * ("</answer>" in text)
            r = correct * is_right(text, gold) + length * triangle(len(ids), budget)
            out.append(r + layout * tags)
        return out

    return reward
