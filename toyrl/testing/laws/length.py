"""Laws of rewards on length: what a longer rollout may be paid, and in which unit.

Each is a function of a shaper and rollouts (B, G); it returns nothing where the law holds and one
sentence where it does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays


def shorter_right_never_below(shaper: Shaper, r: Rollouts) -> str | None:
    """Among right rollouts alike in all but length, a longer one is never paid more."""
    for short, long, gain in _neighbours_in_length(shaper, r, right=True):
        if gain > arrays.TOLERANCE:
            lengths = f"{long:g} tokens is paid {gain:.6g} more than one of {short:g}"
            return f"a right rollout of {lengths}"
    return None


def longer_wrong_never_below(shaper: Shaper, r: Rollouts) -> str | None:
    """Among wrong rollouts alike in all but length, a longer one is never paid less."""
    for short, long, gain in _neighbours_in_length(shaper, r, right=False):
        if -gain > arrays.TOLERANCE:
            lengths = f"{long:g} tokens is paid {-gain:.6g} less than one of {short:g}"
            return f"a wrong rollout of {lengths}"
    return None


def _neighbours_in_length(
    shaper: Shaper, r: Rollouts, *, right: bool
) -> Iterator[tuple[float, float, float]]:
    """(length of the shorter, of the longer, how much more the longer is paid) of rollouts of one
    prompt, all right or all wrong, that are next to each other in length."""
    r = _alike(r)
    reward = np.asarray(shaper.reward(r))
    for b in range(r.shape[0]):
        rows = np.flatnonzero((r.correct[b] == float(right)) & (r.w[b] > 0))
        rows = rows[np.argsort(r.length[b, rows], kind="stable")]
        for i, j in pairwise(rows):
            if r.length[b, j] > r.length[b, i]:
                yield r.length[b, i], r.length[b, j], reward[b, j] - reward[b, i]


def length_unit(shaper: Shaper, r: Rollouts) -> str | None:
    """Lengths and limit in another unit (twice as many of half the size) change no reward."""
    twice = replace(r, length=2 * r.length, max_length=2 * r.max_length)
    gap = arrays.part_difference(shaper.apply(r).parts, shaper.apply(twice).parts)
    return None if gap <= 1 else "twice the lengths under twice the limit change rewards"


def _alike(r: Rollouts) -> Rollouts:
    """Every field but length made equal within the group; no empty completions."""
    fields = {
        k: np.broadcast_to(v[:, :1], v.shape).copy() for k, v in r.fields.items()
    }  # fmt: skip
    return replace(r, fields=fields, length=np.maximum(r.length, 1.0))
