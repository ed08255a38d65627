"""A length penalty in the groups solved most: when it can hurt, and which prompts it falls on.

All derived; the setting is that of "Stable Reinforcement Learning for Efficient Reasoning"
(GRPO-lambda). A right answer is paid 1 - alpha sigmoid(z), z its length in standard deviations
(population) among the right siblings; a wrong one 0. K of a group's G rollouts are right.

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import count_law

Array = Any


@entry(
    "penalty_safe_share",
    kind="theorem",
    cards=("04",),
    section="method; bound derived",
    provenance="derived",
    formula="K/G <= 1 - alpha",
)
def penalty_safe_share(alpha: Array) -> np.ndarray:
    """Share K/G of right rollouts up to which none of them is pushed down, whatever the lengths.

    Right answers are paid more than 1 - alpha and the group's mean is below K/G.

    alpha : any shape, >= 0; 0 from weight 1 on: no mixed group is safe by this bound
    """
    return np.maximum(0.0, 1 - np.asarray(alpha, dtype=float))


@entry(
    "outlier_weight",
    kind="theorem",
    cards=("04",),
    section="method; derived",
    provenance="derived",
    formula="alpha* = (1 - K/G)/(s_1 - K/G s_mean)",
)
def outlier_weight(right: Array, group_size: Array) -> np.ndarray:
    """Weight above which one long right answer among K - 1 shorter, equal ones is pushed down.

    Its z is sqrt(K - 1) and the others' -1/sqrt(K - 1), however much longer it is: with s the
    logistic of these it is paid less than the mean from (1 - K/G)/(s_1 - K/G s_mean) on. 0 where
    all are right: any weight does it. inf for a lone right answer, which has z = 0 and is always
    paid above the wrong ones up to weight 2.

    right : K in 1..G; group_size : G; they broadcast. Raises ValueError for a K outside.
    """
    k, size = np.broadcast_arrays(np.asarray(right, dtype=float), np.asarray(group_size, float))
    if np.any((k < 1) | (k > size)):
        msg = f"right={right} must lie in 1..group_size={group_size}: it counts right rollouts"
        raise ValueError(msg)
    root = np.sqrt(np.maximum(k - 1, 1.0))
    long, short = 1 / (1 + np.exp(-root)), 1 / (1 + np.exp(1 / root))
    share, mean = k / size, (long + (k - 1) * short) / k
    lone = k <= 1
    return np.where(lone, math.inf, (1 - share) / np.where(lone, 1.0, long - share * mean))


@entry(
    "selection_chance",
    kind="theorem",
    cards=("04",),
    section="selection of groups; law derived",
    provenance="derived",
    formula="P(rank of Bin(G, p_t) among the batch <= K)",
)
def selection_chance(
    success: Sequence[float], count: Sequence[int], group_size: int, keep: int
) -> np.ndarray:
    """(T,) chance that a prompt of each kind is among the `keep` prompts solved most.

    A batch holds count[t] prompts that are solved with probability success[t], each by a group of
    `group_size`; ties are broken by lot, as batch order does in a shuffled batch. The counts of
    prompts ahead and level are enumerated, in time O(G T B^3) for a batch of B.

    success, count : (T,); keep : in 1..B. Raises ValueError for another number to keep.
    """
    batch = sum(count)
    if not 1 <= keep <= batch:
        msg = f"keep={keep} must lie in 1..{batch}, the prompts of a batch"
        raise ValueError(msg)
    law = count_law(np.asarray(success, dtype=float), group_size)  # (T, G + 1)
    ahead, level = np.indices((batch, batch))
    chosen = np.clip((keep - ahead) / (level + 1), 0, 1)
    found = np.zeros(len(law))
    for t in range(len(law)):
        others = [n - (u == t) for u, n in enumerate(count)]
        for m in range(group_size + 1):
            joint = np.zeros((batch, batch))
            joint[0, 0] = 1.0
            for own, n in zip(law, others, strict=True):
                for _ in range(n):
                    joint = _one_more(joint, float(own[m + 1 :].sum()), float(own[m]))
            found[t] += law[t, m] * (joint * chosen).sum()
    return found


def _one_more(joint: np.ndarray, above: float, equal: float) -> np.ndarray:
    """Law of (ahead, level) with one more prompt, which is above or equal with these chances."""
    out = (1 - above - equal) * joint
    out[1:] += above * joint[:-1]
    out[:, 1:] += equal * joint[:, :-1]
    return out
