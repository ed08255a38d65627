"""Is a reward random: do its values depend on no text at all?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.experiments.validate.formats.search import RECOVERABLE
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import UserReward, same

TEXTS, REPEATS = 16, 12
LEVEL = 1e-3  # of the test that texts differ in their mean
STEADY = 0.25  # share of texts with one value in all calls, up to which that may be chance


def how(reward: UserReward, rows: Sequence[TextRow], steady: bool) -> str:
    """In what way values depend on no text, as a sentence's end, or "".

    steady : equal calls give equal values; then a reward is random if its values go with the place
        in a call, whatever stands there. Else if texts differ no more than one text does with
        itself (one-way analysis of variance over repeated calls).
    """
    rows = [r for r in rows if not r.truncated][:TEXTS]
    if len(rows) < 4:
        return ""
    try:
        if steady:
            return _by_place(reward, rows)
        return _by_draw(np.array([_numbers(reward, rows) for _ in range(REPEATS)]))
    except RewardError as error:
        if error.kind not in RECOVERABLE:
            raise
        return ""


def _numbers(reward: UserReward, rows: Sequence[TextRow]) -> list[float]:
    return [np.nan if v is None else v for v in reward.grade(rows)]


def _by_place(reward: UserReward, rows: Sequence[TextRow]) -> str:
    half = len(rows) // 2
    first, *others = (reward.grade(rows[k : k + half]) for k in (0, 1, half))
    if len(set(first)) > 1 and all(same(first, other) for other in others):
        return "other texts get the same values in the same places of a call"
    return ""


def _by_draw(values: np.ndarray) -> str:
    """values : (calls, texts)"""
    from scipy.stats import f_oneway

    if not np.isfinite(values).all() or (values.std(axis=0) == 0).mean() > STEADY:
        return ""
    if f_oneway(*values.T).pvalue < LEVEL:
        return ""
    return "the same texts get other values in every call, and no text gets more than others"
