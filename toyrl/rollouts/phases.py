"""The two phases of a completion: thinking, up to a closing tag, and the answer behind it.

The field `think_end` marks the token that closes the thinking with 1 (every token of a tag that
takes several). Marked tokens belong to neither phase. A completion without a mark never answers: it
thinks throughout, and its last token stands where the tag would.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from toyrl import stats
from toyrl.rollouts.core import Rollouts

Array = Any


def phases(mask: Array, think_end: Array) -> tuple[Array, Array]:
    """(thinking, answering), each (..., T) in the dtype of the mask: 1 on the phase's tokens.

    mask : (..., T) 1 on the completion's own tokens; think_end : (..., T) marks, read inside it
    """
    xp = array_namespace(mask, think_end)
    live = mask > 0
    marks = live & (think_end > 0.5)
    so_far = xp.cumulative_sum(xp.astype(marks, mask.dtype), axis=-1)
    own = xp.cumulative_sum(xp.astype(live, mask.dtype), axis=-1)
    last = live & (own == own[..., -1:])
    open_end = so_far[..., -1:] == 0
    thinking = live & (so_far == 0) & ~(last & open_end)
    answering = live & (so_far > 0) & ~marks
    return xp.astype(thinking, mask.dtype), xp.astype(answering, mask.dtype)


def trace_length(mask: Array, think_end: Array) -> Array:
    """(...) tokens before the closing tag; all of them where there is none.

    mask, think_end : (..., T) as in `phases`
    """
    xp = array_namespace(mask, think_end)
    live = mask > 0
    closed = xp.cumulative_sum(xp.astype(live & (think_end > 0.5), mask.dtype), axis=-1) > 0
    return xp.sum(xp.astype(live & ~closed, mask.dtype), axis=-1)


def phase_entropies(r: Rollouts, *, by: str) -> tuple[Array, Array]:
    """Mean token entropy of the thinking and of the answer, (..., B, G) nats; 0 without a token.

    by : who asks, for the message

    Raises KeyError for rollouts without `entropy`, `think_end` or a mask.
    """
    entropy, marks = r.need("entropy", by=by), r.need("think_end", by=by)
    thinking, answering = phases(r.need("mask", by=by), marks)
    return stats.mean(entropy, thinking)[..., 0], stats.mean(entropy, answering)[..., 0]
