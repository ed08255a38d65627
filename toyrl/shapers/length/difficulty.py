"""How hard a prompt is, by how often it was solved: buckets of solve rates, and a number for each.

What several length rewards need: a target for each bucket (LASER-D), a limit for each (DA-DLER).
Bucket 0 is the hardest. Rates are quotients of small whole numbers, so that a rate on an edge, up
to rounding, is a tie and goes to the side that is asked for.

Source: LASER paper, section 5.2 (thirds); DLER, section 4 (one threshold).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toyrl import stats
from toyrl.rollouts import Rollouts

Array = Any
THIRDS = (1 / 3, 2 / 3)


def solve_rate(r: Rollouts) -> Array:
    """(..., B, 1) share of right rollouts, in [0, 1]; 0 for a prompt without rollouts."""
    return stats.mean(r.correct, r.w)


def solve_rate_bucket(rate: Array, edges: Sequence[Any] = THIRDS, *, ties: str = "easier") -> Array:
    """How many edges the rate has passed: 0 (hardest) to len(edges) (easiest).

    rate : (..., B, 1), or any shape, which the answer has too
    edges : ascending, in [0, 1]; ties : "easier" (an edge is passed by a rate equal to it) or
    "harder"

    Raises ValueError for other ties.
    """
    if ties not in ("easier", "harder"):
        msg = f"ties={ties!r} is not one of easier, harder"
        raise ValueError(msg)
    xp = stats.array_namespace(rate)
    slack = 8 * float(xp.finfo(rate.dtype).eps)
    out = xp.zeros_like(rate)
    for edge in edges:
        over = rate >= edge - slack if ties == "easier" else rate > edge + slack
        out = out + xp.astype(over, rate.dtype)
    return out


def by_bucket(values: Sequence[Any], bucket: Array) -> Array:
    """values[bucket]; the answer has the same shape as `bucket`.

    values : one number (or array of that shape) a bucket, hardest first
    """
    xp = stats.array_namespace(bucket)
    out = xp.zeros_like(bucket) + values[0]
    for i, value in enumerate(values[1:], start=1):
        out = xp.where(bucket >= i, xp.zeros_like(bucket) + value, out)
    return out
