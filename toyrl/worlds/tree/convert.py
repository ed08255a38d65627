"""A tree as a tabular process, and as rollouts that estimators and shapers read.

Three ways to one number: a sweep over the tree, a solver on the process, and an estimator on every
sequence with its probability (or on drawn ones).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import toyrl.estimators.tokens  # noqa: F401  registers the field `values`
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.rollouts.classes import class_rollouts, drawn_rollouts
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.tree.model import Tree, log_policy
from toyrl.worlds.tree.sweeps import parents
from toyrl.worlds.tree.values import leaf_law, paid, token_entropy, value

__all__ = ["BEFORE", "TreeMDP", "on_tokens", "reward_parts", "to_mdp", "tree_rollouts"]

BEFORE = ("values", "potential", "entropy")  # fields about the prefix before the token


# -- processes ------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class TreeMDP:
    """A tree laid out as a process: state n is the prefix of node n, leaves are terminal.

    mdp : the process; action a of a state writes its child number a
    child : (S, A) node that an action leads to, -1 where there is none
    """

    mdp: MDP
    tree: Tree
    child: np.ndarray

    def policy(self, policy: Any = None) -> np.ndarray:
        """(S, A) probabilities of a policy (N,) of log-probabilities; None: the tree's own."""
        p = np.exp(log_policy(self.tree, policy))
        return np.where(self.child >= 0, p[self.child], 0.0)

    def by_edge(self, table: Any) -> np.ndarray:
        """(..., N) of a table (..., S, A), such as Q, at the node each action leads to."""
        given = np.asarray(table)
        out = np.zeros((*given.shape[:-2], self.tree.n_nodes), dtype=given.dtype)
        has = self.child >= 0
        out[..., self.child[has]] = given[..., has]
        return out


def to_mdp(tree: Tree, reward: Any = None) -> TreeMDP:
    """The tree as a sparse acyclic process, with its rewards (N,) or others, and its discount."""
    from scipy.sparse import csr_array

    N = tree.n_nodes
    place = np.arange(1, N)
    rank = place - tree.children(np.arange(N), np.minimum, empty=0)[tree.parent[1:]]
    A = int(rank.max()) + 1
    child = np.full((N, A), -1, dtype=np.int64)
    child[tree.parent[1:], rank] = place
    has = child >= 0
    pointers = np.concatenate([[0], np.cumsum(has.ravel())])
    moves = csr_array((np.ones(N - 1), child[has], pointers), shape=(N * A, N))
    pay = np.where(has, paid(tree, reward)[child], 0.0)
    start = (np.arange(N) == 0).astype(float)
    terminal = tree.is_leaf
    available = has | terminal[:, None]
    mdp = MDP(moves, pay, tree.discount, start=start, available=available, terminal=terminal)
    return TreeMDP(mdp, tree, child)


# -- rollouts -------------------------------------------------------------------------------------
def tree_rollouts(
    tree: Tree,
    index: Any = None,
    *,
    policy: Any = None,
    critic: Any = None,
    fields: Mapping[str, Any] | None = None,
    max_length: float | None = None,
    group_size: float | None = None,
) -> Rollouts:
    """Every sequence with its probability, (1, L), or drawn ones; one token a token.

    index : (..., G) numbers of leaves, as `sample_leaves` draws them; None: all of them, the
        population limit
    policy : (N,) log-probabilities of weights, `logprobs`, `entropy` and `values`; None: the tree's
    critic : (N,) value of each prefix for the field `values`; None: the exact ones
    fields : numbers of nodes (N,) under registered names, beside those of the tree. Per token,
        `values`, `potential` and `entropy` are read at the prefix before the token, others at the
        token; those per rollout are read at the leaf
    max_length : the completion limit in tokens, None: H
    group_size : rollouts behind the weights; None: inf for all sequences, else the number drawn

    Raises KeyError for a name given in `fields` that is not registered.
    """
    given = {k: v for k, v in tree.fields.items() if k in FIELDS}
    given |= {
        "logprobs": log_policy(tree, policy),
        "entropy": token_entropy(tree, policy),
        "values": value(tree, policy=policy) if critic is None else np.asarray(critic, dtype=float),
        **(fields or {}),
    }
    unknown = [name for name in given if name not in FIELDS]
    if unknown:
        msg = f"fields={unknown} are not registered; call toyrl.rollouts.register_field first"
        raise KeyError(msg)
    own = {name: _gathered(tree, name, np.asarray(x, dtype=float)) for name, x in given.items()}
    cut = None if tree.truncated is None else tree.truncated[tree.leaves]
    common: dict[str, Any] = {
        "correct": tree.success,
        "length": tree.depth[tree.leaves].astype(float),
        "truncated": cut,
        "max_length": float(tree.height if max_length is None else max_length),
    }
    if index is None:
        size = np.inf if group_size is None else group_size
        chance = leaf_law(tree, policy)[None]
        wide = {name: x[None] for name, x in own.items()}
        return class_rollouts(chance, **common, fields=wide, group_size=size)
    return drawn_rollouts(np.asarray(index), **common, fields=own, group_size=group_size)


def on_tokens(tree: Tree, x: Any) -> np.ndarray:
    """(..., L, H) of numbers of edges (..., N): on each token of each sequence, 0 behind it."""
    given = np.asarray(x)
    return np.where(tree.paths >= 0, given[..., tree.paths], 0)


def reward_parts(tree: Tree, index: Any = None, reward: Any = None) -> dict[str, np.ndarray]:
    """The rewards of tokens as the parts that estimators take: {"reward": (1, L, H)}.

    index : (..., G) numbers of leaves, then (..., G, H); reward : (N,), None: the tree's
    """
    table = on_tokens(tree, paid(tree, reward))
    return {"reward": table[None] if index is None else table[np.asarray(index)]}


def _gathered(tree: Tree, name: str, x: np.ndarray) -> np.ndarray:
    """(L,) or (L, H) of a field of nodes (N,)."""
    if FIELDS[name].axes != "T":
        return x[tree.leaves]
    return on_tokens(tree, parents(tree, x) if name in BEFORE else x)
