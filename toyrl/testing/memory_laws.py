"""Laws of rewards that remember prompts: what a visit may add, and what may not count.

Each is a function of a shaper and rollouts (B, G); it returns nothing where the law holds and one
sentence where it does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper


def visits_commute(shaper: Shaper, r: Rollouts) -> str | None:
    """What a visit adds to memory doesn't depend on the visits before it."""
    first = shaper.apply(r).memory
    for start in (1.0, 3.0):
        seen = {s.name: np.full_like(r.correct[:, :1], start) for s in shaper.all_memory()}
        again = shaper.apply(r, seen).memory
        if any(not np.array_equal(first[k], again[k], equal_nan=True) for k in first):
            return f"a visit adds something else where memory held {start:g}"
    return None


def wrong_answers_leave_no_memory(shaper: Shaper, r: Rollouts) -> str | None:
    """Without its wrong rollouts a visit adds the same to memory."""
    without = replace(r, weight=np.where(r.correct == 1, r.w, 0.0))
    first, again = shaper.apply(r).memory, shaper.apply(without).memory
    for name in first:
        if not np.array_equal(first[name], again[name], equal_nan=True):
            return f"wrong rollouts change what is remembered as {name!r}"
    return None
