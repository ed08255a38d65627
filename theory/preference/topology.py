"""The graph of comparisons: how uncertain it leaves the difference of two responses' rewards.

Responses are nodes. An edge of variance v says that r_a - r_b is known up to N(0, v): from prior
similarity, or from one comparison with its noise. Two notions of uncertainty about a pair:

    inference distance   the least sum of variances along one path (paper 22's measure)
    effective resistance Var[r_a - r_b | all edges] = (e_a - e_b)^T L^+ (e_a - e_b), L the Laplacian
                         with conductances 1/v: what a reader of the whole graph knows

The second is never larger (Rayleigh) and equal on trees. Proof: with Gaussian increments the log
density of r is -r^T L r/2 up to a constant, so L^+ is the covariance of r up to a shared shift; a
path is the graph with all other edges cut, and cutting removes precision. Parallel edges add
precisions, edges in series variances. An edge of variance 0 makes its two nodes one. Labels move
means and never variances.

Formulas: docs/theory/preference.md. Arrays: edges (E, 2) whole numbers in 0..nodes-1, variance (E,)
>= 0 or one number for all.

Source: paper 22 (induced Bayesian networks; its definitions from memory); derived from those.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
SHAPES = ("path", "star", "complete")
NOTIONS = ("resistance", "path")


@entry(
    "effective_resistance",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="(e_a - e_b)^T L^+ (e_a - e_b)",
)
def effective_resistance(edges: Array, variance: Array, nodes: int) -> np.ndarray:
    """(nodes, nodes) Var[r_a - r_b] given every edge; inf between components, 0 on the diagonal.

    By a dense inverse of each component with one node held: O(nodes^3). Loops are dropped.

    Raises ValueError for edges outside 0..nodes-1 and variances that are negative or NaN.
    """
    ends, conductance, of = _simplified(edges, variance, nodes)
    count = int(of.max()) + 1
    laplacian = np.zeros((count, count))
    np.add.at(laplacian, (ends[:, 0], ends[:, 1]), -conductance)
    laplacian = laplacian + laplacian.T
    laplacian[np.diag_indices(count)] = -laplacian.sum(0)
    found = np.full((count, count), np.inf)
    for part in _components(ends, count):
        inverse = np.zeros((len(part), len(part)))
        inverse[1:, 1:] = np.linalg.inv(laplacian[np.ix_(part, part)][1:, 1:])
        own = np.diag(inverse)
        both = own[:, None] + own - 2 * inverse
        np.fill_diagonal(both, 0.0)
        found[np.ix_(part, part)] = np.maximum(both, 0.0)
    return found[np.ix_(of, of)]


@entry(
    "inference_distance",
    kind="theorem",
    cards=("22",),
    section="induced Bayesian networks; from memory",
    provenance="second-hand",
    formula="min over paths of the sum of variances",
)
def inference_distance(
    edges: Array, variance: Array, nodes: int, sources: Array | None = None
) -> np.ndarray:
    """(sources, nodes) least variance along one path; inf where there is none.

    sources : (S,) nodes to start from (default: all). Parallel edges count as one of their joint
    precision. By Dijkstra: O(E log nodes) a source.

    Raises ValueError for edges outside 0..nodes-1 and variances that are negative or NaN.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    ends, conductance, of = _simplified(edges, variance, nodes)
    count = int(of.max()) + 1
    graph = csr_array((1 / conductance, (ends[:, 0], ends[:, 1])), shape=(count, count))
    start = of if sources is None else of[np.asarray(sources, dtype=int)]
    return dijkstra(graph, directed=False, indices=start)[:, of]


@entry(
    "mean_over_pairs",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="sum_(a != b) d(a, b) / (N (N - 1))",
)
def mean_over_pairs(distance: Array) -> np.ndarray:
    """Mean of d over pairs of different nodes: a data set's reward uncertainty.

    distance : (..., N, N) symmetric with a diagonal of 0, N >= 2. inf if any pair is unconnected.

    Raises ValueError for fewer than two nodes.
    """
    d = np.asarray(distance, dtype=float)
    if d.shape[-1] < 2:
        msg = f"distance has shape {d.shape}: a pair needs at least two nodes"
        raise ValueError(msg)
    return d.sum((-2, -1)) / (d.shape[-1] * (d.shape[-1] - 1))


@entry(
    "kirchhoff_mean",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="2/(N-1) sum_(i >= 2) 1/lambda_i",
)
def kirchhoff_mean(edges: Array, variance: Array, nodes: int) -> float:
    """Mean effective resistance of a connected graph from the eigenvalues of its Laplacian.

    Summed over all ordered pairs, (e_a - e_b)^T L^+ (e_a - e_b) is 2 N tr L^+ - 2 (1^T L^+ 1) and
    the last term is 0. edges (E, 2), variance (E,) > 0. inf for a graph in several components.

    Raises ValueError for fewer than two nodes, edges outside 0..nodes-1 and variances that are not
    positive.
    """
    if nodes < 2:
        msg = f"nodes={nodes} must be at least 2: a pair is needed"
        raise ValueError(msg)
    ends, conductance, of = _simplified(edges, variance, nodes)
    if of.max() + 1 < nodes:
        msg = "variance has a 0: its two nodes are one; leave one of them out"
        raise ValueError(msg)
    if len(_components(ends, nodes)) > 1:
        return np.inf
    laplacian = np.zeros((nodes, nodes))
    np.add.at(laplacian, (ends[:, 0], ends[:, 1]), -conductance)
    laplacian = laplacian + laplacian.T
    laplacian[np.diag_indices(nodes)] = -laplacian.sum(0)
    return float(2 / (nodes - 1) * (1 / np.linalg.eigvalsh(laplacian)[1:]).sum())


@entry(
    "shape_mean",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="path (N+1)/3; star 2 - 2/N; complete 2/N (resistance), 1 (path)",
)
def shape_mean(shape: str, nodes: Array, *, notion: str = "resistance") -> np.ndarray:
    """Mean uncertainty over pairs of a path, a star or the complete graph, all variances 1.

    A path has sum_k k (N-k) over N(N-1)/2 pairs; a star N-1 pairs at 1 and the others at 2; in the
    complete graph every pair is at 2/N by resistance and at 1 along one edge. Path and star are
    trees: both notions agree.

    nodes : >= 2, any shape, as the answer; notion : resistance or path.

    Raises ValueError for an unknown shape or notion and fewer than two nodes.
    """
    n = np.asarray(nodes, dtype=float)
    if shape not in SHAPES or notion not in NOTIONS:
        msg = f"shape={shape!r}, notion={notion!r}: choose from {', '.join(SHAPES)} and " + (
            ", ".join(NOTIONS)
        )
        raise ValueError(msg)
    if not np.all(n >= 2):
        msg = f"nodes={n.tolist()} must be at least 2: a pair is needed"
        raise ValueError(msg)
    if shape == "path":
        return (n + 1) / 3
    if shape == "star":
        return 2 - 2 / n
    return 2 / n if notion == "resistance" else np.ones_like(n)


@entry(
    "comparison_posterior",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="K - K D^T (D K D^T + v I)^-1 D K",
)
def comparison_posterior(prior: Array, pairs: Array, noise: float) -> np.ndarray:
    """(N, N) covariance of rewards after comparisons, by conditioning the prior.

    prior : (N, N) covariance K; pairs : (n, 2) responses compared; noise : variance v > 0 of one
    comparison. O(min(n, N) N^2): a second way to the effective resistance, which it equals where
    the prior is a graph's. Labels are not asked for: they move the mean alone.

    Raises ValueError for noise that is not above 0.
    """
    K, d = np.asarray(prior, dtype=float), _compared(pairs, noise)
    if len(d) > len(K):  # the same in information form, O(N^3) however many comparisons
        A = np.zeros_like(K)
        for i, j, sign in ((0, 0, 1), (1, 1, 1), (0, 1, -1), (1, 0, -1)):
            np.add.at(A, (d[:, i], d[:, j]), sign)
        return np.linalg.solve(noise * np.eye(len(K)) + K @ A, noise * K)
    seen, inverse = _weighed(K, d, noise)
    return K - seen.T @ (inverse @ seen)


@entry(
    "comparison_mean",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="2/(N-1) (tr H K - tr (D K D^T + v I)^-1 D K H K D^T)",
)
def comparison_mean(prior: Array, pairs: Array, noise: float) -> float:
    """Mean of Var[r_a - r_b] over pairs after comparisons, without the (N, N) posterior: O(n^2 N).

    H = I - 1 1^T/N takes out the shared shift, since the sum of Var[r_a - r_b] over ordered pairs
    is 2 N tr H C. Arguments as in `comparison_posterior`, N >= 2.

    Raises ValueError for fewer than two responses and for noise that is not above 0.
    """
    K = np.asarray(prior, dtype=float)
    if len(K) < 2:
        msg = f"prior has shape {K.shape}: a pair needs at least two responses"
        raise ValueError(msg)
    d = _compared(pairs, noise)
    if len(d) > len(K):
        return float(mean_over_pairs(difference_variance(comparison_posterior(K, d, noise))))
    seen, inverse = _weighed(K, d, noise)
    centred = seen - seen.mean(-1, keepdims=True)
    total = np.trace(K) - K.mean() * len(K) - (inverse * (centred @ centred.T)).sum()
    return float(2 * max(total, 0.0) / (len(K) - 1))


@entry(
    "difference_variance",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="C_aa + C_bb - 2 C_ab",
)
def difference_variance(covariance: Array) -> np.ndarray:
    """(..., N, N) Var[r_a - r_b] of rewards with that covariance (..., N, N)."""
    C = np.asarray(covariance, dtype=float)
    own = np.diagonal(C, axis1=-2, axis2=-1)
    return np.maximum(own[..., :, None] + own[..., None, :] - 2 * C, 0.0)


def _compared(pairs: Array, noise: float) -> np.ndarray:
    """(n, 2) comparisons that say something: loops dropped, and all where the noise is endless."""
    d = np.asarray(pairs, dtype=int).reshape(-1, 2)
    if not noise > 0:
        msg = f"noise={noise} must be above 0: a noiseless comparison makes two responses one"
        raise ValueError(msg)
    return d[(d[:, 0] != d[:, 1]) & (noise < np.inf)]


def _weighed(K: np.ndarray, d: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """D K (n, N) and (D K D^T + v I)^-1 (n, n)."""
    seen = K[d[:, 0]] - K[d[:, 1]]
    gram = seen[:, d[:, 0]] - seen[:, d[:, 1]]
    if not len(d):
        return seen, gram
    # A pseudo-inverse: comparisons that follow from others add nothing as the noise goes to 0.
    return seen, np.linalg.pinv(gram + noise * np.eye(len(d)), hermitian=True)


def _simplified(edges: Array, variance: Array, nodes: int) -> tuple[np.ndarray, ...]:
    """Edges (E, 2) and conductances (E,) with parallels joined and loops dropped, and for each
    node the number of the node that it became: an edge of variance 0 makes two into one."""
    ends = np.asarray(edges, dtype=int).reshape(-1, 2)
    v = np.broadcast_to(np.asarray(variance, dtype=float), ends.shape[:1])
    beyond = ends[(ends < 0) | (ends >= nodes)]
    if beyond.size:
        msg = f"edges name node {beyond[0]}, but the nodes={nodes} are numbered 0..{nodes - 1}"
        raise ValueError(msg)
    if not np.all(v >= 0):
        msg = f"variance={v[~(v >= 0)][0]} must be a number of at least 0; drop NaN labels"
        raise ValueError(msg)
    of = _labels(ends[v == 0], nodes)
    ends, v = np.sort(of[ends[v > 0]], axis=-1), v[v > 0]
    ends, v = ends[ends[:, 0] != ends[:, 1]], v[ends[:, 0] != ends[:, 1]]
    pairs, which = np.unique(ends, axis=0, return_inverse=True)
    joint = np.bincount(which.ravel(), 1 / v, minlength=len(pairs))
    some = joint > 0  # an infinite variance is no edge
    return pairs[some], joint[some], of


def _labels(ends: np.ndarray, nodes: int) -> np.ndarray:
    """(nodes,) the component of each node, numbered from 0."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(nodes, nodes))
    return connected_components(graph, directed=False)[1]


def _components(ends: np.ndarray, nodes: int) -> list[np.ndarray]:
    label = _labels(ends, nodes)
    return [np.flatnonzero(label == k) for k in range(int(label.max()) + 1)]
