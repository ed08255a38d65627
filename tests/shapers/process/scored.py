"""Rollouts with step scores, written step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.rollouts import Rollouts


def scored(steps: Sequence[Sequence[float]], correct: Sequence[float], *, tokens: int = 1,
           tail: int = 0, **more: Any) -> Rollouts:  # fmt: skip
    """One group: rollout i has the scores steps[i], each step `tokens` tokens, then `tail` more.

    Scores stand on the last token of each step; other tokens hold 0.5, which nobody may read.
    """
    length = np.array([[len(s) * tokens + tail for s in steps]])
    shape = (1, len(steps), max(1, int(length.max())))
    scores, ends = np.full(shape, 0.5), np.zeros(shape)
    for i, own in enumerate(steps):
        last = np.arange(1, len(own) + 1) * tokens - 1
        scores[0, i, last], ends[0, i, last] = own, 1.0
    mask = (np.arange(shape[-1]) < length[..., None]) * 1.0
    fields = {"step_scores": scores, "step_ends": ends}
    return Rollouts(np.array([correct], dtype=float), length * 1.0, float(shape[-1]), mask=mask,
                    fields=fields, **more)  # fmt: skip
