"""A softmax over a few answers under several rules at once, their advantages read off a table.

For rules that look at the rewards of a single group: the advantage of an answer then depends only
on how often each reward is in the group, so a rule is called once for every such group, not at
every update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.dynamics.groups.compositions import multisets
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.answers import chances
from toyrl.experiments.lab.bandits import ascend

Array = Any
Rule = Callable[[np.ndarray], np.ndarray]
"""Rewards (M, G) of groups -> their advantages (M, G)."""


def pulls(reward: Array, rules: Sequence[Rule], size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Counts (R, ..., K) of the answers in groups of `size` -> their summed advantages over it.

    reward : (K,) of each answer; the first axis of the counts is that of the R rules
    """
    levels, of = np.unique(reward, return_inverse=True)
    kinds, place = multisets(len(levels), size), (size + 1) ** np.arange(len(levels))
    members = np.array([np.repeat(levels, n) for n in kinds])
    own = members[..., None] == levels
    table = np.zeros((len(rules), (size + 1) ** len(levels), len(levels)))
    for t, rule in zip(table, rules, strict=True):
        t[kinds @ place] = (rule(members)[..., None] * own).sum(1) / np.maximum(own.sum(1), 1)

    def pull(counts: np.ndarray) -> np.ndarray:
        which = np.arange(len(rules)).reshape(-1, *[1] * (counts.ndim - 2))
        return counts * table[which, counts @ place[of]][..., of] / size

    return pull


def train_rules(start: Array, reward: Array, rules: Sequence[Rule], updates: int, *, size: int,
                step: float, runs: int, rng: Any, until: float = np.inf) -> np.ndarray:  # fmt: skip
    """(updates + 1, R, runs, K) policies of all rules, one sampled group an update.

    start : (K,) probabilities; until : a run stops when its mean reward passes it
    """
    pull = pulls(reward, rules, size)

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        g = pull(rng.multinomial(size, pi))
        g = np.where((pi @ reward <= until)[..., None], g, 0.0)
        return step * (g - pi * g.sum(-1, keepdims=True))

    return ascend(change, np.tile(np.log(start), (len(rules), runs, 1)), updates)


def expect_rules(start: Array, reward: Array, rules: Sequence[Rule], updates: int, *, size: int,
                 step: float) -> np.ndarray:  # fmt: skip
    """(updates + 1, R, K) policies under expected updates, every group enumerated."""
    groups = multisets(len(reward), size)
    each = pulls(reward, rules, size)(np.tile(groups, (len(rules), 1, 1)))
    spend(updates * each.size)

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        g = (chances(np.log(pi), groups[None])[..., None] * each).sum(1)
        return step * (g - pi * g.sum(-1, keepdims=True))

    return ascend(change, np.tile(np.log(start), (len(rules), 1)), updates)
