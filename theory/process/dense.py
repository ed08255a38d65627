"""What PRIME's dense returns add up to, and where its two baselines part.

Token rewards r_1..r_T of one response with the mean m, and K siblings with means m_j:

    published  r_t - mean over j != i of m_j;    released  the same + (r_t - m)/(K - 1)

Formulas: docs/theory/process.md.

Source: paper 53 (PRIME), Eq. 5; code core_algos.py (compute_rloo_returns); the laws derived.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, checked
from toyrl.registry import entry

Array = Any


@entry(
    "dense_total",
    kind="theorem",
    cards=("53",),
    provenance="derived",
    section="Eq. 5 at the first token, without discount",
    formula="T_i (m_i - mean over j != i of m_j)",
)
def dense_total(means: Array, lengths: Array) -> np.ndarray:
    """(..., K) what each response collects in all: linear in its length.

    means : (..., K) of the process rewards per token, K of 2 and more; lengths : (..., K) tokens

    Raises ValueError for a group of one, where there is no sibling.
    """
    m, T = np.asarray(means, dtype=float), np.asarray(lengths, dtype=float)
    K = m.shape[-1] if m.ndim else 0
    if K < 2:
        msg = f"means has {K} siblings in its last axis; a baseline of others needs 2"
        raise ValueError(msg)
    return T * (m - (m.sum(-1, keepdims=True) - m) / (K - 1))


@entry(
    "baseline_gap",
    kind="theorem",
    cards=("53",),
    provenance="derived",
    section="Eq. 5 against the released baseline",
    formula="sum_(s >= t) (r_s - m)/(K - 1)",
)
@checked
def baseline_gap(tokens: Any, K: Annotated[int, COUNT]) -> np.ndarray:
    """(..., T) released less published return from each token on: 0 at the first.

    tokens : (..., T) process rewards of one response; K : siblings, 2 and more

    Raises ValueError for a group of one, and for a K that is no whole number.
    """
    if K < 2:
        msg = f"K={K} leaves no sibling for a baseline; give 2 or more"
        raise ValueError(msg)
    r = np.asarray(tokens, dtype=float)
    apart = r - r.mean(-1, keepdims=True) if r.shape[-1] else r
    return np.flip(np.flip(apart, -1).cumsum(-1), -1) / (K - 1)


@entry(
    "key_chain_values",
    kind="theorem",
    cards=("53",),
    provenance="derived",
    section="the best reward model of a chain of key tokens",
    formula="v_t = p^(keys behind t)",
)
@checked
def key_chain_values(keys: Any, T: Annotated[int, COUNT], p: Any) -> np.ndarray:
    """(T + 1,) chances of success along a right response: p to the number of keys still to come.

    keys : (M,) places from 1; p : chance of the right token at a key, the same at each

    The process reward is beta log v_t/v_(t-1) (`value_ratio_reward`): -beta log p on each key, 0
    elsewhere, so that what is still to come tells a key from the places behind it.

    Raises ValueError for places outside 1..T.
    """
    at = np.asarray(keys, dtype=int)
    if at.ndim != 1 or not at.size or at.min() < 1 or at.max() > T:
        msg = f"keys={at.tolist()} must be places from 1 to {T}, one or more"
        raise ValueError(msg)
    left = (at[:, None] > np.arange(T + 1)).sum(0)
    return np.asarray(p, dtype=float) ** left
