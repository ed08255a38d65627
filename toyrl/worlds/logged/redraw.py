"""Groups that a policy over logged rollouts samples, without drawing the log's groups again.

Eight rows drawn from eight logged ones with replacement hold the one wrong answer of a prompt in
66 % of the cases: the share of groups without signal doubles. So rows are drawn as little as can
be: rollout j of a prompt stands G p_j times in its group on average, and in each group that number
rounded down or up (systematic resampling, Kitagawa 1996). At the base, with groups as large as the
log's, every group is the log's own, to the row; away from it a rollout of expectation 0.1 is there
in a tenth of the groups.
"""

from __future__ import annotations

import numpy as np

from toyrl.worlds.logged.base import Array

EDGE = 1e-6
"""Offsets keep away from 0 and 1, where rounding of a sum of probabilities would decide."""


def times(prob: Array, group: Array | float, offset: Array) -> Array:
    """How often each rollout stands in a group: whole numbers (..., n) that sum to `group`.

    prob : (..., n); group : rollouts a prompt, whole, broadcasts to (..., 1)
    offset : (..., 1) in (0, 1); over evenly spread offsets the mean is group * prob
    """
    passed = np.floor(np.cumsum(prob * group, axis=-1) + offset)
    return np.diff(passed, axis=-1, prepend=0.0)


def drawn(prob: Array, group: Array | float, groups: int, rng: np.random.Generator) -> Array:
    """Groups of each prompt, whole numbers (groups, R, B, n); prob : (R, B, n).

    The rollouts pass in a new order each time, and offsets are spread evenly over a prompt's
    groups: their mean misses group * prob by less than 1 / groups.
    """
    order = np.argsort(rng.random(prob.shape), axis=-1)
    own = rng.random((*prob.shape[:-1], 1))
    at = (np.arange(groups)[:, None, None, None] + own) / groups
    mixed = np.take_along_axis(prob, order, axis=-1)
    found = times(mixed, group, EDGE + (1 - 2 * EDGE) * at)
    back = np.argsort(order, axis=-1)[None]
    return np.take_along_axis(found, np.broadcast_to(back, found.shape), axis=-1)
