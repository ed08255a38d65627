"""Token-level quality with its work counted: the same numbers as without."""

import numpy as np

from toyrl.dynamics.groups import token_quality as plain
from toyrl.experiments.core.work import counted
from toyrl.experiments.lab.quality import TOKEN, drawn_paths, token_quality
from toyrl.expressions import parse_estimator
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import enumerate_paths, paths_of
from toyrl.worlds.chain.simulate import sample_trajectories

CHAIN = Chain(difficulties=(1,), shares=(1.0,), max_actions=2, progress=0.8, guess=0.1)
THETA = np.zeros(CHAIN.policy_shape)
GAE = parse_estimator("gae(whitened=False)")


def test_token_quality_counts_every_token_of_every_member():
    paths = enumerate_paths(CHAIN, THETA, 1)
    with counted() as tally:
        found = token_quality(paths, GAE)
    np.testing.assert_array_equal(found.mean, plain.token_quality(paths, GAE).mean)
    n = len(paths)
    assert tally.units >= n * (n + 1) // 2 * 2 * CHAIN.H * TOKEN


def test_drawn_paths_are_the_simulator_s_and_give_sampled_groups():
    with counted() as tally:
        drawn = drawn_paths(CHAIN, THETA, 1, 40, 3, flags=5)
    assert tally.units > 0
    t = sample_trajectories(CHAIN, THETA, 1, 40, 3)
    np.testing.assert_array_equal(drawn.action, paths_of(t, THETA, seed=5).action)
    groups = np.arange(40).reshape(20, 2)
    with counted() as tally:
        found = token_quality(drawn, GAE, groups=groups)
    want = plain.token_quality(drawn, GAE, groups=groups)
    np.testing.assert_array_equal(found.mean, want.mean)
    assert (found.method, found.group_size) == ("sampled", 2)
    assert tally.units >= 40 * CHAIN.H * TOKEN
