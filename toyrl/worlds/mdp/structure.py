"""The graph of a Markov decision process: order in time, reachability, bandwidth, what never ends.

Edges are transitions of positive probability from states that are not terminal. Everything here
is linear in their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.worlds.mdp import kernels

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

SMALL = 64  # below, boolean tensors are faster than building sparse ones
BAND = 32  # width up to which sparse LU costs no more than some 30 products a state


@dataclass(frozen=True, eq=False)
class Structure:
    """What a solver has to know of the graph.

    order : (S,) states such that edges lead to later ones, self-loops aside; None with cycles
    banded : its matrix factorises without filling up: a forest, or a narrow band after reordering
    """

    order: np.ndarray | None
    banded: bool


def structure(mdp: MDP) -> Structure:
    """The structure of a process, found once and kept with it."""
    known = mdp.__dict__.get("_structure")
    if known is None:
        known = mdp.__dict__["_structure"] = _look(mdp)
    return known


def reachable(mdp: MDP) -> np.ndarray:
    """(S,) bool: states that some policy reaches from the start."""
    seen = mdp.start > 0
    if not mdp.is_sparse and mdp.n_states <= SMALL:
        edges = (mdp.transitions > 0).any(1) & ~mdp.is_terminal[:, None]
        return _grown(seen, edges)
    return _spread(_state_graph(mdp), seen)


def can_end(mdp: MDP) -> np.ndarray:
    """(S,) bool: states from which some policy reaches a terminal state with probability 1.

    Largest set of states whose members can go on to a terminal state without leaving it.
    """
    kept = np.ones(mdp.n_states, dtype=bool)
    while True:
        safe = _inside(mdp, kept)  # actions after which the state is still in the set
        back = _edges(mdp, safe)
        seen = (
            _grown(mdp.is_terminal.copy(), back.T)
            if isinstance(back, np.ndarray)
            else _spread(back.T.tocsr(), mdp.is_terminal)
        )
        if (seen & kept == kept).all():
            return kept
        kept = seen & kept


def endless(mdp: MDP) -> np.ndarray:
    """(S,) bool: the largest set of states, none terminal, within which a policy can stay."""
    kept = ~mdp.is_terminal
    if mdp.is_sparse or mdp.n_states > SMALL:
        back = mdp.pairs.tocsc()
        usable = mdp.usable.ravel()
        return kernels.stay_within(back.indptr, back.indices, usable, kept.copy(), mdp.n_actions)
    while True:
        stay = kept & _inside(mdp, kept).any(-1)
        if (stay == kept).all():
            return kept
        kept = stay


def ends_surely(matrix: Any, terminal: np.ndarray) -> np.ndarray:
    """(S,) bool: states from which a policy reaches a terminal state, given its (S, S) matrix."""
    from scipy.sparse import csr_array

    return _spread(csr_array(matrix).T.tocsr(), terminal)


def steps_to_end(mdp: MDP) -> np.ndarray:
    """(S,) fewest steps in which a terminal state can be entered; inf where it never can."""
    from scipy.sparse.csgraph import dijkstra

    back = _state_graph(mdp).T.tocsr()
    ends = np.flatnonzero(mdp.is_terminal)
    return dijkstra(back, indices=ends, unweighted=True, min_only=True)


def state_pointers(mdp: MDP) -> np.ndarray:
    """(S+1,) where the entries of each state's pairs begin in `mdp.pairs`."""
    return np.ascontiguousarray(mdp.pairs.indptr[:: mdp.n_actions])


# -- how ------------------------------------------------------------------------------------------
def _look(mdp: MDP) -> Structure:
    P = mdp.pairs
    order = kernels.topological_order(state_pointers(mdp), P.indices, mdp.is_terminal)
    if len(order) == mdp.n_states:
        return Structure(order, banded=True)
    return Structure(None, is_banded(mdp))


def is_banded(mdp: MDP) -> bool:
    """Whether sparse LU stays within a few times the entries of the matrix."""
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    P, S = mdp.pairs, mdp.n_states
    sure = P.nnz > (3 * S - 2) * mdp.n_actions  # more than a forest's edges and self-loops can be
    if sure and _spreads_too_fast(mdp):
        return False
    graph = _state_graph(mdp)
    graph.setdiag(0)
    graph.eliminate_zeros()
    both = (graph + graph.T).tocsr()
    if both.nnz <= 2 * (S - 1):  # a forest, or as few edges: eliminating leaves fills nothing
        return True
    if both.nnz > 2 * BAND * S or _spreads_too_fast(mdp):
        return False
    place = np.empty(S, dtype=np.int64)
    place[reverse_cuthill_mckee(both, symmetric_mode=True)] = np.arange(S)
    rows = np.repeat(np.arange(S), np.diff(both.indptr))
    return int(abs(place[rows] - place[both.indices]).max(initial=0)) <= BAND


def _spreads_too_fast(mdp: MDP) -> bool:
    """Whether a search from one state meets more states in e steps than any narrow band holds.

    In a band of width b at most 2 b e states lie within e steps of another.
    """
    first = int(mdp.start.argmax())
    met, depth = kernels.search(state_pointers(mdp), mdp.pairs.indices, first)
    return bool(met - 1 > 2 * BAND * depth)


def _state_graph(mdp: MDP) -> Any:
    """(S, S) CSR of ones: the edges of the process."""
    from scipy.sparse import csr_array

    P, S = mdp.pairs, mdp.n_states
    graph = csr_array((np.ones(P.nnz), P.indices, state_pointers(mdp)), shape=(S, S))
    graph = (graph * (~mdp.is_terminal).astype(float)[:, None]).tocsr()
    graph.sum_duplicates()
    graph.eliminate_zeros()
    return graph


def _inside(mdp: MDP, kept: np.ndarray) -> np.ndarray:
    """(S, A) bool: actions that can be taken and never leave the set."""
    if mdp.is_sparse or mdp.n_states > SMALL:
        leaves = (mdp.pairs @ (~kept).astype(float)).reshape(mdp.usable.shape) > 0
    else:
        leaves = ((mdp.transitions > 0) & ~kept).any(-1)
    return mdp.usable & ~leaves


def _edges(mdp: MDP, taken: np.ndarray) -> Any:
    """(S, S) edges of these pairs (S, A): a boolean array, or CSR for large processes."""
    if not mdp.is_sparse and mdp.n_states <= SMALL:
        return ((mdp.transitions > 0) & taken[..., None]).any(1)
    from scipy.sparse import csr_array

    P, S = mdp.pairs, mdp.n_states
    data = np.repeat(taken.ravel(), np.diff(P.indptr)).astype(float)
    graph = csr_array((data, P.indices, state_pointers(mdp)), shape=(S, S))
    graph = graph.copy()
    graph.sum_duplicates()
    graph.eliminate_zeros()
    return graph


def _grown(seen: np.ndarray, edges: np.ndarray) -> np.ndarray:
    while True:
        more = seen | edges[seen].any(0)
        if (more == seen).all():
            return seen
        seen = more


def _spread(graph: Any, seen: np.ndarray) -> np.ndarray:
    """(S,) bool: nodes that edges lead to from any of these."""
    from scipy.sparse import csr_array, hstack, vstack
    from scipy.sparse.csgraph import breadth_first_order

    sources = np.flatnonzero(seen)
    if not sources.size:
        return np.zeros(len(seen), dtype=bool)
    hub = csr_array(
        (np.ones(sources.size), (np.zeros(sources.size, dtype=np.int32), sources)),
        shape=(1, len(seen)),
    )
    empty = csr_array((len(seen) + 1, 1))
    joined = hstack([vstack([graph, hub]), empty], format="csr")
    found = breadth_first_order(joined, len(seen), return_predecessors=False)
    out = np.zeros(len(seen) + 1, dtype=bool)
    out[found] = True
    return out[:-1]
