"""Laws of redistributed returns and of the losses that step rewards are fitted by.

Each returns nothing where the law holds and one sentence where it does not.

    from toyrl.testing import return_equivalent
    assert return_equivalent(parse("rudder()"), rollouts) is None
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.models.steps.return_losses import rd_loss
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.shapers.base import Shaper
from toyrl.testing import arrays

Array = Any


def return_equivalent(shaper: Shaper, r: Rollouts) -> str | None:
    """Every present rollout with a step collects its outcome, and one without a step nothing.

    So no policy's value changes. r : (..., B, G) with a mask.
    """
    ends = np.asarray(step_ends(r, by="the law"))
    found, w = np.asarray(shaper.reward(r), dtype=float), np.asarray(r.w)
    want = np.where(ends.sum(-1) > 0, np.asarray(r.correct, dtype=float), 0.0)
    here = (w > 0) & np.isfinite(found)
    far = arrays.difference(np.where(here, found, 0), np.where(here, want, 0))
    if far <= 1:
        return None
    gap = np.abs(np.where(here, found - want, 0)).max()
    return f"a rollout collects {gap:.3g} more or less than its outcome"


def zero_sums_unseen(r_hat: Array, total: Array, moved: Array) -> str | None:
    """L_RD can't tell step rewards from others that add to them what sums to 0 over the episode.

    r_hat, moved : (..., T), `moved` summing to 0; total : (...,)
    """
    one = np.ones(np.shape(r_hat))
    here, there = rd_loss(r_hat, total, one), rd_loss(np.add(r_hat, moved), total, one)
    return None if arrays.difference(here, there) <= 1 else "L_RD moved with the same mean reward"


def padding_unseen(loss: Callable[[Array, Array], Array], r_hat: Array, mask: Array) -> str | None:
    """What stands at padded steps never changes a loss.

    loss : (r_hat, mask) -> (...,); r_hat, mask : (..., T)
    """
    other = np.where(np.asarray(mask) > 0, r_hat, 1e3)
    here, there = np.asarray(loss(r_hat, mask)), np.asarray(loss(other, mask))
    return None if (here == there).all() else "a padded step changed the loss"
