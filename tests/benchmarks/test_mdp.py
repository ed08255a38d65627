"""The benchmark of tabular processes runs, and stops where two answers differ."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import mdp as bench
from toyrl.worlds.mdp.random import corridor, garnet


def test_batches_and_their_peers():
    times = bench.batch_times(batch=3, states=3, actions=2, repeats=1)
    assert {"ours", "jax scan, jitted", "numpy P @ v, one by one"} <= set(times)
    assert min(times.values()) > 0


@pytest.mark.parametrize(
    "mdp", [garnet(np.random.default_rng(0), 60, 2, discount=0.9), corridor(40, discount=0.9)]
)
def test_large_processes(mdp):
    assert bench.control_times(mdp, 1).keys() >= {"ours", "scipy P @ v"}
    assert len(bench.evaluation_times(mdp, 1)) == 2
    assert mdp.validate() == ()  # no peer has written into its arrays


def test_rates_of_the_strategy():
    [(ours, plain)] = bench.strategy_rates(20, 1)
    assert ours > 0 < plain


def test_control_a_wrong_answer_stops_it():
    with pytest.raises(AssertionError, match=r"fast is off by 0\.5"):
        bench.agree({"fast": np.array([1.0, 2.5])}, np.array([1.0, 2.0]))
