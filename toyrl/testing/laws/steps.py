"""Laws of rewards that read step scores: what may be collected by taking more steps.

Each is a function of a shaper and rollouts (B, G) with `step_scores` and a mask; it returns nothing
where the law holds and one sentence where it does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays


def copies_never_pay(shaper: Shaper, r: Rollouts, at: tuple[int, int]) -> str | None:
    """A copy of its best step, behind the first one, never raises what rollout `at` collects.

    Stated for rollouts of two steps or more: what a first further step pays is bounded anyhow.
    """
    longer, grown = with_copy(r, at)
    if not grown or not r.w[at] > 0:
        return None
    before, now = (float(np.asarray(shaper.reward(x))[at]) for x in (r, longer))
    if now - before <= arrays.TOLERANCE * max(1.0, abs(before)):
        return None
    return f"a copy of its best step raises a rollout from {before:.6g} to {now:.6g}"


def steps_never_pay(shaper: Shaper, r: Rollouts) -> str | None:
    """From no step on is there anything left to collect from what is paid token by token."""
    paid = [np.asarray(v) for v in shaper.apply(r).parts.values() if np.ndim(v) == 3]
    mask = np.asarray(r.need("mask", by="the law"))
    total = sum(paid, np.zeros(mask.shape))
    to_go = np.flip(np.flip(total, -1).cumsum(-1), -1) * (mask > 0)
    most = float(to_go.max(initial=0.0))
    size = max(1.0, float(np.abs(total).max(initial=0.0)))
    return None if most <= arrays.TOLERANCE * size else f"a step has {most:.6g} still to collect"


def with_copy(r: Rollouts, at: tuple[int, int]) -> tuple[Rollouts, bool]:
    """Rollouts in which `at` has one more token, a step of its best step's score behind its first
    step, and whether it has: it needs two steps for that.

    Raises KeyError for rollouts without `step_scores` or without a mask.
    """
    ends, grown = np.asarray(step_ends(r, by="with_copy")), np.zeros(r.shape, dtype=bool)
    grown[at] = ends[at].sum() >= 2
    T = ends.shape[-1]
    first = np.where(grown, ends.argmax(-1), T - 1)[..., None]  # the copy stands behind this token
    place = np.arange(T + 1)
    source = np.where(place > first, place - 1, place)

    def wide(x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(np.asarray(x), source, -1)

    own = (place == first + 1) & grown[..., None]
    behind = (place == T) & ~grown[..., None]  # nothing there: padding
    scores = np.where(ends > 0, np.asarray(r.need("step_scores", by="with_copy")), -np.inf)
    fields = {k: wide(v) if np.ndim(v) == 3 else v for k, v in r.fields.items()}
    fields["step_scores"] = np.where(own, scores.max(-1, keepdims=True), fields["step_scores"])
    fields["step_ends"] = np.where(behind, 0.0, wide(ends))
    mask = np.where(behind, 0.0, np.where(own, 1.0, wide(np.asarray(r.need("mask", by="the law")))))
    length = r.length + grown
    return replace(r, length=length, max_length=r.max_length + 1, mask=mask, fields=fields), bool(
        grown[at]
    )
