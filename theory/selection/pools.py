"""Best of k from a pool of n scored samples: the mean over all k-subsets, for every k at once.

The sample of rank i (from the lowest) is the best of C(i-1, k-1) of the C(n, k) subsets, so the
curve over k is the sorted gold times one matrix of weights. Tied samples share their mean gold,
as ties broken at random do. Unbiased for best-of-k of the law that the pool was drawn from; with
proxy = gold = right or wrong it is pass@k.

Formulas: docs/theory/selection.md.

Source: the U-statistic of Hoeffding 1948 with the maximum as its kernel; ties derived.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "pool_weights",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="C(i-1,k-1)/C(n,k)",
)
def pool_weights(n: int, k_max: int) -> np.ndarray:
    """(n, k_max) chance that the sample of rank i = 1..n is the best of a random k-subset.

    k = 1..k_max; 1e-13 relative. Kept for the sizes asked for last, so it can't be written to.

    Raises ValueError unless 1 <= k_max <= n.
    """
    if not 1 <= k_max <= n:
        msg = f"k_max={k_max} must lie in 1..n={n}: a subset of the pool"
        raise ValueError(msg)
    return _weights(n, k_max)


@lru_cache(maxsize=16)
def _weights(n: int, k_max: int) -> np.ndarray:
    from scipy.special import gammaln

    i, k = np.arange(1.0, n + 1)[:, None], np.arange(1.0, k_max + 1)
    # C(i-1,k-1)/C(n,k) = k/n C(i-1,k-1)/C(n-1,k-1): the factors (k-1)! cancel.
    log = gammaln(np.maximum(i, 1)) - gammaln(np.maximum(i - k + 1, 1))
    log = log - gammaln(n) + gammaln(n - k + 1)
    out = np.where(i >= k, k / n * np.exp(log), 0.0)
    out /= out.sum(0)
    out.flags.writeable = False
    return out


@entry(
    "best_of_pool",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="sum_(i>=k) g_(i) C(i-1,k-1)/C(n,k), g by rising proxy",
)
def best_of_pool(proxy: Array, gold: Array | None = None, k_max: int | None = None) -> np.ndarray:
    """(..., k_max) expected gold of the best by proxy of a random k-subset, k = 1..k_max.

    proxy, gold : (..., n) of the samples of each prompt, broadcast; gold None: the proxy itself
    k_max : None: n. O(n log n + n k_max) a prompt.

    Raises ValueError for a NaN among the scores and unless 1 <= k_max <= n.
    """
    proxy = np.asarray(proxy, dtype=float)
    if np.isnan(proxy).any() or (gold is not None and np.isnan(gold).any()):
        msg = "proxy or gold holds a NaN, which is neither best nor worst; leave such samples out"
        raise ValueError(msg)
    n = proxy.shape[-1]
    weights = pool_weights(n, n if k_max is None else k_max)
    if gold is None:
        return np.sort(proxy, axis=-1) @ weights
    proxy, gold = np.broadcast_arrays(proxy, np.asarray(gold, dtype=float))
    order = np.argsort(proxy, axis=-1)
    ranked = np.take_along_axis(gold, order, -1)
    sorted_proxy = np.take_along_axis(proxy, order, -1)
    new = np.ones(proxy.shape, bool)
    new[..., 1:] = sorted_proxy[..., 1:] != sorted_proxy[..., :-1]
    return (ranked if new.all() else _tied_means(ranked, new)) @ weights


def _tied_means(value: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The mean of each block, dealt out to its members; `new` marks where a block begins."""
    first = np.flatnonzero(new)
    size = np.diff(first, append=new.size)
    mean = np.add.reduceat(value.ravel() / np.repeat(size, size), first)
    return np.repeat(mean, size).reshape(value.shape)
