"""Finite groups exactly: one row per multiset of levels (classes that nothing can tell apart).

A group of G rollouts drawn from level probabilities p is a multiset with counts c, sum c = G. The
advantage of a member depends on the multiset alone, so with own level k

    E[f(A) | own = k] = sum_c (G-1)! prod_j p_j^(c_j - [j = k]) / (c_j - [j = k])! f(A_k(c)),

a sum over the multisets that contain k. There are comb(P+G-1, G) of them for P levels of
positive probability, against P^G ordered groups.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from math import comb, lgamma

import numpy as np

CHUNK = 1 << 21  # array elements evaluated at once: 16 MiB of float64


@dataclass(frozen=True)
class Moments:
    """Of an advantage given the own class, each (K,) or (B, K): E[A], E[A^2] and P(A < 0)."""

    first: np.ndarray
    second: np.ndarray
    negative: np.ndarray

    def take(self, index: np.ndarray) -> Moments:
        """The moments of the classes `index` from those of levels."""
        return Moments(self.first[index], self.second[index], self.negative[index])


def row_count(levels: int, impossible: int, group_size: int) -> int:
    """Rows that `moments` evaluates: `levels` of positive and `impossible` of zero probability."""
    whole = comb(levels + group_size - 1, group_size)
    return whole + impossible * comb(levels + group_size - 2, group_size - 1)


def multisets(levels: int, size: int) -> np.ndarray:
    """(N, levels) counts of all multisets of `size` members; N = comb(levels + size - 1, size).

    (N, levels) whole numbers; each row sums to `size`.
    """
    if levels == 0:
        return np.zeros((1 if size == 0 else 0, 0), dtype=np.int64)
    n = comb(levels + size - 1, size)
    if size < levels:
        members = itertools.combinations_with_replacement(range(levels), size)
        flat = np.fromiter(itertools.chain.from_iterable(members), np.int64, n * size)
        at = flat + levels * np.repeat(np.arange(n), size)
        return np.bincount(at, minlength=n * levels).reshape(n, levels)
    # Stars and bars: a multiset is the gaps between levels - 1 bars.
    bars = itertools.combinations(range(levels + size - 1), levels - 1)
    flat = np.fromiter(itertools.chain.from_iterable(bars), np.int64, n * (levels - 1))
    edges = np.full((n, levels + 1), -1)
    edges[:, 1:-1] = flat.reshape(n, levels - 1)
    edges[:, -1] = levels + size - 1
    return np.diff(edges, axis=1) - 1


def moments(
    prob: np.ndarray, group_size: int, advantage: Callable[[np.ndarray], np.ndarray]
) -> Moments:
    """Moments of the advantage for each own level, (R,), levels of probability 0 included.

    prob : (R,) level probabilities, sum 1
    advantage : counts (n, R) -> advantages (n, R) of a member of each level
    """
    possible = np.flatnonzero(prob > 0)
    never = np.flatnonzero(prob <= 0)
    out = np.zeros((3, len(prob)))
    whole = multisets(len(possible), group_size)
    counts = np.zeros((len(whole), len(prob)), dtype=np.int64)
    counts[:, possible] = whole
    _gather(out, counts, possible, prob, group_size, advantage)
    if not len(never):
        return Moments(*out)
    siblings = multisets(len(possible), group_size - 1)
    for k in never:  # an own class that no sibling can have
        counts = np.zeros((len(siblings), len(prob)), dtype=np.int64)
        counts[:, possible] = siblings
        counts[:, k] = 1
        _gather(out, counts, np.array([k]), prob, group_size, advantage)
    return Moments(*out)


def _gather(
    out: np.ndarray,
    counts: np.ndarray,
    own: np.ndarray,
    prob: np.ndarray,
    group_size: int,
    advantage: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Add to out (3, R) the sums over rows of counts, for the own levels given."""
    log_factorial = np.array([lgamma(n + 1) for n in range(group_size + 1)])
    log_prob = np.log(np.where(prob > 0, prob, 1.0))  # impossible levels occur only as `own`
    step = max(1, CHUNK // max(1, len(prob)))
    for start in range(0, len(counts), step):
        c = counts[start : start + step]
        row = log_factorial[group_size - 1] - log_factorial[c].sum(-1) + c @ log_prob
        mine = c[:, own]
        chance = np.exp(row[:, None] - log_prob[own]) * mine
        a = advantage(c)[:, own]
        for i, value in enumerate((a, a**2, a < 0)):
            out[i, own] += (chance * np.where(mine > 0, value, 0.0)).sum(0)
