"""What a prefix tree must satisfy: each law a sentence, with places that break it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from toyrl.worlds.tree.model import Tree

ROW_SUM = 1e-9  # siblings are normalised in floating point: far above rounding, below any fault
SHOWN = 3  # places named of each broken law


def broken_laws(tree: Tree) -> list[str]:
    """Sentences of the laws that the fields of a tree break; [] for a sound one.

    Sizes are judged first, then the shape of the tree: where that is broken, what its nodes hold
    is judged node by node alone.
    """
    sizes = list(_sizes(tree))
    if sizes:
        return sizes
    shape = list(structure_laws(tree.parent)) + list(_order(tree.parent))
    found = shape + list(_alone(tree))
    return found if shape else found + list(_together(tree))


def structure_laws(parent: np.ndarray) -> Iterator[str]:
    """Is this one tree, in whatever order of its nodes? parent : (N,) whole numbers."""
    N = len(parent)
    roots = np.flatnonzero(parent == -1)
    if not roots.size:
        yield "no root: one node, the empty prefix, has parent -1"
        return
    if roots.size > 1:
        yield f"{nodes(roots)} have parent -1: a tree has one root; join them under it"
    bad = np.flatnonzero((parent < -1) | (parent >= N))
    if bad.size:
        told = ", ".join(f"parent[{n}] = {parent[n]}" for n in bad[:SHOWN])
        yield f"{told}{more(bad.size)}: no such node; nodes are 0..{N - 1}"
        return
    lost = np.flatnonzero(~reaches_root(parent))
    if lost.size:
        cycle = _cycle(parent, int(lost[0]))
        way = " -> ".join(str(n) for n in [*cycle, cycle[0]])
        yield f"cycle {way} (child -> parent): no path leads from the root to {nodes(lost)}"


def faulty_policy(parent: np.ndarray, log_prob: np.ndarray, name: str) -> list[str]:
    """What keeps log-probabilities (N,) from being a law over siblings; [] for nothing."""
    if log_prob.shape != parent.shape:
        return [f"{name} has shape {log_prob.shape}; it must be {parent.shape}, a number a node"]
    p = log_prob[1:]
    bad = 1 + np.flatnonzero(~(p <= ROW_SUM))
    if bad.size:
        told = ", ".join(f"{name}[{n}] = {log_prob[n]:g}" for n in bad[:SHOWN])
        return [f"{told}{more(bad.size)}: a log-probability is at most 0, and not NaN"]
    total = np.bincount(parent[1:], np.exp(p), len(parent))
    own = np.zeros(len(parent), dtype=bool)
    own[parent[1:]] = True
    off = np.flatnonzero(own & ~(abs(total - 1) <= ROW_SUM))
    if off.size:
        told = ", ".join(f"the children of node {n} sum to {total[n]:.6g}" for n in off[:SHOWN])
        return [
            f"{name}: probabilities of {told}{more(off.size)}, not to 1; normalise them, or give "
            "logits by with_logits"
        ]
    return []


# -- laws -----------------------------------------------------------------------------------------
def _sizes(tree: Tree) -> Iterator[str]:
    shape = tree.parent.shape
    if len(shape) != 1 or shape[0] < 2:
        yield f"parent has shape {shape}; it must be (N,) with N >= 2: the root and a token"
        return
    for name in ("parent", "token"):
        value = getattr(tree, name)
        if value.dtype.kind not in "iu":
            yield f"{name} holds {value.dtype} numbers; it must hold whole numbers"
    each = {name: getattr(tree, name) for name in ("token", "log_prob", "reward")}
    each |= {name: getattr(tree, name) for name in ("truncated", "correct")}
    each |= {f"fields[{name!r}]": value for name, value in tree.fields.items()}
    for name, value in each.items():
        if value is not None and value.shape != shape:
            yield f"{name} has shape {value.shape}; it must be {shape}, a number a node"


def _order(parent: np.ndarray) -> Iterator[str]:
    place = np.arange(len(parent))
    if parent[0] != -1 and (parent == -1).any():
        yield f"node 0 has parent {parent[0]}: the root comes first; from_parents reorders"
    inside = (parent >= 0) & (parent < len(parent))
    late = np.flatnonzero(inside & (parent >= place))
    if late.size and reaches_root(np.clip(parent, -1, len(parent) - 1)).all():
        told = ", ".join(f"node {n} before its parent {parent[n]}" for n in late[:SHOWN])
        yield f"{told}{more(late.size)}: parents come first; from_parents reorders"
    falls = 1 + np.flatnonzero(np.diff(parent) < 0)
    falls = falls[parent[falls] >= 0]
    if falls.size and not late.size:
        n = int(falls[0])
        yield (
            f"parent falls at node {n}, from {parent[n - 1]} to {parent[n]}{more(falls.size, 1)}: "
            "nodes stand in layers, siblings together; from_parents reorders"
        )


def _alone(tree: Tree) -> Iterator[str]:
    """Laws about nodes one by one."""
    low = 1 + np.flatnonzero(tree.token[1:] < 0)
    if low.size:
        told = ", ".join(f"token[{n}] = {tree.token[n]}" for n in low[:SHOWN])
        yield f"{told}{more(low.size)}: a token is 0 or more"
    bad = np.flatnonzero(~np.isfinite(tree.reward))
    if bad.size:
        told = ", ".join(f"reward[{n}] = {tree.reward[n]:g}" for n in bad[:SHOWN])
        yield f"{told}{more(bad.size)} is not finite: give finite rewards"
    if tree.reward[0] != 0:
        yield (
            f"reward[0] = {tree.reward[0]:g} is paid at the root, to which no token leads: "
            "spread it over the leaves"
        )
    if not 0 <= tree.discount <= 1:
        yield f"discount={tree.discount:g} must lie in [0, 1]"
    for name, value in tree.fields.items():
        if value.dtype.kind == "f" and np.isnan(value).any():
            yield f"fields[{name!r}] is NaN at {nodes(np.flatnonzero(np.isnan(value)))}"


def _together(tree: Tree) -> Iterator[str]:
    """Laws about siblings, and about leaves and inner nodes."""
    yield from _twins(tree)
    yield from faulty_policy(tree.parent, tree.log_prob, "log_prob")
    inner = ~tree.is_leaf
    paid = np.flatnonzero(inner & (tree.reward != 0) & (np.arange(tree.n_nodes) > 0))
    if paid.size and not tree.dense:
        yield (
            f"reward is paid at inner {nodes(paid)}: pay it at leaves, or say dense=True for "
            "rewards of single tokens"
        )
    if tree.truncated is not None and (tree.truncated & inner).any():
        yield (
            f"truncated at inner {nodes(np.flatnonzero(tree.truncated & inner))}: only a sequence "
            "that ends can be cut off"
        )
    if tree.correct is None:
        return
    right = np.where(inner, 0.0, tree.correct)
    bad = np.flatnonzero(~((right >= 0) & (right <= 1)))
    if bad.size:
        told = ", ".join(f"correct[{n}] = {right[n]:g}" for n in bad[:SHOWN])
        yield f"{told}{more(bad.size)} must lie in [0, 1]"
    if tree.truncated is not None and (tree.truncated & (right > 0)).any():
        yield (
            f"correct at truncated {nodes(np.flatnonzero(tree.truncated & (right > 0)))}: a "
            "sequence that is cut off has no right answer"
        )


def _twins(tree: Tree) -> Iterator[str]:
    # siblings are neighbours: sorted by (parent, token), twins are too
    order = np.lexsort((tree.token[1:], tree.parent[1:])) + 1
    same = (np.diff(tree.parent[order]) == 0) & (np.diff(tree.token[order]) == 0)
    twins = order[1:][same]
    if twins.size:
        n = int(twins[0])
        yield (
            f"token {tree.token[n]} leads twice from node {tree.parent[n]}{more(twins.size, 1)}: "
            "the same prefix is one node; merge them"
        )


# -- helpers --------------------------------------------------------------------------------------
def reaches_root(parent: np.ndarray) -> np.ndarray:
    """(N,) bool: nodes from which parents lead to a root, by doubling the stride."""
    above = np.where(parent < 0, np.arange(len(parent)), parent)
    for _ in range(max(1, len(parent).bit_length())):
        above = above[above]
    return parent[above] < 0


def _cycle(parent: np.ndarray, node: int) -> list[int]:
    """The cycle that a node's ancestors end in."""
    for _ in range(len(parent)):
        node = int(parent[node])
    first, out = node, [node]
    while (node := int(parent[node])) != first:
        out.append(node)
    return out[:6]


def more(count: int, shown: int = SHOWN) -> str:
    """`and 3 more`, where more than is shown."""
    return f" and {count - shown} more" if count > shown else ""


def nodes(found: Sequence[int] | np.ndarray) -> str:
    """`nodes 1, 2, 3 and 4 more`; found : (N,) their numbers."""
    word = "node" if len(found) == 1 else "nodes"
    return f"{word} {', '.join(str(int(n)) for n in found[:SHOWN])}{more(len(found))}"
