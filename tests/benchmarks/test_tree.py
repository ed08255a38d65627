"""The benchmark of prefix trees runs, and its peers give the same answer."""

from __future__ import annotations

import numpy as np

from benchmarks import tree as bench
from toyrl.worlds.tree import sweeps
from toyrl.worlds.tree.build import random_tree


def test_values_and_their_peers():
    before = sweeps.LARGE
    tree = random_tree(np.random.default_rng(0), 4, 3, reward="dense", discount=0.9)
    times = bench.value_times(tree, repeats=1)
    assert set(times) == {"ours", "layers, NumPy", "process, its solver", "recursive Python"}
    assert min(times.values()) > 0
    assert before == sweeps.LARGE
    assert bench.logged(5, 7).height == 7


def test_rates_of_the_strategy():
    [(ours, plain)] = bench.strategy_rates(20, 1)
    assert ours > 0 < plain
