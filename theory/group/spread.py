"""Is there anything to learn from a group? P(its rewards differ) for any law of values.

Formulas: docs/theory/group.md.

Source: derived; dynamic sampling as in DAPO and DLER.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "group_spread",
    kind="theorem",
    cards=("08",),
    section="dynamic sampling; derived",
    provenance="derived",
    formula="1 - sum_v P(v)^G",
)
def group_spread(prob: Array, value: Array, group_size: float) -> np.ndarray:
    """(...) P(G independent rewards are not all equal): 1 - sum over values v of P(v)^G.

    Classes of equal value count as one. A reward with many values (a length term, a judge) makes
    nearly every group count, where right or wrong alone leaves p^G + q^G of them silent. A part
    of the law without atoms counts as values of probability 0: leave it out, and prob sums to less.

    prob : (..., K) chances >= 0 that sum to at most 1; value : (..., K) or (K,) rewards
    group_size : >= 1; inf gives 1 unless one value is certain

    Raises ValueError for a group_size below 1.
    """
    if not group_size >= 1:
        msg = f"group_size={group_size} must be at least 1"
        raise ValueError(msg)
    prob = np.asarray(prob, dtype=float)
    value = np.broadcast_to(np.asarray(value, dtype=float), prob.shape)
    order = np.argsort(value, axis=-1, kind="stable")
    p, v = (np.take_along_axis(x, order, axis=-1) for x in (prob, value))
    first = np.concatenate([np.ones_like(v[..., :1], dtype=bool), np.diff(v, axis=-1) != 0], -1)
    # The chance of each value stands at the first class of that value, the others get 0.
    level = np.cumsum(first, axis=-1) - 1
    own = np.where(level[..., None, :] == np.arange(v.shape[-1])[:, None], p[..., None, :], 0.0)
    each = np.minimum(own.sum(-1), 1.0)
    with np.errstate(under="ignore"):
        same = np.where(each > 0, each, 0.0) ** group_size
    return np.maximum(1 - same.sum(-1), 0.0)
