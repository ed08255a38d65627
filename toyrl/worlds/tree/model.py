"""Prefix trees of token sequences: every prefix a node, every token an edge, every end a leaf.

Shapes: N nodes, L leaves, H tokens on the longest path. Node 0 is the root, the prompt with no
token yet; the arrays of a tree are (N,), and entry n > 0 is about the edge that leads to node n:
its token, its log-probability, the reward paid for it. Entry 0 belongs to no edge and isn't read.

Nodes stand in *layer order*: by depth, and within a depth by parent, so that `parent` never falls
and the children of a node are neighbours. All sums over siblings are then one pass, and a value or
an occupancy is one sweep over the layers. `toyrl.worlds.tree.build` makes trees, and brings any
other order into this one.

A sequence ends in a leaf alone. Where one sequence is a prefix of another, the shorter one needs
an end token, as a language model writes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from toyrl.pytree import register
from toyrl.worlds.tree.laws import broken_laws, faulty_policy

__all__ = ["Layer", "Tree", "log_policy", "normalised"]


class Layer(NamedTuple):
    """The nodes of one depth, one behind the other, and the parents they have.

    nodes : slice of the nodes; parents : (M,) their parents, each once; starts : (M,) where the
    children of each parent begin, counted within the layer
    """

    nodes: slice
    parents: np.ndarray
    starts: np.ndarray


@register
@dataclass(frozen=True, eq=False)
class Tree:
    """A finite prefix tree with a policy and rewards (host object: NumPy arrays, kept).

    parent : (N,) whole numbers, parent[0] = -1; never falling, each smaller than its own place
    token : (N,) whole numbers >= 0, different among siblings; token[0] is not read
    log_prob : (N,) log-probability of the token given the prefix, in nats, -inf allowed; siblings'
        probabilities sum to 1. Logits instead: `with_logits`
    reward : (N,) paid when the token is written; None: none. On leaves alone, unless `dense`
    discount : in [0, 1], per token
    truncated : (N,) bool, the leaves that ran into the limit instead of ending; None: none
    correct : (N,) in [0, 1], the chance that the answer of a leaf is right; read at leaves. None:
        the rewards of the leaves, where these lie in [0, 1]
    fields : further numbers of nodes by name, (N,) each; those with the name of a registered field
        of rollouts go along into rollouts (`toyrl.worlds.tree.convert`)
    dense : say True to allow rewards on inner nodes

    Raises ValueError that lists every broken law with its places, a line each.
    """

    parent: Any
    token: Any
    log_prob: Any
    reward: Any = None
    discount: float = 1.0
    truncated: Any = None
    correct: Any = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    dense: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name in ("parent", "token"):
            put(self, name, _whole(getattr(self, name)))
        reward = np.zeros(np.shape(self.parent)) if self.reward is None else self.reward
        put(self, "log_prob", np.asarray(self.log_prob, dtype=np.float64))
        put(self, "reward", np.asarray(reward, dtype=np.float64))
        put(self, "discount", float(self.discount))
        if self.truncated is not None:
            put(self, "truncated", np.asarray(self.truncated, dtype=bool))
        if self.correct is not None:
            put(self, "correct", np.asarray(self.correct, dtype=np.float64))
        put(self, "fields", {k: np.asarray(v) for k, v in self.fields.items()})
        self.validate()

    @classmethod
    def trusted(
        cls,
        parent: np.ndarray,
        token: np.ndarray,
        log_prob: np.ndarray,
        reward: np.ndarray,
        discount: float = 1.0,
        truncated: np.ndarray | None = None,
        correct: np.ndarray | None = None,
        fields: Mapping[str, np.ndarray] | None = None,
        *,
        dense: bool = False,
    ) -> Tree:
        """A tree without any check, for builders that satisfy the laws by construction.

        Arrays as they are kept, (N,) each; a test of the builder calls `validate`.
        """
        out = object.__new__(cls)
        given = (parent, token, log_prob, reward, discount, truncated, correct, fields or {}, dense)
        out.__dict__.update(zip(_FIELDS, given, strict=True))
        return out

    def validate(self) -> None:
        """Check every law again.

        Raises ValueError that lists every broken law with its places.
        """
        problems = broken_laws(self)
        if problems:
            laws = "law" if len(problems) == 1 else "laws"
            lines = "".join(f"\n  - {p}" for p in problems)
            msg = f"Tree: {len(problems)} {laws} broken{lines}"
            raise ValueError(msg)

    # -- sizes ----------------------------------------------------------------------------------
    @property
    def n_nodes(self) -> int:
        """N."""
        return len(self.parent)

    @property
    def height(self) -> int:
        """H: tokens on the longest path."""
        return len(self.layers)

    @property
    def n_leaves(self) -> int:
        """L."""
        return len(self.leaves)

    # -- views ----------------------------------------------------------------------------------
    @cached_property
    def inner(self) -> np.ndarray:
        """(M,) nodes with children, rising."""
        return self.parent[1:][self._starts]

    @cached_property
    def _starts(self) -> np.ndarray:
        """(M,) where the children of each inner node begin, in the arrays without the root."""
        first = np.empty(len(self.parent) - 1, dtype=bool)
        first[:1] = True
        np.not_equal(self.parent[2:], self.parent[1:-1], out=first[1:])
        return np.flatnonzero(first)

    @cached_property
    def is_leaf(self) -> np.ndarray:
        """(N,) bool."""
        out = np.ones(self.n_nodes, dtype=bool)
        out[self.inner] = False
        return out

    @cached_property
    def leaves(self) -> np.ndarray:
        """(L,) nodes that end a sequence, rising."""
        return np.flatnonzero(self.is_leaf)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of depth 1..H."""
        out, low, high = [], 1, 1
        begins, inner = self._starts + 1, self.inner
        i = 0
        while low < self.n_nodes:
            j = int(np.searchsorted(inner, high))  # parents of this layer: inner[i:j]
            end = int(begins[j]) if j < len(begins) else self.n_nodes
            out.append(Layer(slice(low, end), inner[i:j], begins[i:j] - low))
            low, high, i = end, end, j
        return tuple(out)

    @cached_property
    def depth(self) -> np.ndarray:
        """(N,) tokens before the node, its own included."""
        sizes = [1, *(x.nodes.stop - x.nodes.start for x in self.layers)]
        return np.repeat(np.arange(len(sizes)), sizes)

    @cached_property
    def paths(self) -> np.ndarray:
        """(L, H) the node behind each token of each sequence, -1 behind its end."""
        out = np.full((self.n_leaves, self.height), -1, dtype=np.int64)
        at = self.leaves.copy()
        for d in range(self.height, 0, -1):
            here = self.depth[at] == d
            out[here, d - 1] = at[here]
            at[here] = self.parent[at[here]]
        return out

    @cached_property
    def sequences(self) -> np.ndarray:
        """(L, H) tokens of each sequence, -1 behind its end."""
        return np.where(self.paths >= 0, self.token[self.paths], -1)

    @cached_property
    def success(self) -> np.ndarray:
        """(L,) chance that the answer of each leaf is right.

        Raises ValueError without `correct` where rewards of leaves lie outside [0, 1].
        """
        if self.correct is not None:
            return self.correct[self.leaves]
        paid = self.reward[self.leaves]
        if ((paid < 0) | (paid > 1)).any():
            msg = (
                f"rewards of leaves reach from {paid.min():g} to {paid.max():g}, which are no "
                "chances of a right answer; give Tree(correct=...) (N,)"
            )
            raise ValueError(msg)
        if self.truncated is not None:
            return np.where(self.truncated[self.leaves], 0.0, paid)
        return paid

    # -- places -----------------------------------------------------------------------------------
    def prefix(self, node: int) -> tuple[int, ...]:
        """The tokens that lead to a node."""
        out: list[int] = []
        while node > 0:
            out.append(int(self.token[node]))
            node = int(self.parent[node])
        return tuple(reversed(out))

    def find(self, tokens: Sequence[int]) -> int:
        """The node of a prefix.

        Raises KeyError with the longest part that is in the tree.
        """
        node = 0
        for t, wanted in enumerate(tokens):
            low, high = np.searchsorted(self.parent, [node, node + 1])
            hit = np.flatnonzero(self.token[low:high] == wanted)
            if not hit.size:
                msg = (
                    f"no prefix {list(tokens)}: after {list(tokens[:t])} the tree goes on with "
                    f"{self.token[low:high].tolist() or 'nothing'}"
                )
                raise KeyError(msg)
            node = int(low + hit[0])
        return node

    def at_leaves(self, values: Any) -> np.ndarray:
        """(..., N) of values (..., L): in their leaves, 0 elsewhere.

        Raises ValueError for another number of values.
        """
        given = np.asarray(values, dtype=np.float64)
        if given.shape[-1:] != (self.n_leaves,):
            msg = f"values has shape {given.shape}; the tree has {self.n_leaves} leaves: (..., L)"
            raise ValueError(msg)
        out = np.zeros((*given.shape[:-1], self.n_nodes))
        out[..., self.leaves] = given
        return out

    def children(self, x: np.ndarray, how: np.ufunc = np.add, *, empty: float = 0.0) -> np.ndarray:
        """(..., N) of x (..., N): its sum (or `how`) over the children of each node.

        empty : at leaves
        """
        out = np.full(x.shape, empty, dtype=np.result_type(x, type(empty)))
        out[..., self.inner] = how.reduceat(x[..., 1:], self._starts, axis=-1)
        return out

    # -- copies -----------------------------------------------------------------------------------
    def with_(self, **changes: Any) -> Tree:
        """A copy with some fields replaced; all laws are checked again."""
        return replace(self, **changes)

    def with_logits(self, logits: Any) -> Tree:
        """A copy whose policy is the softmax of logits (N,) among siblings.

        Raises ValueError as `normalised` does.
        """
        return self.with_(log_prob=normalised(self, logits))


_FIELDS = tuple(f.name for f in fields(Tree))


def normalised(tree: Tree, logits: Any) -> np.ndarray:
    """(..., N) log-probabilities: logits (..., N) less their log-sum-exp over siblings, root 0.

    Raises ValueError for another shape, NaN or +inf, or siblings that are all -inf.
    """
    given = np.array(logits, dtype=np.float64)
    if given.shape[-1:] != (tree.n_nodes,):
        msg = f"logits has shape {given.shape}; the tree has {tree.n_nodes} nodes: (..., N)"
        raise ValueError(msg)
    given[..., 0] = 0.0
    top = tree.children(given, np.maximum)
    if not (top < np.inf).all() or (top == -np.inf).any():
        bad = int(np.argwhere(~(np.isfinite(top)))[0][-1])
        msg = (
            f"logits of the children of node {bad} have the maximum {top[..., bad].ravel()[0]:g}; "
            "they must be finite or -inf, one of each siblings finite"
        )
        raise ValueError(msg)
    own = np.maximum(tree.parent, 0)
    given -= top[..., own]
    total = tree.children(np.exp(given), empty=1.0)
    given -= np.log(total)[..., own]
    given[..., 0] = 0.0
    return given


def log_policy(tree: Tree, policy: Any = None) -> np.ndarray:
    """(N,) log-probabilities of a policy on the tree: its own, or those given, checked.

    Raises ValueError with the places where they are no law over siblings.
    """
    if policy is None:
        return tree.log_prob
    given = np.asarray(policy, dtype=np.float64)
    problems = faulty_policy(tree.parent, given, "policy")
    if problems:
        raise ValueError("; ".join(problems))
    return given


def _whole(given: Any) -> np.ndarray:
    array = np.asarray(given)
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
