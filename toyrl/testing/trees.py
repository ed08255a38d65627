"""Hypothesis strategies for prefix trees: fast, ugly on purpose, shrinking to the smallest.

One draw of bytes is a whole tree. A header says how high and how wide it is at most, and bytes of
0 behind it are the complete tree of these sizes with a uniform policy and no reward; other bytes
cut branches, tilt the policy, and pay. So lowering a size is one step for the shrinker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from hypothesis import strategies as st

from toyrl.testing.mdps import PAID
from toyrl.worlds.tree.model import Tree

__all__ = ["tree_policies", "trees"]

HEADER = 4  # bytes for sizes and switches
CUT = np.maximum(np.arange(256) % 8 - 4, 0)  # a byte as the number of children that are missing
WEIGHTS = 4  # a token's weight among its siblings is 1, 2, 3 or 0: zeros and ties are common


def trees(
    *,
    height: int = 3,
    branching: int = 3,
    discounts: Sequence[float] = (1.0, 0.5, 0.0),
    dense: bool | None = None,
) -> st.SearchStrategy[Tree]:
    """Trees with tokens that are never written, ties, chains without a choice, leaves at any depth.

    height, branching : most tokens of a sequence and most children of a node
    discounts : the simplest first
    dense : rewards on all tokens, or in leaves alone; None: either

    Rewards are on a grid of 1/8 in [-2, 2]; a leaf is right where its own reward is positive.

    Raises ValueError for sizes below 1, or more than 1,000 nodes.
    """
    if height < 1 or branching < 1 or branching**height > 700:
        msg = f"height={height}, branching={branching}: at least 1, and at most 1,000 nodes"
        raise ValueError(msg)
    layout = _layout(height, branching)
    size = HEADER + 3 * len(layout[0])
    kinds = (False, True) if dense is None else (dense,)
    own = (branching, layout, tuple(discounts), kinds)
    return st.binary(min_size=size, max_size=size).map(lambda flat: _read(flat, *own))


def tree_policies(tree: Tree) -> st.SearchStrategy[np.ndarray]:
    """Policies (N,) of a tree as log-probabilities, tokens that are never written among them."""
    N, parent = tree.n_nodes, tree.parent
    first = np.append(True, parent[1:] != np.append(-1, parent[1:-1]))

    def read(flat: bytes) -> np.ndarray:
        weight = (np.frombuffer(flat, dtype=np.uint8) + 1) % WEIGHTS
        return _log_prob(parent, weight, first)

    return st.binary(min_size=N, max_size=N).map(read)


@lru_cache
def _layout(height: int, branching: int) -> tuple[np.ndarray, np.ndarray, list[slice]]:
    """Parents and ranks among siblings (M,) of the complete tree, and its layers."""
    sizes = [branching**d for d in range(height + 1)]
    ends = np.cumsum(sizes)
    n = int(ends[-1])
    place = np.arange(n)
    rank = (place - 1) % branching
    rank[0] = -1
    layers = [slice(int(e - s), int(e)) for s, e in zip(sizes, ends, strict=True)]
    return (place - 1) // branching, rank, layers


_LOG = np.concatenate([[-np.inf], np.log(np.arange(1, 4096))])


def _log_prob(parent: np.ndarray, weight: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Weights (N,) as log-probabilities; where siblings have none, the first is sure."""
    total = np.bincount(parent[1:], weight[1:])[parent].astype(np.intp)
    total[0] = 1
    if not total.all():
        none = total == 0
        weight = np.where(none & first, 1, weight)
        total[none] = 1
    out = _LOG[weight]
    out -= _LOG[total]
    out[0] = 0.0
    return out


def _read(
    flat: bytes,
    branching: int,
    layout: tuple[np.ndarray, np.ndarray, list[slice]],
    discounts: Sequence[float],
    kinds: Sequence[bool],
) -> Tree:
    above, rank, layers = layout
    height = 1 + flat[0] % (len(layers) - 1)
    most = 1 + flat[1] % branching
    discount, dense = discounts[flat[2] % len(discounts)], kinds[flat[3] % len(kinds)]
    numbers = np.frombuffer(flat, dtype=np.uint8, offset=HEADER).reshape(3, -1)
    many = np.maximum(most - CUT[numbers[0]], 0)
    many[0] = max(1, many[0])
    many[layers[height].start :] = 0
    there = rank < many[above]
    there[0] = True
    for layer in layers[2 : height + 1]:
        there[layer] &= there[above[layer]]
    kept = there.nonzero()[0]
    parent = there.cumsum()[above[kept]]
    parent -= 1
    parent[0] = -1
    token = rank[kept]
    # Shrinking sorts zeros to the front. So rewards of leaves are counted from the last leaf, which
    # is still the last one in a smaller tree, and rewards of all from the root on.
    paid = PAID[numbers[2, : -len(kept) - 1 : -1] if dense else numbers[2, -len(kept) :]]
    leaf = many[kept] == 0
    if not dense:
        paid *= leaf
    paid[0] = 0.0
    log_prob = _log_prob(parent, (numbers[1, -len(kept) :] + 1) % WEIGHTS, token == 0)
    right = (leaf & (paid > 0)).astype(np.float64)
    return Tree.trusted(parent, token, log_prob, paid, discount, None, right, dense=dense)
