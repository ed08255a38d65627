"""Trees from policies, from edges in any order, at random; for logs see `toyrl.worlds.tree.log`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, POSITIVE, SHARE, checked, one_of
from toyrl.worlds.tree.laws import structure_laws
from toyrl.worlds.tree.model import Tree, normalised

__all__ = ["LIMIT", "complete_tree", "from_parents", "random_tree"]

LIMIT = 4_000_000  # nodes: some 32 MB for each array of them


@checked
def complete_tree(
    logits: Any,
    height: Annotated[int, COUNT],
    *,
    end: int | None = None,
    reward: Any = None,
    discount: Annotated[float, SHARE] = 1.0,
    limit: Annotated[int, COUNT] = LIMIT,
) -> Tree:
    """Every sequence over a vocabulary of V tokens up to a number of tokens, under a policy.

    logits : (V,) the same everywhere; (height, V) by place; or a function of the prefixes of one
        depth, (M, t) tokens -> (M, V), as a language model is one
    height : tokens after which a sequence is over
    end : the token that ends a sequence; sequences of `height` tokens without it are truncated.
        None: all have `height` tokens, and none is truncated
    reward : (L,) of the leaves, or a function of their tokens (L, height), -1 behind the end
    limit : largest number of nodes

    Raises ValueError for logits of another shape, an end token outside the vocabulary, more nodes
    than `limit`, and arguments out of their ranges.
    """
    at = logits if callable(logits) else _by_place(np.asarray(logits, dtype=float), height)
    grown = _Growing()
    prefixes, first = np.empty((1, 0), dtype=np.int64), np.zeros(1, dtype=np.int64)
    for _ in range(height):
        here = _scores(at, prefixes, end)
        if grown.size + here.size > limit:
            msg = (
                f"height={height} gives more than limit={limit} nodes; lower it, or sample "
                "sequences and use from_sequences"
            )
            raise ValueError(msg)
        V = here.shape[1]
        token = np.tile(np.arange(V), len(prefixes))
        place = grown.add(np.repeat(first, V), token, here.ravel())
        going = np.ones(token.size, dtype=bool) if end is None else token != end
        first = place[going]
        if not first.size:
            break
        prefixes = np.concatenate([np.repeat(prefixes, V, axis=0), token[:, None]], axis=1)[going]
    tree = grown.tree(discount)
    cut = None if end is None else tree.is_leaf & (tree.token != end)
    tree = tree.with_(truncated=cut)
    if reward is None:
        return tree
    return tree.with_(reward=tree.at_leaves(reward(tree.sequences) if callable(reward) else reward))


class _Growing:
    """Nodes that come layer by layer."""

    def __init__(self) -> None:
        self.parent, self.token = [np.array([-1])], [np.array([-1])]
        self.logits, self.size = [np.zeros(1)], 1

    def add(self, parent: np.ndarray, token: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """A layer; returns its nodes."""
        self.parent.append(parent)
        self.token.append(token)
        self.logits.append(logits)
        place = self.size + np.arange(len(parent))
        self.size += len(parent)
        return place

    def tree(self, discount: float) -> Tree:
        """The tree, without rewards."""
        parent, token = np.concatenate(self.parent), np.concatenate(self.token)
        logits, none = np.concatenate(self.logits), np.zeros(self.size)
        bare = Tree.trusted(parent, token, logits, none, discount)
        return bare.with_(log_prob=normalised(bare, logits))


def _scores(at: Callable[[np.ndarray], Any], prefixes: np.ndarray, end: int | None) -> np.ndarray:
    """(M, V) logits of these prefixes."""
    here = np.asarray(at(prefixes), dtype=float)
    if here.ndim != 2 or len(here) != len(prefixes) or not here.size:
        msg = f"logits of {len(prefixes)} prefixes have shape {here.shape}; they must be (M, V)"
        raise ValueError(msg)
    if end is not None and not 0 <= end < here.shape[1]:
        msg = f"end={end} is no token; tokens are 0..{here.shape[1] - 1}"
        raise ValueError(msg)
    return here


def _by_place(logits: np.ndarray, height: int) -> Callable[[np.ndarray], np.ndarray]:
    if logits.ndim == 1:
        return lambda prefixes: np.broadcast_to(logits, (len(prefixes), logits.size))
    if logits.ndim != 2 or len(logits) != height:
        msg = f"logits has shape {logits.shape}; give (V,), ({height}, V), or a function"
        raise ValueError(msg)
    return lambda prefixes: np.broadcast_to(
        logits[prefixes.shape[1]], (len(prefixes), logits.shape[1])
    )


def from_parents(
    parent: Any,
    token: Any,
    log_prob: Any,
    reward: Any = None,
    *,
    truncated: Any = None,
    correct: Any = None,
    fields: Mapping[str, Any] | None = None,
    discount: float = 1.0,
    dense: bool = False,
) -> tuple[Tree, np.ndarray]:
    """A tree from nodes in any order, and where each of them went.

    Arguments are those of `Tree`, but a parent may stand anywhere; the root has parent -1.
    Siblings keep the order that they had.

    Returns (tree, place): what was node n is now node place[n], place (N,).

    Raises ValueError for cycles and other laws that are broken.
    """
    given = np.asarray(parent)
    problems = ["parent must be (N,) whole numbers"]
    if given.ndim == 1 and given.dtype.kind in "iu":
        problems = list(structure_laws(given))
    if problems:
        raise ValueError("from_parents: " + "; ".join(problems))
    order = _layer_order(given)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    above = given[order]
    above = np.where(above < 0, -1, place[above])

    def moved(x: Any) -> Any:
        return None if x is None else np.asarray(x)[order]

    own = {name: moved(x) for name, x in (fields or {}).items()}
    tree = Tree(
        above,
        moved(token),
        moved(log_prob),
        moved(reward),
        discount,
        moved(truncated),
        moved(correct),
        own,
        dense,
    )
    return tree, place


def _layer_order(parent: np.ndarray) -> np.ndarray:
    """(N,) nodes of a tree by depth, then by the place of the parent, then as they stood."""
    by_parent = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[by_parent], np.arange(len(parent) + 1))
    layer = np.flatnonzero(parent < 0)
    out = [layer]
    while layer.size:
        low, count = starts[layer], starts[layer + 1] - starts[layer]
        begin = np.repeat(low - np.concatenate([[0], np.cumsum(count)[:-1]]), count)
        layer = by_parent[begin + np.arange(count.sum())]
        out.append(layer)
    return np.concatenate(out)


@checked
def random_tree(
    rng: np.random.Generator,
    height: Annotated[int, COUNT],
    branching: Annotated[int, COUNT] = 3,
    *,
    stop: Annotated[float, SHARE] = 0.25,
    concentration: Annotated[float, POSITIVE] = 1.0,
    reward: Annotated[str, one_of("binary", "normal", "dense")] = "binary",
    discount: Annotated[float, SHARE] = 1.0,
    limit: Annotated[int, COUNT] = LIMIT,
) -> Tree:
    """A tree of random shape, Dirichlet policies and random rewards.

    height : most tokens; branching : a node that goes on has 1..branching children
    stop : chance that a node above `height` is a leaf
    concentration : of the Dirichlet laws of tokens
    reward : "binary" 0 or 1 in leaves; "normal" in leaves; "dense" normal on every token. A leaf
        is right where its own reward is positive

    Raises ValueError for arguments out of their ranges, and for more nodes than `limit`.
    """
    grown, layer = _Growing(), np.zeros(1, dtype=np.int64)
    for t in range(height):
        goes_on = np.ones(1, dtype=bool) if t == 0 else rng.random(layer.size) >= stop
        count = np.where(goes_on, rng.integers(1, branching + 1, size=layer.size), 0)
        total = int(count.sum())
        if not total:
            break
        if grown.size + total > limit:
            msg = f"more than limit={limit} nodes at depth {t + 1}; lower height or branching"
            raise ValueError(msg)
        first = np.repeat(np.concatenate([[0], np.cumsum(count)[:-1]]), count)
        # a tiny concentration can give siblings no weight at all: an offset keeps logs finite
        weight = rng.standard_gamma(concentration, size=total) + np.finfo(float).tiny
        layer = grown.add(np.repeat(layer, count), np.arange(total) - first, np.log(weight))
    tree = grown.tree(discount)
    dense = reward == "dense"
    if reward == "binary":
        paid = tree.at_leaves(rng.integers(0, 2, size=tree.n_leaves))
    else:
        paid = rng.normal(size=tree.n_nodes) * (dense | tree.is_leaf)
        paid[0] = 0.0
    return tree.with_(reward=paid, correct=(tree.is_leaf & (paid > 0)) * 1.0, dense=dense)
