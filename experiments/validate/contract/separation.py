"""Does a reward pay right texts above wrong ones of equal length, or the wrong way round?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LENGTH_MATCH = 0.1  # pairs whose lengths differ by at most this share count as equally long


def matched_auc(
    values: Sequence[float | None], right: np.ndarray, tokens: np.ndarray
) -> tuple[float, int, int]:
    """Chance that a right text is paid more than a wrong one of equal length (ties half).

    Pairs differ in length by at most a tenth; without any such pair all pairs count. Returns
    also how many right and wrong texts took part.
    """
    have = np.array([v is not None for v in values])
    v = np.array([0.0 if x is None else x for x in values])
    up, down = np.flatnonzero(have & right), np.flatnonzero(have & ~right)
    if not len(up) or not len(down):
        return math.nan, len(up), len(down)
    a, b = tokens[up][:, None], tokens[down][None, :]
    near = np.abs(a - b) <= LENGTH_MATCH * np.maximum(a, b)
    if not near.any():
        near[:] = True
    gap = v[up][:, None] - v[down][None, :]
    score = np.where(gap > 0, 1.0, np.where(gap < 0, 0.0, 0.5))
    return float(score[near].mean()), int(near.any(1).sum()), int(near.any(0).sum())


def side(auc: float, n_right: int, n_wrong: int) -> int:
    """1 if right texts are paid more, -1 if wrong ones are, 0 if neither is beyond chance.

    Beyond chance: two standard deviations of the AUC's null law (Mann-Whitney) from one half.
    """
    if math.isnan(auc) or not n_right or not n_wrong:
        return 0
    deviation = math.sqrt((n_right + n_wrong + 1) / (12 * n_right * n_wrong))
    return int(auc > 0.5 + 2 * deviation) - int(auc < 0.5 - 2 * deviation)
