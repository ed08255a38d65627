"""What an estimator of groups makes of a shaping term, and the term's worst regret on a sample.

A properly discounted potential with Phi = 0 at the end adds -Phi(s_0) to every answer of a prompt.
A mean of the group takes it out; a standard deviation of the group does not see it; one of the
whole batch does, since prompts differ in Phi(s_0), and so does any rule without a baseline.

On a prefix tree every state has one way in, so every dense reward is a difference of potentials but
for the end: a term is harmless if and only if its total is the same for all answers to a prompt.

Formulas: docs/theory/shaping.md.

Source: derived. Rewards and terms are (..., B, G): B prompts, G answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.worlds.tree.model import Tree
from toyrl.worlds.tree.values import leaf_law, leaf_returns

Array = Any


@entry(
    "advantage_change",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="effect on groups",
    formula="A(r + F) - A(r)",
)
def advantage_change(
    estimator: Any, reward: Array, term: Array, *, length: Array = 1.0
) -> np.ndarray:
    """(..., B, G) how a term moves an estimator's advantages.

    reward, term : (..., B, G) or broadcast to it; a reward above 0 counts as right
    length : (..., B, G) tokens, broadcast

    Raises ValueError for an estimator that gives each token its own advantage.
    """
    reward = np.asarray(reward, dtype=float)
    shape = np.broadcast_shapes(reward.shape, np.shape(term), np.shape(length))
    reward = np.broadcast_to(reward, shape)
    tokens = np.broadcast_to(np.asarray(length, dtype=float), shape)
    r = Rollouts((reward > 0) * 1.0, tokens, float(tokens.max(initial=1.0)))

    def of(paid: np.ndarray) -> np.ndarray:
        out = np.asarray(estimator.apply({"reward": paid}, r)[0])
        if out.shape != shape:
            msg = f"{estimator!r} gives advantages {out.shape}; take one with a number a rollout"
            raise ValueError(msg)
        return out

    return of(reward + np.asarray(term, dtype=float)) - of(reward)


@entry(
    "batch_scale_ratio",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="effect on groups",
    formula="A' / A = std of r / std of (r - Phi(s_0)), over the batch",
)
def batch_scale_ratio(reward: Array, phi: Array) -> np.ndarray:
    """(...) by what a potential multiplies all advantages that are centred by group and divided by
    the standard deviation of the whole batch of rewards (TRL's scale_rewards="batch").

    reward : (..., B, G); phi : (..., B) potential of each prompt. 1 if phi is the same for all of
    them; NaN where all rewards are equal. The ratio may lie on either side of 1: below it where
    the potential adds to the spread between prompts, above it where it takes from it.
    """
    reward = np.asarray(reward, dtype=float)
    count = reward.shape[-1] * reward.shape[-2]
    mean = reward.mean(-1)
    within = ((reward - mean[..., None]) ** 2).sum((-2, -1))

    def spread(level: np.ndarray) -> np.ndarray:
        between = reward.shape[-1] * ((level - level.mean(-1, keepdims=True)) ** 2).sum(-1)
        return np.sqrt((within + between) / (count - 1))

    before = spread(mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0, before / spread(mean - np.asarray(phi, dtype=float)), np.nan)


@entry(
    "spread_of_totals",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="prefix trees",
    formula="W = max over y of total(y) - min over y of total(y)",
)
def spread_of_totals(total: Array) -> np.ndarray:
    """(..., B) largest less smallest shaping total of each prompt's answers; NaN ones are absent.

    0 for all prompts: harmless on the sample. total : (..., B, G) totals, discounted as the return.
    """
    given = np.asarray(total, dtype=float)
    absent = np.isnan(given)
    high = np.where(absent, -np.inf, given).max(-1, initial=-np.inf)
    low = np.where(absent, np.inf, given).min(-1, initial=np.inf)
    return np.where(high >= low, high - low, np.nan)


@entry(
    "tree_worst_regret",
    kind="theorem",
    cards=("56",),
    provenance="derived",
    section="prefix trees",
    formula="W = spread of the discounted totals over all answers that can be given",
)
def tree_worst_regret(tree: Tree, term: Any) -> np.ndarray:
    """(...) W of a term on a prefix tree, over answers that its policy can give.

    term : (..., N) paid on the edge to each node. Raises as `leaf_returns` does.
    """
    total = leaf_returns(tree, term)
    return spread_of_totals(np.where(leaf_law(tree) > 0, total, np.nan))
