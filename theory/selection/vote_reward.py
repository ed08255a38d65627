"""What a vote as the reward pays in groups of every size, exact from the counts of each answer.

A group of G is a random subset of a prompt's n rollouts. For each number of votes m of the leaders
the wrong answers are a product of polynomials, in x for rollouts and y for answers with m votes:
sum_(l<m) C(c_j, l) x^l + C(c_j, m) x^m y. Its coefficients with those of the right answer, r votes,
give every number below: who leads, and how the reward moves accuracy. One product serves all G.

The drift is that of accuracy per unit step of natural gradient ascent under leave-one-out
advantages, E[cov(R, c)] G/(G-1) within groups: with a wrong answers at m votes it is
m/G (1 - (1 + a) m/G) where the right one leads, and -a m r/G^2 where it doesn't.

Formulas: docs/theory/selection.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
LARGEST = 200


@dataclass(frozen=True)
class VoteLaw:
    """Of groups of each size: (S,) each, chances but for the drift.

    right, tied, wrong : the right answer leads alone, with wrong ones, not at all though one leads
    none : nobody in the group gives an answer; the four sum to 1
    won : the right answer is picked where leaders are picked from evenly
    one : all give one and the same answer; alike : all are paid alike, so that nothing is learnt
    drift : of accuracy, NaN at size 1 (the module's text)
    """

    sizes: np.ndarray
    right: np.ndarray
    tied: np.ndarray
    wrong: np.ndarray
    none: np.ndarray
    won: np.ndarray
    one: np.ndarray
    alike: np.ndarray
    drift: np.ndarray


@entry(
    "vote_reward",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="d acc = E[m/G (1 - (1+a) m/G)] where right leads, - E[a m r/G^2] where it doesn't",
)
def vote_reward(counts: Array, none: int = 0, sizes: Array | None = None) -> VoteLaw:
    """The law of `majority()`, where all leaders are paid, in random G-subsets of n rollouts.

    counts : (K,) whole numbers, how many of the rollouts give each answer, the right one first
    none : how many give no answer; they have no vote and are not paid
    sizes : each G, in 1..min(200, n); None: 1..min(200, n)

    Raises ValueError for other sizes, negative or broken counts and for no rollout at all.
    """
    c, u, at = _checked(counts, none, sizes)
    n, most = int(c.sum()) + u, int(at.max())
    scale = _log_choose(n, most) / most  # keeps sums of binomials within floating point
    ways = _log_choose(n, at) - at * scale
    weight = [_weights(int(x), most, scale) for x in c]
    silent = _weights(u, most, scale)
    out = {name: np.zeros(len(at)) for name in VoteLaw.__dataclass_fields__ if name != "sizes"}
    out["none"] = silent[at].copy()
    out["one"] = np.sum([w[at] for w in weight], axis=0)
    out["alike"] += out["none"]
    for m in range(1, min(most, int(c.max(initial=0))) + 1):
        table = _others(weight[1:], silent, m, most)
        for r in range(min(m, int(c[0])) + 1):
            for a, chance in _cells(table, weight[0][r], at - r):
                _add(out, at, chance, m, a, r)
    return VoteLaw(at, **{name: x / np.exp(ways) for name, x in _last(out, at).items()})


def _checked(counts: Array, none: int, sizes: Array | None) -> tuple[np.ndarray, int, np.ndarray]:
    c = np.atleast_1d(np.asarray(counts, dtype=float))
    n = float(c.sum() + none)
    whole = np.append(c, none)
    if c.ndim != 1 or not ((whole >= 0) & (whole % 1 == 0)).all() or n < 1:
        msg = f"counts={c.tolist()}, none={none} must be whole numbers of at least 0, one above it"
        raise ValueError(msg)
    top = int(min(LARGEST, n))
    at = np.arange(1, top + 1) if sizes is None else np.atleast_1d(np.asarray(sizes))
    if at.ndim != 1 or not at.size or not ((at >= 1) & (at <= top) & (at % 1 == 0)).all():
        msg = f"sizes={at.tolist()} must be whole numbers in 1..{top}: {n:g} rollouts are there"
        raise ValueError(msg)
    return c.astype(int), int(none), at.astype(int)


def _log_choose(n: int, k: Any) -> Any:
    from scipy.special import gammaln

    return gammaln(n + 1.0) - gammaln(np.add(k, 1.0)) - gammaln(n - np.asarray(k) + 1.0)


def _weights(count: int, most: int, scale: float) -> np.ndarray:
    """(most + 1,) C(count, l) e^(-scale l), 0 beyond the count."""
    i = np.arange(most + 1)
    there = np.minimum(i, count)
    return np.where(i <= count, np.exp(_log_choose(count, there) - there * scale), 0.0)


def _others(weight: Sequence[np.ndarray], silent: np.ndarray, m: int, most: int) -> np.ndarray:
    """(A, most + 1) weight of a wrong answers with m votes, none with more, and t rollouts."""
    table = np.zeros((most // m + 1, most + 1))
    table[0] = silent
    for w in weight:
        new = w[0] * table
        for votes in range(1, min(m, most + 1)):
            if w[votes] == 0:
                break
            new[:, votes:] += w[votes] * table[:, : most + 1 - votes]
        if w[m] > 0:
            new[1:, m:] += w[m] * table[:-1, : most + 1 - m]
        table = new
    return table


def _cells(table: np.ndarray, weight: float, rest: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(a, (S,) weight) where `rest` rollouts are not of the right answer."""
    if weight > 0:
        for a, row in enumerate(table):
            yield a, np.where(rest >= 0, weight * row[np.maximum(rest, 0)], 0.0)


def _add(
    out: dict[str, np.ndarray], at: np.ndarray, chance: np.ndarray, m: int, a: int, r: int
) -> None:
    """Add the groups with m votes of the leaders, a wrong ones of them, and r right rollouts."""
    leaders = a + (r == m)
    if leaders == 0:
        return
    if r == m:
        out["tied" if a else "right"] += chance
        out["won"] += chance / leaders
        out["drift"] += chance * m / at * (1 - leaders * m / at)
    else:
        out["wrong"] += chance
        out["drift"] -= chance * a * m * r / at**2
    out["alike"] += chance * (leaders * m == at)


def _last(out: dict[str, np.ndarray], at: np.ndarray) -> dict[str, np.ndarray]:
    factor = np.where(at > 1, at / np.maximum(at - 1, 1), np.nan)
    return out | {"drift": out["drift"] * factor}
