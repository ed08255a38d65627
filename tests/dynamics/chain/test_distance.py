"""KL of chain policies from a base: recursion, enumeration of every path, and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.distance import trajectory_kl
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import enumerate_paths

CHAINS = {
    "plain": Chain(difficulties=(1, 2), max_actions=4, slip=0.1, flag_noise=0.2, depth=2),
    "check": Chain(
        difficulties=(1, 2),
        max_actions=4,
        actions=("STEP", "CHECK", "ANSWER"),
        slip=0.3,
        flag_noise=None,
        depth=2,
    ),
    "phases": Chain(
        difficulties=(1, 2),
        max_actions=4,
        actions=("STEP", "FILL", "END_THINK", "ANSWER"),
        slip=0.1,
        flag_noise=None,
        depth=2,
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_recursion_is_the_mean_log_ratio_over_every_path(name):
    chain = CHAINS[name]
    rng = np.random.default_rng(0)
    theta, base = rng.normal(size=(2, *chain.policy_shape))
    batch = exact.Batch.of(chain)
    found = trajectory_kl(batch, theta[None], base[None])[0]
    log_own, log_there = (np.log(chain.policy(x) + 1e-300) for x in (theta, base))
    for b, d in enumerate(chain.difficulties):
        paths = enumerate_paths(chain, theta, d)
        taken = paths.action >= 0
        where = tuple(
            np.where(taken, x, 0) for x in (paths.phase, paths.flag, paths.progress, paths.action)
        )
        ratio = np.where(taken, log_own[where] - log_there[where], 0.0).sum(-1)
        np.testing.assert_allclose(found[b], paths.prob @ ratio, rtol=1e-10)
        assert found[b] > 0


def test_it_is_zero_at_the_base_and_bounds_the_kl_of_classes():
    chain = CHAINS["plain"]
    rng = np.random.default_rng(1)
    base = rng.normal(size=(3, *chain.policy_shape))
    theta = base + 0.7 * rng.normal(size=base.shape)
    batch = exact.Batch.of(chain, chain, chain)
    np.testing.assert_allclose(trajectory_kl(batch, base, base), 0.0, atol=1e-15)
    p, q = (exact.class_probabilities(batch, x) for x in (theta, base))
    classes = (p * np.log(p / q)).sum(-1)
    assert (trajectory_kl(batch, theta, base) >= classes - 1e-12).all()


def test_runs_of_a_batch_do_not_mix():
    chain = CHAINS["plain"]
    other = chain.with_(slip=0.4, progress=0.5, difficulties=(1, 2))
    rng = np.random.default_rng(2)
    theta, base = rng.normal(size=(2, 2, *chain.policy_shape))
    both = trajectory_kl(exact.Batch.of(chain, other), theta, base)
    alone = trajectory_kl(exact.Batch.of(other), theta[1:], base[1:])
    np.testing.assert_allclose(both[1:], alone, rtol=1e-13)
