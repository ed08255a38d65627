"""Graphs of comparisons: laws of resistance and distance, against definitions by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.policies import kl, softmax
from toyrl.theory.preference import token_tree as tt
from toyrl.theory.preference import topology as tp

INF = np.inf


@st.composite
def graphs(draw: st.DrawFn, connected: bool = False):
    """(edges, variance, nodes), parallels and loops among them; connected by a tree if asked."""
    nodes = draw(st.integers(2, 6))
    node = st.integers(0, nodes - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=8))
    if connected:
        edges += [(draw(st.integers(0, k - 1)), k) for k in range(1, nodes)]
    v = st.lists(st.floats(0.1, 10), min_size=len(edges), max_size=len(edges))
    return np.array(edges, dtype=int).reshape(-1, 2), np.array(draw(v)), nodes


def walked(edges: np.ndarray, variance: np.ndarray, nodes: int) -> np.ndarray:
    """Least variance along a path by Floyd and Warshall, parallels joined by hand."""
    d = np.full((nodes, nodes), INF)
    np.fill_diagonal(d, 0.0)
    for a, b in itertools.combinations(range(nodes), 2):
        own = [v for (i, j), v in zip(edges.tolist(), variance, strict=True) if {i, j} == {a, b}]
        if own:
            d[a, b] = d[b, a] = 1 / sum(1 / v for v in own)
    for k in range(nodes):
        d = np.minimum(d, d[:, k, None] + d[k])
    return d


@given(graphs())
def test_distance_by_floyd_and_warshall_bounds_the_resistance(graph):
    d = tp.inference_distance(*graph)
    assert d == pytest.approx(walked(*graph))
    R = tp.effective_resistance(*graph)
    assert ((d * (1 + 1e-9) >= R) | (d == 0)).all()
    assert np.array_equal(np.isinf(R), np.isinf(d))
    some = tp.inference_distance(*graph, sources=[graph[2] - 1])
    assert some == pytest.approx(d[-1:])


@given(graphs(connected=True))
def test_resistance_is_a_posterior_variance(graph):
    """Gaussian conditioning of a vague prior of independent rewards, found without a graph."""
    edges, variance, nodes = graph
    vague = 1e6
    precision = np.eye(nodes) / vague
    for (a, b), v in zip(edges.tolist(), variance, strict=True):
        e = np.eye(nodes)[a] - np.eye(nodes)[b]
        precision += np.outer(e, e) / v
    want = tp.difference_variance(np.linalg.inv(precision))
    R = tp.effective_resistance(*graph)
    assert pytest.approx(want, rel=1e-3, abs=1e-6) == R  # a shared shift of variance 1e6/nodes
    assert tp.mean_over_pairs(R) == pytest.approx(tp.kirchhoff_mean(*graph), rel=1e-8)
    ends = edges[edges[:, 0] != edges[:, 1]]  # Foster: sum of conductance times resistance
    own = variance[edges[:, 0] != edges[:, 1]]
    assert (R[ends[:, 0], ends[:, 1]] / own).sum() == pytest.approx(nodes - 1, rel=1e-8)


@given(graphs(), st.floats(0.1, 10), st.data())
def test_metric_monotone_and_homogeneous(graph, v: float, data):
    edges, variance, nodes = graph
    more = [[data.draw(st.integers(0, nodes - 1)), data.draw(st.integers(0, nodes - 1))]]
    for measure in (tp.effective_resistance, tp.inference_distance):
        d = measure(*graph)
        finite = np.where(np.isinf(d), 1e300, d)
        assert (finite[:, None] <= finite[:, :, None] + finite[None] + 1e-9).all()
        assert d == pytest.approx(d.T)
        wider = measure(np.r_[edges, more], np.r_[variance, v], nodes)
        assert (np.where(np.isinf(wider), 1e300, wider) <= finite * (1 + 1e-9) + 1e-12).all()
        assert measure(edges, 3 * variance, nodes) == pytest.approx(3 * d)
        order = np.random.default_rng(nodes).permutation(nodes)
        place = np.argsort(order)
        assert measure(place[edges], variance, nodes) == pytest.approx(d[np.ix_(order, order)])


def test_edges_of_no_variance_join_their_nodes():
    for measure in (tp.effective_resistance, tp.inference_distance):
        d = measure([[0, 1], [1, 2]], [0.0, 2.0], 4)
        assert d[:3, :3].tolist() == [[0, 0, 2], [0, 0, 2], [2, 2, 0]]
        assert (d[3, :3] == INF).all()


@pytest.mark.parametrize("shape", tp.SHAPES)
@pytest.mark.parametrize("nodes", [2, 3, 7])
def test_shapes_by_their_graphs(shape: str, nodes: int):
    edges = {
        "path": [(k, k + 1) for k in range(nodes - 1)],
        "star": [(0, k) for k in range(1, nodes)],
        "complete": list(itertools.combinations(range(nodes), 2)),
    }[shape]
    for notion, measure in (("resistance", tp.effective_resistance),
                            ("path", tp.inference_distance)):  # fmt: skip
        found = tp.mean_over_pairs(measure(edges, 1.0, nodes))
        assert found == pytest.approx(tp.shape_mean(shape, nodes, notion=notion), rel=1e-12)


def test_shapes_in_sympy():
    """Sums over pairs: k along the path, 1 and 2 in the star."""
    n, k = sp.symbols("n k", positive=True, integer=True)
    pairs = n * (n - 1) / 2
    assert sp.simplify(sp.summation(k * (n - k), (k, 1, n - 1)) / pairs - (n + 1) / 3) == 0
    star = ((n - 1) + 2 * (n - 1) * (n - 2) / 2) / pairs
    assert sp.simplify(star - (2 - 2 / n)) == 0
    # Two routes of 1 and n - 2 parallel ones of 2: precisions 1 + (n - 2)/2 = n/2.
    assert sp.simplify(1 / (1 + (n - 2) / 2) - 2 / n) == 0


@pytest.mark.parametrize(("b", "depth", "alpha"), [(2, 4, 0.2), (3, 3, 1.0), (4, 1, 0.5)])
def test_tree_covariance_and_resistance_are_one_prior(b: int, depth: int, alpha: float):
    edges, variance, leaves = tt.token_tree(b, depth, alpha, scale=2.0)
    assert len(edges) == len(variance) == leaves[-1]
    d = tp.inference_distance(edges, variance, leaves[-1] + 1)[np.ix_(leaves, leaves)]
    K = tt.leaf_covariance(b, depth, alpha, scale=2.0)
    assert tp.difference_variance(K) == pytest.approx(d, abs=1e-12)
    assert tp.effective_resistance(edges, variance, leaves[-1] + 1)[
        np.ix_(leaves, leaves)
    ] == pytest.approx(d, abs=1e-9)
    for level in range(depth):  # leaves that share exactly `level` tokens: first and last below
        a, c = 0, b ** (depth - level) - 1
        want = tt.structural_function(b**level, alpha, scale=2.0)
        end = tt.structural_function(b**depth, alpha, scale=2.0)
        assert d[a, c] == pytest.approx(want - end)
        assert d[a, c] <= want


@pytest.mark.parametrize("n", [0, 1, 25, 60])
def test_comparisons_on_a_tree_by_both_ways(n: int):
    edges, variance, leaves = tt.token_tree(3, 3, 0.4)
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, len(leaves), (n, 2))
    K = tp.comparison_posterior(tt.leaf_covariance(3, 3, 0.4), pairs, 0.05)
    R = tp.effective_resistance(np.r_[edges, leaves[pairs]],
                                np.r_[variance, np.full(n, 0.05)], leaves[-1] + 1)  # fmt: skip
    assert tp.difference_variance(K) == pytest.approx(R[np.ix_(leaves, leaves)], abs=1e-10)

    mean = tp.comparison_mean(tt.leaf_covariance(3, 3, 0.4), pairs, 0.05)
    assert mean == pytest.approx(tp.mean_over_pairs(tp.difference_variance(K)), rel=1e-10)


@given(st.lists(st.floats(-2, 2), min_size=3, max_size=5), st.integers(0, 99))
def test_cost_in_policy_is_the_leading_order(r, seed: int):
    """Every error +-1e-3 e around 0: their mean KL, whose odd orders cancel."""
    e = 1e-3 * np.random.default_rng(seed).standard_normal(len(r))
    p = softmax(np.array(r))
    found = np.mean([kl(p, softmax(np.array(r) + s * e)) for s in (1, -1)])
    want = tt.preference_kl(p, (e[:, None] - e) ** 2)
    assert found == pytest.approx(want, rel=1e-4, abs=1e-15)
    iid = tt.preference_kl(p, 2 * 0.01 * (1 - np.eye(len(r))), beta=3.0)
    assert iid == pytest.approx(9 * 0.01 / 2 * (1 - (p**2).sum()))


def test_rates_and_hops():
    n = 10.0**6
    few = tt.topology_rate("chain", "few", n, 1e-9) / tt.topology_rate("tree", "few", n, 1e-9)
    assert few == pytest.approx(tt.random_graph_hops(n), rel=1e-6)
    many = tt.topology_rate("tree", "many", n, 0.5) / tt.topology_rate("chain", "many", n, 0.5)
    assert many == pytest.approx(np.log(n) ** 0.4)
    # The chain's entry for many comparisons: where M^2/n = I M^-a, up to a constant.
    a, scale = 0.5, 3.0
    M = (scale * n) ** (1 / (2 + a))
    assert M**2 / n == pytest.approx(tt.structural_function(M, a, scale=scale))
    assert tt.topology_rate("chain", "many", n, a, scale=scale) == pytest.approx(M**2 / n)
    assert tt.random_graph_hops(1e3) == pytest.approx(3.57, abs=0.005)


def test_refusals():
    for call, said in (
        (lambda: tp.effective_resistance([[0, 5]], 1.0, 3), "edges name node 5, but the nodes=3"),
        (lambda: tp.inference_distance([[0, 1]], np.nan, 2), "variance=nan must be a number"),
        (lambda: tp.inference_distance([[0, 1]], -1.0, 2), r"variance=-1\.0 must be"),
        (lambda: tp.shape_mean("ring", 4), "shape='ring'"),
        (lambda: tp.kirchhoff_mean([[0, 1]], 0.0, 2), "variance has a 0"),
        (lambda: tp.comparison_posterior(np.eye(2), [[0, 1]], 0.0), r"noise=0\.0 must be above 0"),
        (lambda: tt.token_tree(1, 2, 0.5), "branching=1"),
        (lambda: tt.topology_rate("path", "few", 100, 0.5), "data='path'"),
        (lambda: tt.structural_function(0.5, 0.2), r"clusters=0\.5"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
