"""Rows of like length together, so that a pass over them has little padding."""

from __future__ import annotations

import torch

Tensor = torch.Tensor


def by_length(mask: Tensor, asked: int, parts: int) -> list[tuple[Tensor, int, int]]:
    """Rows of like length together: (rows, first column, column after the last) of each part.

    mask : (N, P + T), 1 on tokens, prompts padded left and completions right; asked : P
    parts : how many, whose numbers of rows differ by one at most
    Every part has at least one column of the completion.
    """
    column = torch.arange(mask.shape[1], device=mask.device)
    end = ((column + 1) * mask).amax(1).clamp(min=asked + 1)
    start = mask.argmax(1)
    alike = torch.argsort(end, stable=True).tensor_split(min(parts, len(mask)))
    return [(own, int(start[own].min()), int(end[own].max())) for own in alike]
