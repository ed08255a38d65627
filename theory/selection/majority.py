"""Majority voting: which answer has the most votes among k draws, ties broken at random.

The vote's law is exact by generating functions: that answer i has m votes and no other more is a
coefficient of x^m/m! p_i^m times truncated exponential series of the others, and a second variable
counts those that tie with it. With counts of a pool instead of probabilities the same product of
binomials gives the vote of a random k-subset.

Formulas: docs/theory/selection.md.

Source: self-consistency (Wang et al. 2022, arXiv 2203.11171) and its weighted form; the exact law
is derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.selection._levels import Given

Array = Any
LARGEST = 200
CELLS = 1 << 22
"""Numbers of each kind that `vote_of_pool` keeps at a time."""


@entry(
    "majority_vote",
    kind="theorem",
    cards=("57", "31"),
    provenance="derived",
    formula="P(win_i) = sum_m k! [x^k] (p_i x)^m/m! prod_j sum_(l<=m) (p_j x)^l/l!, ties shared",
)
def majority_vote(prob: Array, k: int) -> np.ndarray:
    """(K,) probability that each answer wins the vote of k independent draws; ties are shared.

    prob : (K,); k : a whole number in 1..200. O(K^3 k^2) at most.

    Raises ValueError for another k and for what is no probability.
    """
    (prob,) = Given.laws(prob)
    _votes(k)
    i = np.arange(k + 1)
    from scipy.special import gammaln

    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.where(i == 0, 0.0, i * np.log(prob[:, None])) - gammaln(i + 1.0)
    return _winners(np.exp(log + gammaln(k + 1.0) / max(k, 1) * i), k)


@entry(
    "majority_of_counts",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="the vote of a random k-subset: C(c_j, l) in the place of p_j^l/l!",
)
def majority_of_counts(counts: Array, k: int) -> np.ndarray:
    """(K,) probability that each answer wins the vote of a random k-subset of a pool.

    counts : (K,) whole numbers, how often each answer is in the pool; k in 1..min(200, their sum).

    Raises ValueError for another k and for negative counts.
    """
    from scipy.special import gammaln

    counts = np.asarray(counts, dtype=float)
    _votes(k)
    if not ((counts >= 0).all() and k <= counts.sum()):
        msg = f"k={k} must be at most the sum of counts={counts.tolist()}, which are at least 0"
        raise ValueError(msg)
    n, i = counts.sum(), np.arange(k + 1)
    c = counts[:, None]
    log = gammaln(c + 1) - gammaln(i + 1.0) - gammaln(np.maximum(c - i, 0) + 1)
    ways = gammaln(n + 1) - gammaln(k + 1.0) - gammaln(n - k + 1)
    return _winners(np.where(i <= c, np.exp(log - ways * i / k), 0.0), k)


def _votes(k: Any) -> None:
    if not (1 <= k <= LARGEST and k % 1 == 0):
        msg = f"k={k} must be a whole number in 1..{LARGEST}: the votes that are counted"
        raise ValueError(msg)


def _winners(ways: np.ndarray, k: int) -> np.ndarray:
    """(K,) chance to win, from (K, k+1) weights of each number of votes, scaled to sum to 1."""
    K = len(ways)
    out = np.zeros(K)
    for m in range(-(-k // K), k + 1):  # the winner has at least k/K votes
        rest = k - m
        for i in range(K):
            if ways[i, m] == 0:
                continue
            most = rest // m  # others that can tie
            table = np.zeros((most + 1, rest + 1))
            table[0, 0] = 1.0
            for j in range(K):
                if j == i:
                    continue
                new = np.zeros_like(table)
                for votes in range(min(m - 1, rest) + 1):
                    if ways[j, votes]:
                        new[:, votes:] += ways[j, votes] * table[:, : rest + 1 - votes]
                if most and ways[j, m]:
                    new[1:, m:] += ways[j, m] * table[:-1, : rest + 1 - m]
                table = new
            out[i] += ways[i, m] * (table[:, rest] / np.arange(1, most + 2)).sum()
    return out


@entry(
    "vote_of_pool",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="mean over orders of the gold of argmax_a sum_(i<=k, answer i = a) w_i",
)
def vote_of_pool(
    answer: Array,
    gold: Array,
    weight: Array | None = None,
    *,
    k_max: int | None = None,
    orders: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """(B, k_max) expected gold of the (weighted) majority's answer among k = 1..k_max of a pool.

    answer : (B, n) whole numbers that name each sample's answer, -1: none, which votes for nothing
    gold : (B, n); a pick among tied answers is even, and of an answer that won its voters' mean
    weight : (B, n) of each vote, at least 0; None: 1. A subset without a vote has gold 0.
    k_max : None: n

    Every prefix of a random order is a random subset: unbiased for the mean over all of them.

    Raises ValueError for negative weights and NaN.
    """
    answer, gold = np.asarray(answer), np.asarray(gold, dtype=float)
    weight = np.ones(gold.shape) if weight is None else np.asarray(weight, dtype=float)
    if not (weight >= 0).all() or np.isnan(gold).any():
        msg = "weight must be at least 0 and gold no NaN: votes are added up"
        raise ValueError(msg)
    place = _own_names(answer)
    most = gold.shape[-1] if k_max is None else min(k_max, gold.shape[-1])
    size = max(1, CELLS // (orders * (place.max(initial=0) + 2)))
    parts = range(0, len(gold), size)
    rows = [slice(i, i + size) for i in parts]
    return np.concatenate([_voted(place[r], gold[r], weight[r], most, orders, seed) for r in rows])


def _own_names(answer: np.ndarray) -> np.ndarray:
    """(B, n) answers named 0, 1, ... in each row, -1 where there is none."""
    order = np.argsort(answer, axis=-1, kind="stable")
    ranked = np.take_along_axis(answer, order, -1)
    new = np.ones(answer.shape, dtype=int)
    new[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.cumsum(new, -1) - 1, -1)
    return np.where(answer >= 0, place, -1)


def _voted(
    place: np.ndarray, gold: np.ndarray, weight: np.ndarray, most: int, orders: int, seed: int
) -> np.ndarray:
    """`vote_of_pool` of a few prompts; the last cell, -1, takes samples without an answer."""
    B, n = gold.shape
    rows, runs = np.arange(B)[:, None], np.arange(orders)[None]
    order = Given.orders(B, n, orders, seed)
    votes, paid, cast = (np.zeros((B, orders, place.max(initial=0) + 2)) for _ in range(3))
    top, tied, won = (np.zeros((B, orders)) for _ in range(3))
    out = np.empty((most, B))
    for k in range(most):
        pick = order[k]
        a, g, w = place[rows, pick], gold[rows, pick], weight[rows, pick]
        at = (rows, runs, a)
        before = paid[at] / np.maximum(cast[at], 1)
        votes[at] += w
        paid[at] += g
        cast[at] += 1
        now, mean = votes[at], paid[at] / cast[at]
        lead = (a >= 0) & (now > top)
        again = (a >= 0) & (now == top) & (now > 0)
        stays = again & (w == 0)  # a vote of no weight for an answer that leads already
        won = np.where(lead, mean, np.where(stays, won + mean - before, won + again * mean))
        tied = np.where(lead, 1.0, tied + (again & ~stays))
        top = np.where(lead, now, top)
        out[k] = (won / np.maximum(tied, 1)).mean(-1)
    out[0] = np.where((place >= 0) & (weight > 0), gold, 0.0).mean(-1)  # without the orders' chance
    return out.T
