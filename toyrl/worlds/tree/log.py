"""Rollout logs as prefix trees: what sampled sequences say about the value of each prefix.

The rollouts that share a prefix are a sample of its continuations. Their mean reward to go
estimates V of the prefix, with the standard error s/sqrt(n) of the n that went through it; the
shares of its next tokens estimate the policy. With the empirical policy the value of a prefix is
the mean of its rollouts exactly, so credit on the tree is Monte-Carlo credit, with no model.

n falls with depth: a prefix that one rollout alone went through has no known error (inf).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.tree.model import Tree

__all__ = ["LoggedTree", "from_sequences"]


@dataclass(frozen=True, eq=False)
class LoggedTree:
    """A prefix tree of logged sequences and the estimates at each prefix.

    tree : its policy is the empirical one; the reward of an edge is the mean over its rollouts
    count : (N,) rollouts through each prefix
    value : (N,) mean discounted reward to come after the prefix; 0 at leaves. Equals
        `toyrl.worlds.tree.values.value` of the tree
    q : (N,) mean discounted reward from the token on; 0 at the root. At a leaf with several
        rollouts it is the mean of their last rewards
    error : (N,) standard error of `value`; at a leaf that of `q`; inf where count is 1
    leaf : (n,) number of the leaf, 0..L-1, of each sequence
    """

    tree: Tree
    count: np.ndarray
    value: np.ndarray
    q: np.ndarray
    error: np.ndarray
    leaf: np.ndarray


def from_sequences(
    sequences: Sequence[Sequence[int]],
    rewards: Any = None,
    *,
    counts: Any = None,
    token_rewards: Sequence[Sequence[float]] | None = None,
    end: int | None = None,
    truncated: Any = None,
    correct: Any = None,
    discount: float = 1.0,
) -> LoggedTree:
    """The prefix tree of n token sequences, with what their rewards say about each prefix.

    sequences : n lists of token numbers >= 0, none empty
    rewards : (n,) paid on the last token; None: 0, for `token_rewards` alone
    counts : (n,) whole numbers >= 1, how often each was drawn; None: once
    token_rewards : n lists, a reward for each token, added to `rewards`
    end : a token to write behind every sequence that was not truncated; needed where one sequence
        is a prefix of another. Its own reward is 0, and what `rewards` pays stands on it
    truncated : (n,) bool; correct : (n,) in [0, 1], averaged over the rollouts of a leaf
    discount : in [0, 1], per token

    Raises ValueError for empty sequences, lengths that don't fit, a sequence that is a prefix of
    another without an end token, or one that is truncated in one place and ends in another.
    """
    cut = np.zeros(len(sequences), bool) if truncated is None else np.asarray(truncated, bool)
    n = len(sequences)
    weight = np.ones(n) if counts is None else np.asarray(counts, dtype=float)
    final = np.zeros(n) if rewards is None else np.asarray(rewards, dtype=float)
    right = None if correct is None else np.asarray(correct, dtype=float)
    _check(sequences, {"rewards": final, "counts": weight, "truncated": cut, "correct": right})
    if not ((weight >= 1) & (weight == np.floor(weight))).all():
        i = int(np.flatnonzero(~((weight >= 1) & (weight == np.floor(weight))))[0])
        msg = f"counts[{i}] = {weight[i]:g} must be a whole number of 1 or more; drop the others"
        raise ValueError(msg)
    tokens, length, paid = _padded(sequences, final, token_rewards, end, cut)
    parent, token, node = _trie(tokens, length)
    leaf = node[np.arange(n), length]
    _check_ends(parent, leaf, cut)
    N = len(parent)
    is_end = np.zeros(N, dtype=bool)
    is_end[leaf] = True
    count, reward, value, q, error = _estimates(node, length, paid, weight, is_end, discount)

    log_prob, ended, chance = np.zeros(N), None, None
    log_prob[1:] = np.log(count[1:]) - np.log(count[parent[1:]])
    if cut.any():
        ended = np.zeros(N, dtype=bool)
        ended[leaf[cut]] = True
    if right is not None:
        chance = np.bincount(leaf, weight * right, N) / count
    dense = bool((reward[~is_end] != 0).any())
    tree = Tree(parent, token, log_prob, reward, discount, ended, chance, {"count": count}, dense)
    return LoggedTree(tree, count, value, q, error, np.searchsorted(tree.leaves, leaf))


def _estimates(
    node: np.ndarray,
    length: np.ndarray,
    paid: np.ndarray,
    weight: np.ndarray,
    is_end: np.ndarray,
    discount: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean reward, value, Q and standard error (N,) of each node, over its rollouts."""
    n, N = len(length), len(is_end)
    inside = np.arange(paid.shape[1]) < length[:, None]
    heavy = np.broadcast_to(weight[:, None], inside.shape)[inside]
    at = node[:, 1:][inside]
    count = np.bincount(at, heavy, N)
    count[0] = weight.sum()
    to_go = _returns(paid, discount)
    after = np.concatenate([to_go[:, 1:], np.zeros((n, 1))], axis=1)[inside]

    def mean(x: np.ndarray, root: float) -> np.ndarray:
        total = np.bincount(at, heavy * x, N) / count
        total[0] = root
        return total

    reward, q = mean(paid[inside], 0.0), mean(to_go[inside], 0.0)
    value = mean(after, weight @ to_go[:, 0] / count[0])
    # two passes: what is left after subtracting the mean is squared, not the other way round
    off = np.where(is_end[at], to_go[inside] - q[at], after - value[at])
    squares = np.bincount(at, heavy * off**2, N)
    squares[0] = weight @ (to_go[:, 0] - value[0]) ** 2
    error, more = np.full(N, np.inf), count > 1
    error[more] = np.sqrt(squares[more] / (count[more] - 1) / count[more])
    return count, reward, value, q, error


def _check(sequences: Sequence[Sequence[int]], each: dict[str, np.ndarray | None]) -> None:
    n = len(sequences)
    empty = [i for i, s in enumerate(sequences) if not len(s)]
    if not n or empty:
        what = f"sequence {empty[0]} is empty" if n else "there are no sequences"
        msg = f"{what}; give at least one token each, an end token at least"
        raise ValueError(msg)
    for name, x in each.items():
        if x is not None and x.shape != (n,):
            msg = f"{name} has shape {x.shape}; for {n} sequences it must be ({n},)"
            raise ValueError(msg)


def _padded(
    sequences: Sequence[Sequence[int]],
    final: np.ndarray,
    token_rewards: Sequence[Sequence[float]] | None,
    end: int | None,
    cut: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens (n, H), -1 behind the end; lengths (n,); rewards (n, H)."""
    lists = [
        list(s) if end is None or c else [*s, end] for s, c in zip(sequences, cut, strict=True)
    ]
    length = np.array([len(s) for s in lists])
    inside = np.arange(length.max()) < length[:, None]
    tokens = np.full(inside.shape, -1, dtype=np.int64)
    tokens[inside] = np.concatenate(lists)
    if (tokens[inside] < 0).any():
        i = int(np.argwhere(inside & (tokens < 0))[0][0])
        msg = f"sequence {i} holds a token below 0: {list(sequences[i])}; tokens are 0 or more"
        raise ValueError(msg)
    paid = np.zeros(inside.shape)
    if token_rewards is not None:
        if len(token_rewards) != len(lists):
            msg = f"token_rewards has {len(token_rewards)} lists for {len(lists)} sequences"
            raise ValueError(msg)
        for i, (row, s) in enumerate(zip(token_rewards, sequences, strict=True)):
            if len(row) != len(s):
                msg = f"token_rewards[{i}] has {len(row)} numbers for {len(s)} tokens"
                raise ValueError(msg)
            paid[i, : len(row)] = row
    paid[np.arange(len(lists)), length - 1] += final
    return tokens, length, paid


def _trie(tokens: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parents and tokens (N,) in layer order, and the node (n, H+1) of each prefix, -1 behind."""
    n, H = tokens.shape
    node = np.full((n, H + 1), -1, dtype=np.int64)
    node[:, 0] = 0
    parents, values, N = [np.array([-1])], [np.array([-1])], 1
    for t in range(H):
        going = length > t
        pair = np.stack([node[going, t], tokens[going, t]], axis=1)
        new, which = np.unique(pair, axis=0, return_inverse=True)
        node[going, t + 1] = N + which.ravel()
        parents.append(new[:, 0])
        values.append(new[:, 1])
        N += len(new)
    return np.concatenate(parents), np.concatenate(values), node


def _check_ends(parent: np.ndarray, leaf: np.ndarray, cut: np.ndarray) -> None:
    goes_on = np.zeros(len(parent), dtype=bool)
    goes_on[parent[1:]] = True
    bad = np.flatnonzero(goes_on[leaf])
    if bad.size:
        msg = (
            f"sequence {bad[0]} is the beginning of another: the tree can't tell its end from the "
            "way on; give end=, the token that a finished sequence writes"
        )
        raise ValueError(msg)
    both = np.intersect1d(leaf[cut], leaf[~cut])
    if both.size:
        i, j = (int(np.flatnonzero((leaf == both[0]) & c)[0]) for c in (cut, ~cut))
        msg = f"sequences {i} and {j} are the same, one truncated, one not; give end="
        raise ValueError(msg)


def _returns(paid: np.ndarray, discount: float) -> np.ndarray:
    """(n, H) discounted reward from each token on."""
    out = paid.copy()
    for t in range(paid.shape[1] - 2, -1, -1):
        out[:, t] += discount * out[:, t + 1]
    return out
