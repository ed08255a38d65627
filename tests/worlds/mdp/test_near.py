"""Optimal policies near a base: against the identity of the soft value, and against any rival."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.chain.model import Chain
from toyrl.worlds.mdp.chain import from_chain
from toyrl.worlds.mdp.near import near_path
from toyrl.worlds.mdp.solve import occupancy

CHAIN = Chain(difficulties=(1, 2), shares=(0.5, 0.5), max_actions=5, slip=0.1, guess=0.1)
ETA = (0.0, 0.3, 1.0, 4.0)


@pytest.fixture(scope="module")
def laid():
    return from_chain(CHAIN)


@pytest.fixture(scope="module")
def parts(laid):
    rng = np.random.default_rng(0)
    paid = rng.normal(size=laid.n_classes)
    base = laid.policy(rng.normal(size=CHAIN.policy_shape))
    layer = np.full(laid.mdp.n_states, -1)
    layer[:-3] = laid.labels[:, 1]
    return laid.mdp, base, laid.pair_reward(paid), layer


def divergence(mdp, base, policy) -> float:
    """KL of whole episodes, by the visits that `solve` finds."""
    ratio = np.where(policy > 0, policy / np.where(base > 0, base, 1.0), 1.0)
    return float((occupancy(mdp, policy) * np.log(ratio)).sum())


def test_the_path_starts_at_the_base_and_its_numbers_are_those_of_its_policies(parts):
    mdp, base, reward, layer = parts
    path = near_path(mdp, base, reward, layer, ETA)
    np.testing.assert_allclose(path.policy[0][layer >= 0], base[layer >= 0])
    assert path.kl[0] == pytest.approx(0.0, abs=1e-12)
    assert (np.diff(path.gained) > 0).all()
    assert (np.diff(path.kl) > 0).all()
    for k in range(len(ETA)):
        taken = occupancy(mdp, path.policy[k])
        np.testing.assert_allclose(path.taken[k], taken, atol=1e-12)
        assert path.kl[k] == pytest.approx(divergence(mdp, base, path.policy[k]), abs=1e-9)
        assert path.expected(reward)[k] == pytest.approx((taken * reward).sum())


def test_no_rival_does_better_at_its_distance(parts):
    """Mixtures with other policies lose E[return] - KL / eta; so does each one-sided step."""
    mdp, base, reward, layer = parts
    path = near_path(mdp, base, reward, layer, ETA)
    rng = np.random.default_rng(1)
    for k, eta in enumerate(ETA[1:], 1):
        best = path.gained[k] - path.kl[k] / eta
        for _ in range(8):
            noise = base * np.exp(rng.normal(size=base.shape))
            total = noise.sum(-1, keepdims=True)
            rival = np.divide(noise, total, out=np.zeros_like(noise), where=total > 0)
            for step in (1e-3, 0.1, 1.0):
                mixed = (1 - step) * path.policy[k] + step * rival
                got = float((occupancy(mdp, mixed) * reward).sum())
                assert got - divergence(mdp, base, mixed) / eta <= best + 1e-9


def test_what_does_not_fit_is_refused(parts):
    mdp, base, reward, layer = parts
    with pytest.raises(ValueError, match="must be 1 and >= 0"):
        near_path(mdp, base, reward, layer, (-1.0,))
    with pytest.raises(ValueError, match="layer must rise with every move"):
        near_path(mdp, base, reward, np.where(layer >= 0, 0, -1), ETA)
