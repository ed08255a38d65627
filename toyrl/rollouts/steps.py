"""Where the steps of a rollout end, and which step a token belongs to.

The field `step_ends` marks the last token of each step with 1; without it each token of the mask is
a step. Tokens behind the last mark belong to no step. What a step has (a score, a reward) stands on
its last token.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from toyrl.rollouts.core import Rollouts

Array = Any


def step_ends(r: Rollouts, *, by: str) -> Array:
    """(..., B, G, T) 1 on the last token of each step, else 0; marks outside the mask don't count.

    by : who asks, for the message

    Raises KeyError for rollouts without a mask.
    """
    xp, mask = r.xp, r.need("mask", by=by)
    marks = r.fields["step_ends"] if r.has("step_ends") else mask
    return xp.astype((mask > 0) & (marks > 0.5), mask.dtype)


def steps_before(ends: Array) -> Array:
    """(..., T) steps that end before each token: the number of its own step, from 0."""
    return array_namespace(ends).cumulative_sum(ends, axis=-1) - ends


def steps_behind(ends: Array) -> Array:
    """(..., T) steps that end behind each token: 0 on the last token of the last step."""
    xp = array_namespace(ends)
    return xp.sum(ends, axis=-1, keepdims=True) - xp.cumulative_sum(ends, axis=-1)
