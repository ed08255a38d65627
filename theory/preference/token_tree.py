"""Responses as leaves of a token tree: what is known before any comparison, and what data then add.

Inductive bias says that responses with a long common prefix have similar rewards: an edge at depth
j of a tree of branching b has the variance w_j = (I/2)(b^a - 1) b^(-a j). Two leaves whose paths
part below depth l are then at the prior distance 2 sum_{j > l} w_j = I (b^(-a l) - b^(-a depth)),
just under the structural function F(M) = I M^(-a) at M = b^l clusters: the diversity of a task in
one exponent (small a: diverse).

Two ways to spend n comparisons: *chain-based* data compares responses drawn independently from all
leaves ("chain" is the token chain of one response, not a path of comparisons), *tree-based* data
draws S leaves once, one below each of S prefixes, and compares pairs of those.

Formulas: docs/theory/preference.md.

Source: paper 22, its results table as remembered (second-hand); the tree is derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
DATA, REGIMES = ("chain", "tree"), ("few", "many")


@entry(
    "structural_function",
    kind="theorem",
    cards=("22",),
    section="results table; from memory",
    provenance="second-hand",
    formula="F(M) = I M^-a or I (log M)^-a",
)
def structural_function(clusters: Array, alpha: float, *, scale: float = 1.0, kind: str = "power"
                        ) -> np.ndarray:  # fmt: skip
    """F(M): prior distance within clusters when the responses are split into M of them.

    clusters : M >= 1, any shape, as the answer; alpha a > 0; kind : power, or log, where M = 1
    gives inf.

    Raises ValueError for an unknown kind, M < 1 or a <= 0.
    """
    M = np.asarray(clusters, dtype=float)
    if not (np.all(M >= 1) and alpha > 0 and kind in ("power", "log")):
        msg = f"clusters={M.tolist()}, alpha={alpha}, kind={kind!r}: M >= 1, a > 0, power or log"
        raise ValueError(msg)
    base = M if kind == "power" else np.log(M)
    return scale * np.where(base > 0, np.where(base > 0, base, 1.0) ** -alpha, np.inf)


@entry(
    "token_tree",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="w_j = (I/2)(b^a - 1) b^(-a j)",
)
def token_tree(branching: int, depth: int, alpha: float, *, scale: float = 1.0
               ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Edges (E, 2), their variances (E,) and the leaves (b^depth,) of the tree; node 0 is the root.

    Nodes are numbered by depth and then from left to right, so that neighbours share prefixes.

    branching b >= 2, depth >= 1, alpha a > 0. Raises ValueError for anything else.
    """
    _tree(branching, depth, alpha)
    count = branching ** np.arange(depth + 1)
    first = np.concatenate([[0], np.cumsum(count)])
    edges, variance = [], []
    for j in range(1, depth + 1):
        own = np.arange(count[j])
        edges.append(np.stack([first[j - 1] + own // branching, first[j] + own], -1))
        w = scale / 2 * np.expm1(alpha * np.log(branching)) * float(branching) ** (-alpha * j)
        variance.append(np.full(count[j], w))
    return np.concatenate(edges), np.concatenate(variance), first[depth] + np.arange(count[depth])


@entry(
    "leaf_covariance",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="K_ab = sum of w_j over the common prefix",
)
def leaf_covariance(branching: int, depth: int, alpha: float, *, scale: float = 1.0) -> np.ndarray:
    """(L, L) prior covariance of the L = b^depth leaves' rewards, the root's reward held at 0.

    The sum of w_j over a prefix of length l is (I/2)(1 - b^(-a l)).

    branching b >= 2, depth >= 1, alpha a > 0. Raises ValueError for anything else.
    """
    _tree(branching, depth, alpha)
    leaf = np.arange(branching**depth)
    K = np.zeros((len(leaf), len(leaf)))
    for level in range(1, depth + 1):
        prefix = leaf // branching ** (depth - level)
        known = -scale / 2 * np.expm1(-alpha * level * np.log(branching))
        K = np.where(prefix[:, None] == prefix, known, K)
    return K


@entry(
    "topology_rate",
    kind="theorem",
    cards=("22",),
    section="results table; from memory",
    provenance="second-hand",
    formula="few: I (log n)^(1+a)/(n^a loglog n), tree I (log n)^(2a)/n^a; many: n^(-a/(2+a))",
)
def topology_rate(data: str, regime: str, n: Array, alpha: float, *, scale: float = 1.0
                  ) -> np.ndarray:  # fmt: skip
    """Growth of the mean inference distance with n comparisons, for F(M) = I M^-a; no constants.

    few comparisons (their noise large) : chain I (log n)^(1+a)/(n^a loglog n), tree
        I (log n)^(2a)/n^a. Of n/log n clusters of about log n comparisons each, a pair is
        log n/loglog n hops apart, each costing F(n/log n): the chain's entry
    many comparisons : chain I^(2/(2+a)) n^(-a/(2+a)); tree (log n)^(2a/(2+a)) times that. Balance
        M^2/n, the noise pooled between M clusters, against I M^-a: the chain's entry

    data : chain or tree; regime : few or many; n > e, any shape, as the answer; alpha a > 0.

    Raises ValueError for anything else.
    """
    n = np.asarray(n, dtype=float)
    if data not in DATA or regime not in REGIMES or not np.all(n > np.e) or not alpha > 0:
        msg = f"data={data!r}, regime={regime!r}, n={n.tolist()}, alpha={alpha}: chain or tree, "
        raise ValueError(msg + "few or many, n > e (so that log log n > 0), alpha > 0")
    log = np.log(n)
    if regime == "few":
        tree = scale * (log**2 / n) ** alpha
        return tree if data == "tree" else scale * (log / n) ** alpha * log / np.log(log)
    rate = scale ** (2 / (2 + alpha)) * n ** (-alpha / (2 + alpha))
    return rate * log ** (2 * alpha / (2 + alpha)) if data == "tree" else rate


@entry(
    "random_graph_hops",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="log n / log(mean degree)",
)
def random_graph_hops(nodes: Array, degree: Array | None = None) -> np.ndarray:
    """Leading order of the hops between two nodes of a random graph: degree^hops = nodes.

    nodes n >= 2; degree : mean degree > 1 (default log n, for which n > e); they broadcast.

    Raises ValueError for a degree of at most 1.
    """
    n = np.asarray(nodes, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.log(n) if degree is None else np.asarray(degree, dtype=float)
    if not (np.all(n >= 2) and np.all(d > 1)):
        msg = f"nodes={n.tolist()}, degree={d.tolist()}: a mean degree above 1 joins the nodes"
        raise ValueError(msg)
    return np.log(n) / np.log(d)


@entry(
    "preference_kl",
    kind="theorem",
    cards=("22",),
    provenance="derived",
    formula="beta^2/4 sum p_a p_b Var[e_a - e_b]",
)
def preference_kl(p: Array, distance: Array, beta: float = 1.0) -> np.ndarray:
    """E KL(p || p_LM) in nats when the rewards behind p_LM err by little: leading order.

    p : (K,) the human preference law, e^(beta r)/Z; distance : (..., K, K) Var[e_a - e_b] of the
    errors of the reward model, as `effective_resistance` gives it.

    KL(p || p_LM) = log E_p e^(beta e) - beta E_p e = (beta^2/2) Var_p e + O(e^3), and Var_p e is
    (1/2) sum p_a p_b (e_a - e_b)^2. So the mean distance over pairs drawn from p is what counts.
    Independent errors of variance v (distance 2 v off the diagonal) give (beta^2 v/2)(1 - sum p^2).
    """
    p, d = np.asarray(p, dtype=float), np.asarray(distance, dtype=float)
    both = p[:, None] * p
    finite = np.where(both > 0, d, 0.0)
    return beta**2 / 4 * (both * finite).sum((-2, -1))


def _tree(branching: int, depth: int, alpha: float) -> None:
    if not (branching >= 2 and depth >= 1 and alpha > 0):
        msg = f"branching={branching}, depth={depth}, alpha={alpha}: at least 2, 1, and above 0"
        raise ValueError(msg)
