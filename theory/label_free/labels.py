"""Labels by vote: how often the majority of G answers is right, and what a vote pays its voters.

The law of the vote of G draws, ties even, is `toyrl.theory.selection.majority.majority_vote`; here
are its closed form for two answers and a bound for any number.

Formulas: docs/theory/label_free.md.

Source: derived, for paper 47.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import count_law
from toyrl.theory.label_free._groups import Groups

Array = Any


@entry(
    "two_answer_label",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="sum_(k>G/2) C(G,k) p^k q^(G-k) + [G even] C(G,G/2) (pq)^(G/2)/2",
)
def two_answer_label(p: Array, group_size: int) -> np.ndarray:
    """Chance that the majority of G answers of two kinds is the one with chance p; ties even.

    p : in [0, 1], broadcast; group_size >= 1. 1 - M(p) = M(1 - p), and an even group is worth the
    odd one below it: M_(2m) = M_(2m-1).

    Raises ValueError for p outside [0, 1] and for a group below 1.
    """
    p = np.asarray(p, dtype=float)
    Groups.size(group_size)
    if not np.all((p >= 0) & (p <= 1)):
        msg = f"p={p.tolist()} must lie in [0, 1]: they are chances"
        raise ValueError(msg)
    k = np.arange(int(group_size) + 1)
    return count_law(p, int(group_size)) @ np.where(2 * k == group_size, 0.5, 2.0 * k > group_size)


@entry(
    "wrong_label_bound",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="sum_(b wrong) (1 - (sqrt(p_0) - sqrt(p_b))^2)^G",
)
def wrong_label_bound(prob: Array, group_size: int) -> float:
    """At most the chance that another answer than the first wins the vote of G draws.

    prob : (K,) chances, the right answer first; a bound where it is the most frequent one (Chernoff
    for each rival), 1 where it isn't.

    Raises ValueError for what is no probability and for a group below 1.
    """
    p = Groups.law(prob)
    Groups.size(group_size)
    if p[1:].max(initial=0.0) >= p[0]:
        return 1.0
    each = (1 - (np.sqrt(p[0]) - np.sqrt(p[1:])) ** 2) ** group_size
    return float(min(1.0, each.sum()))


@entry(
    "own_vote_pay",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="E max_b n_b/G",
)
def own_vote_pay(prob: Array, group_size: int) -> float:
    """Expected reward of a rollout that is paid for agreeing with its own group's majority.

    prob : (K,). At least the largest chance: noise is paid, since every group has a majority. Paid
    by the vote of other rollouts it is sum_a M_a p_a instead. By enumeration of kinds of groups.

    Raises ValueError for what is no probability, a group below 1, and above 200,000 kinds.
    """
    counts, chance = Groups.of(prob, group_size)
    return float(chance @ counts.max(-1) / group_size)
