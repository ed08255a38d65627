"""Losses of a model of step rewards to which only the episode's return is known.

    L_RD   = ((1/T) sum_t r_t - R/T)^2
    L_RRD  = (mean of r over K picked steps - R/T)^2
    L_RRDu = L_RRD - (S2_K/K) (1 - K/T),   S2_K the picked steps' variance, divisor K - 1

all on the scale of a mean. L_RD sees r through its mean alone, so that it can be 0 with useless
step rewards. L_RRD is, over picks, L_RD plus (1 - K/T) S2_T/K: a penalty on the variance within an
episode, which pulls towards equal rewards; L_RRDu takes it off (docs/theory/redistribution.md).

Source: paper 41 (LaRe), code `mujoco/reward_model/RD.py` and `rrd.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from array_api_compat import array_namespace

from toyrl.ranges import Range, checked

Array = Any
PICKED = 64
"""K of the released code, `rrd_k`."""
SOME = Range("[2, 1e9]", whole=True)


def rd_loss(r_hat: Array, total: Array, mask: Array) -> Array:
    """(...,) L_RD of each episode: 0 for one without a step.

    r_hat, mask : (..., T) step rewards, and 1 on the steps there are; total : (...,) returns
    """
    steps, gap = _gap(r_hat, total, mask, mask)
    return array_namespace(gap).where(steps > 0, gap**2, 0 * gap)


def rrd_loss(
    r_hat: Array, total: Array, picked: Array, mask: Array, *, unbiased: bool = False
) -> Array:
    """(...,) L_RRD of each episode, or L_RRDu; 0 for one without a step.

    r_hat, mask : as for `rd_loss`; total : (...,); picked : (..., T) 1 on the K steps picked
        (`picked_steps`)
    unbiased : take off what picking adds; may be negative, and is NaN for one step picked of more,
        which has no variance
    """
    xp = array_namespace(r_hat, picked)
    own = picked * mask
    r_hat = xp.where(mask > 0, r_hat, xp.zeros_like(r_hat))
    steps, gap = _gap(r_hat, total, own, mask)
    K = xp.sum(own, axis=-1)
    loss = gap**2
    if unbiased:
        middle = xp.sum(r_hat * own, axis=-1) / xp.where(K > 0, K, xp.ones_like(K))
        spread = xp.sum(own * (r_hat - middle[..., None]) ** 2, axis=-1)
        left = (steps > K) & (K > 0)
        none = xp.full_like(K, xp.nan)
        degrees = xp.where(K > 1, K - 1, none)
        taken = spread / xp.where(left, degrees * K, xp.ones_like(K))
        share = 1 - K / xp.where(steps > 0, steps, xp.ones_like(steps))
        loss = loss - xp.where(left, taken * share, 0 * loss)
    return xp.where(steps > 0, loss, 0 * gap)


def _gap(r_hat: Array, total: Array, picked: Array, mask: Array) -> tuple[Array, Array]:
    """(T, mean of the picked step rewards - R/T), each (...,)."""
    xp = array_namespace(r_hat, mask)
    steps, K = xp.sum(mask, axis=-1), xp.sum(picked, axis=-1)
    one = xp.ones_like(steps)
    own = xp.where(picked > 0, r_hat, xp.zeros_like(r_hat))
    mean = xp.sum(own, axis=-1) / xp.where(K > 0, K, one)
    return steps, mean - total / xp.where(steps > 0, steps, one)


@checked
def picked_steps(
    mask: Array, size: Annotated[int, SOME] = PICKED, *, rng: np.random.Generator
) -> np.ndarray:
    """(..., T) 1 on min(K, T) steps of each episode, picked without replacement.

    mask : (..., T) 1 on steps; size : K. The released code draws with replacement where K > T,
    which makes 1 - K/T negative.

    Raises ValueError for K below 2, whose variance is not defined.
    """
    here = np.asarray(mask) > 0
    order = np.where(here, rng.random(here.shape), np.inf).argsort(-1).argsort(-1)
    return (here & (order < size)).astype(float)
