"""Best policies on a tree: the largest return, and the largest return less KL to a reference.

The optimum under a price beta on KL is the reference tilted by the rewards,

    pi*(y) = ref(y) exp(R(y) / beta) / Z,   V(s) = beta log E_ref[exp(R(rest) / beta) | s],

and its tokens are pi*(t | s) = ref(t | s) exp((r + V(st) - V(s)) / beta): one sweep of log-sum-exp
(Korbak et al. 2022 for sequences, Todorov 2009 for control; the tilt: docs/theory/policies.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.tree.model import Tree, log_policy
from toyrl.worlds.tree.sweeps import parents
from toyrl.worlds.tree.values import paid

__all__ = ["TreeOptimum", "best", "tilted"]


@dataclass(frozen=True, eq=False)
class TreeOptimum:
    """The value of the best policy and the policy.

    value : (N,) best value of each prefix; 0 at leaves
    q : (N,) value of each token under it, 0 at the root
    log_prob : (N,) log-probabilities of the policy; for `best` the first of the best tokens
    ties : (N,) bool, tokens as good as the best of their siblings; for `tilted` all it writes
    """

    value: np.ndarray
    q: np.ndarray
    log_prob: np.ndarray
    ties: np.ndarray


def best(tree: Tree, reward: Any = None, *, discount: float | None = None) -> TreeOptimum:
    """The largest discounted return and where it lies: any token that the tree has may be taken.

    reward : (N,), None: the tree's; discount : None: the tree's
    """
    r, gamma = paid(tree, reward), tree.discount if discount is None else discount
    v = np.zeros(tree.n_nodes)
    q = np.zeros(tree.n_nodes)
    for nodes, above, starts in reversed(tree.layers):
        q[nodes] = r[nodes] + gamma * v[nodes]
        v[above] = np.maximum.reduceat(q[nodes], starts)
    ties = q == parents(tree, v)
    ties[0] = False
    place = np.where(ties, np.arange(tree.n_nodes), tree.n_nodes)
    first = parents(tree, tree.children(place, np.minimum, empty=0))
    log_prob = np.where(np.arange(tree.n_nodes) == first, 0.0, -np.inf)
    log_prob[0] = 0.0
    return TreeOptimum(v, q, log_prob, ties)


def tilted(tree: Tree, beta: float, reward: Any = None, *, reference: Any = None) -> TreeOptimum:
    """The policy of the largest E[R] - beta KL(policy || reference), undiscounted.

    beta : > 0, in units of the reward; reward : (N,), None: the tree's
    reference : (N,) log-probabilities, None: the tree's policy

    Raises ValueError for beta not above 0, or a discounted tree, whose optimum is no tilt.
    """
    if not beta > 0:
        msg = f"beta={beta:g} must be above 0; the limit 0 is `best`"
        raise ValueError(msg)
    if tree.discount != 1:
        msg = f"discount={tree.discount:g}: the tilt is optimal at discount 1 alone"
        raise ValueError(msg)
    r, ref = paid(tree, reward), log_policy(tree, reference)
    v = np.zeros(tree.n_nodes)
    x = np.zeros(tree.n_nodes)
    for nodes, above, starts in reversed(tree.layers):
        # siblings that the reference never writes stay out, whatever lies behind them
        x[nodes] = np.where(
            ref[nodes] > -np.inf, (r[nodes] + v[nodes]) / beta + ref[nodes], -np.inf
        )
        top = np.maximum.reduceat(x[nodes], starts)
        v[above] = top
        weight = np.exp(x[nodes] - v[tree.parent[nodes]])
        v[above] = beta * (top + np.log(np.add.reduceat(weight, starts)))
    log_prob = x - parents(tree, v) / beta
    log_prob[0] = 0.0
    q = np.where(np.arange(tree.n_nodes) > 0, r + v, 0.0)
    return TreeOptimum(v, q, log_prob, log_prob > -np.inf)
