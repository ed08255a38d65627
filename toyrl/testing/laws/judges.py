"""Laws of rewards that read a judge's score: bounded, ordered, and about the gap to references.

Each is a function of a shaper and rollouts (B, G) with `judge` (and `judge_references`); it returns
nothing where the law holds and one sentence where it does not. Source: paper 23, its design
principles and what its released transforms keep.
"""

from __future__ import annotations

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays

LARGE, MOST = 1e6, 10.0


def judge_is_bounded(shaper: Shaper, r: Rollouts) -> str | None:
    """Scores of a million, of either sign, are paid at most 10 in size."""
    score = np.asarray(r.need("judge", by="the law"))
    paid = np.asarray(shaper.reward(r.with_(judge=LARGE * np.sign(score))))
    worst = float(np.nanmax(np.abs(paid), initial=0.0))
    return None if worst <= MOST else f"a score of a million is paid {worst:.3g}"


def higher_score_never_below(shaper: Shaper, r: Rollouts) -> str | None:
    """Among rollouts of a prompt alike in all but the score, a higher one is never paid less."""
    r = _alike(r)
    paid, score = np.asarray(shaper.reward(r)), np.asarray(r.fields["judge"])
    pair = (r.w[:, :, None] > 0) & (r.w[:, None, :] > 0)
    above = pair & (score[:, :, None] > score[:, None, :])
    room = arrays.TOLERANCE * max(1.0, float(np.nanmax(np.abs(paid), initial=0.0)))
    below = above & (paid[:, :, None] < paid[:, None, :] - room)
    return None if not below.any() else "a higher score of the judge is paid less"


def common_shift(shaper: Shaper, r: Rollouts) -> str | None:
    """One number added to all scores and references changes nothing: the judge's zero is free."""
    moved = r.with_(
        judge=r.fields["judge"] + 2.5, judge_references=r.fields["judge_references"] + 2.5
    )
    gap = arrays.difference(np.asarray(shaper.reward(r)), np.asarray(shaper.reward(moved)))
    return None if gap <= 1 else "the zero of the judge's scores changes rewards"


def references_in_any_order(shaper: Shaper, r: Rollouts) -> str | None:
    """The order of a prompt's references doesn't matter."""
    turned = r.with_(judge_references=np.asarray(r.fields["judge_references"])[..., ::-1])
    gap = arrays.difference(np.asarray(shaper.reward(r)), np.asarray(shaper.reward(turned)))
    return None if gap <= 1 else "the order of the references changes rewards"


def copy_in_the_middle(shaper: Shaper, r: Rollouts) -> str | None:
    """A score equal to all references is paid midway between one far below and one far above.

    So a copy of an exemplar earns nothing that a better text wouldn't: paper 45.
    """
    wide = np.asarray(r.fields["judge_references"])
    level = wide[..., :1] + np.zeros_like(wide)
    at, far = level[..., 0], 100.0
    low, mid, high = (
        np.asarray(shaper.reward(r.with_(judge=at + x, judge_references=level)))
        for x in (-far, 0.0, far)
    )
    gap = arrays.difference(mid, (low + high) / 2)
    return None if gap <= 1 else f"a copy is paid {mid.tolist()}, not the middle"


def off_pivot_ignores_quality(shaper: Shaper, r: Rollouts) -> str | None:
    """Where `pivot` is 0, no score of the judge and no quality estimate changes the reward."""
    r = r.with_(pivot=np.zeros_like(r.w))
    moved = r.with_(judge=-1.0 - 2 * np.asarray(r.fields["judge"]))
    if r.has("quality_estimate"):
        moved = moved.with_(quality_estimate=1 - np.asarray(r.fields["quality_estimate"]))
    gap = arrays.difference(np.asarray(shaper.reward(r)), np.asarray(shaper.reward(moved)))
    return None if gap <= 1 else "quality is paid outside of the pivot direction"


def _alike(r: Rollouts) -> Rollouts:
    """All rollouts of a prompt as its first one, but for their scores."""
    fields = {k: v if k == "judge" else _first(v) for k, v in r.fields.items()}
    mask = None if r.mask is None else _first(r.mask)
    return r.with_(correct=_first(r.correct), length=_first(r.length), truncated=None,
                   mask=mask, fields=fields)  # fmt: skip


def _first(x: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(x)[:, :1], np.shape(x)[1], axis=1)
