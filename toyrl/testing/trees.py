"""Hypothesis strategies for prefix trees: fast, ugly on purpose, shrinking to the smallest.

One draw of bytes is a whole tree. A header says how high and how wide it is at most, and bytes of
0 behind it are the complete tree of these sizes with a uniform policy and no reward; other bytes
cut branches, tilt the policy, and pay. So lowering a size is one step for the shrinker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from toyrl.testing.mdps import PAID
from toyrl.worlds.tree.model import Tree

__all__ = ["tree_policies", "trees"]

HEADER = 4  # bytes for sizes and switches
CUT = [max(b % 8 - 4, 0) for b in range(256)]  # a byte as the number of children that are missing
# A token's weight among its siblings is 1, 2, 3 or 0: zeros and ties are common.
WEIGHT = bytes((b + 1) % 4 for b in range(256))


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

    Raises ValueError for sizes below 1, more than 255 children or more than 1,000 nodes.
    """
    if height < 1 or not 1 <= branching <= 255 or branching**height > 700:
        msg = f"height={height}, branching={branching}: at least 1, at most 255 and 1,000 nodes"
        raise ValueError(msg)
    layout = _layout(height, branching)
    size = HEADER + 3 * len(layout.above)
    kinds = (False, True) if dense is None else (dense,)
    own = (branching, layout, tuple(discounts), kinds)
    return st.binary(min_size=size, max_size=size).map(lambda flat: _read(flat, *own))


def tree_policies(tree: Tree) -> st.SearchStrategy[np.ndarray]:
    """Policies (N,) of a tree as log-probabilities, tokens that are never written among them."""
    N, parent = tree.n_nodes, tree.parent
    first = np.append(True, parent[1:] != np.append(-1, parent[1:-1]))

    def read(flat: bytes) -> np.ndarray:
        return _log_prob(parent, np.frombuffer(flat.translate(WEIGHT), dtype=np.uint8), first)

    return st.binary(min_size=N, max_size=N).map(read)


class _Layout(NamedTuple):
    """The complete tree of a height and branching: what reading bytes looks up."""

    above: np.ndarray  # (M,) parents
    rank: np.ndarray  # (M,) ranks among siblings, the root's never read
    layers: list[tuple[slice, np.ndarray]]  # a depth's nodes and their parents
    children: list[bytes]  # by the most children allowed: a byte as a number of children


@lru_cache
def _layout(height: int, branching: int) -> _Layout:
    sizes = [branching**d for d in range(height + 1)]
    ends = np.cumsum(sizes)
    place = np.arange(int(ends[-1]))
    above = (place - 1) // branching
    spans = [slice(int(e - s), int(e)) for s, e in zip(sizes, ends, strict=True)]
    rank = ((place - 1) % branching).astype(np.uint8)  # compared with bytes: nothing is converted
    children = [bytes(max(most - cut, 0) for cut in CUT) for most in range(branching + 1)]
    return _Layout(above, rank, [(x, above[x]) for x in spans], children)


_LOG = np.concatenate([[-np.inf], np.log(np.arange(1, 4096))])


def _log_prob(parent: np.ndarray, weight: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Weights (N,) as log-probabilities; where siblings have none, the first is sure."""
    total = np.bincount(parent[1:], weight[1:]).take(parent).astype(np.intp)
    total[0] = 1
    if not total.all():
        none = total == 0
        weight = np.where(none & first, 1, weight)
        total[none] = 1
    out = _LOG.take(weight)
    out -= _LOG.take(total)
    out[0] = 0.0
    return out


def _read(
    flat: bytes,
    branching: int,
    layout: _Layout,
    discounts: Sequence[float],
    kinds: Sequence[bool],
) -> Tree:
    above, rank, layers, children = layout
    n = len(above)
    height = 1 + flat[0] % (len(layers) - 1)
    most = 1 + flat[1] % branching
    discount, dense = discounts[flat[2] % len(discounts)], kinds[flat[3] % len(kinds)]
    inner = layers[height][0].start  # nodes above the last layer allowed
    many = bytearray(n)
    many[:inner] = flat[HEADER : HEADER + inner].translate(children[most])
    many[0] = many[0] or 1
    many = np.frombuffer(many, dtype=np.uint8)
    there = rank < many.take(above)
    there[0] = True
    for layer, parents in layers[2 : height + 1]:
        there[layer] &= there.take(parents)
    kept = there.nonzero()[0]
    size = len(kept)
    parent = there.cumsum().take(above.take(kept))
    parent -= 1
    parent[0] = -1
    token = rank.take(kept).astype(np.intp)
    token[0] = -1
    # Shrinking sorts zeros to the front. So rewards of leaves are counted from the last leaf, which
    # is still the last one in a smaller tree, and rewards of all from the root on.
    paid = PAID.take(np.frombuffer(flat, np.uint8, size, len(flat) - size)[:: -1 if dense else 1])
    leaf = many.take(kept) == 0
    if not dense:
        paid *= leaf
    paid[0] = 0.0
    end = HEADER + 2 * n
    weight = np.frombuffer(flat[end - size : end].translate(WEIGHT), np.uint8)
    right = (leaf & (paid > 0)).astype(np.float64)
    log_prob = _log_prob(parent, weight, token == 0)
    return Tree.trusted(parent, token, log_prob, paid, discount, None, right, dense=dense)
