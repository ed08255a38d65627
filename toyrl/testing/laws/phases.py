"""Laws of rewards that read token entropies by phase: what they may look at, and what not.

Each is a function of a shaper and rollouts (B, G) with `entropy`, `think_end` and a mask; it
returns nothing where the law holds and one sentence where it does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.phases import phases
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays


def phases_are_means(shaper: Shaper, r: Rollouts) -> str | None:
    """Entropies moved about inside a phase, and those of the tokens between, change nothing."""
    before = np.asarray(shaper.reward(r))
    entropy, kept = np.array(r.need("entropy", by="the law"), dtype=float), []
    for phase in _phases(r):
        kept.append(phase)
        for place in np.ndindex(*r.shape):
            own = phase[place] > 0
            entropy[place][own] = entropy[place][own][::-1]
    between = (np.asarray(r.mask) > 0) & (sum(kept) == 0)
    entropy = np.where(between, entropy + 1.0, entropy)
    gap = arrays.difference(before, np.asarray(shaper.reward(r.with_(entropy=entropy))))
    return None if gap <= 1 else "the order of entropies in a phase, or the tag's, changes rewards"


def thinking_twice_costs_nothing(shaper: Shaper, r: Rollouts) -> str | None:
    """The thinking tokens written a second time change no reward, for all their length."""
    twice = thought_twice(r)
    gap = arrays.difference(np.asarray(shaper.reward(r)), np.asarray(shaper.reward(twice)))
    return None if gap <= 1 else "the same thought twice, of the same mean entropy, is paid less"


def thought_twice(r: Rollouts) -> Rollouts:
    """Rollouts whose thinking tokens stand twice, one copy behind the other.

    Raises KeyError for rollouts without a mask.
    """
    thinking, T = _phases(r)[0] > 0, np.asarray(r.need("mask", by="the law")).shape[-1]
    count = thinking.sum(-1)
    source = np.full((*r.shape, 2 * T), -1)
    for place in np.ndindex(*r.shape):
        own = np.flatnonzero(thinking[place])
        order = np.concatenate([own, own, np.setdiff1d(np.arange(T), own)])
        source[place][: len(order)] = order

    def wide(x: np.ndarray) -> np.ndarray:
        return np.where(source >= 0, np.take_along_axis(np.asarray(x), source, -1), 0.0)

    fields = {k: wide(v) if np.ndim(v) == 3 else v for k, v in r.fields.items()}
    return replace(
        r, mask=wide(np.asarray(r.mask)), length=r.length + count, max_length=2 * r.max_length,
        fields=fields,
    )  # fmt: skip


def _phases(r: Rollouts) -> tuple[np.ndarray, np.ndarray]:
    mask = np.asarray(r.need("mask", by="the law"))
    return phases(mask, np.asarray(r.need("think_end", by="the law")))
