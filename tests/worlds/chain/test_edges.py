"""Token-level credit: against the class engine, finite differences and potentials."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain import exact
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.group import PRESETS
from toyrl.worlds.chain.edges import edge_table
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, Chain

ALL = ("STEP", "FILL", "CHECK", "REPEAT", "END_THINK", "ANSWER")
CHAINS = {
    "hello": HELLO.with_(max_actions=12),
    "all actions": Chain(
        difficulties=(2, 4),
        shares=(0.3, 0.7),
        actions=ALL,
        max_actions=9,
        depth=5,
        progress=0.7,
        slip=0.2,
        repair=0.6,
        guess=0.1,
        flag_noise=0.2,
    ),
}


@pytest.fixture(params=CHAINS, name="chain")
def _chain(request):
    return CHAINS[request.param]


def setting(chain):
    rng = np.random.default_rng(1)
    theta = rng.normal(size=chain.policy_shape)
    return theta, rng.normal(size=(len(chain.difficulties), chain.n_classes)), rng


def tables(chain, theta, reward, **options):
    pairs = zip(chain.difficulties, reward, strict=True)
    return [edge_table(chain, theta, d, r, **options) for d, r in pairs]


def test_terminal_gradient_is_the_class_engines(chain):
    theta, reward, _ = setting(chain)
    prob = class_probabilities(chain, theta)

    def parts(r):
        return {"reward": reward + 0 * r.correct}

    parts.scope = "rollout"
    r = chain.rollouts(prob)
    edges = sum(
        s * t.gradient for s, t in zip(chain.shares, tables(chain, theta, reward), strict=True)
    )
    for group_size in (1, 4, np.inf):
        w = class_weights(r, parts, PRESETS["reinforce"], group_size=group_size).w
        direction = exact.update_direction(exact.Batch.of(chain), theta, w[None])[0]
        # The kernel drops 1e-13 of mass per tail.
        assert np.abs(edges - direction).max() < 1e-11


def test_first_step_value_is_the_expected_reward(chain):
    theta, reward, _ = setting(chain)
    expected = (class_probabilities(chain, theta) * reward).sum(-1)
    for want, table in zip(expected, tables(chain, theta, reward), strict=True):
        start = table.occupancy[0, 0, 0, 0]
        value = table.value[0, 0, 0, 0] @ np.einsum("z,za->a", start, table.policy[0, :, 0])
        assert value == pytest.approx(want, abs=1e-12)


def test_potential_leaves_every_advantage_unchanged(chain):
    theta, reward, rng = setting(chain)
    phi = rng.normal(size=(chain.H, chain.phases, 2, chain.D + 1))
    plain, shaped = tables(chain, theta, reward), tables(chain, theta, reward, potential=phi)
    for a, b in zip(plain, shaped, strict=True):
        assert np.abs(a.advantage - b.advantage).max() < 1e-12
        assert np.abs(a.value - b.value).max() > 0.1
        assert np.abs(a.gradient - b.gradient).max() < 1e-12


def test_control_a_bonus_that_is_no_potential_changes_the_gradient(chain):
    theta, reward, _ = setting(chain)
    bonus = np.zeros(len(chain.actions))
    bonus[chain.actions.index("STEP")] = 0.3
    plain, paid = tables(chain, theta, reward), tables(chain, theta, reward, per_action=bonus)
    assert all(
        np.abs(a.gradient - b.gradient).max() > 1e-2 for a, b in zip(plain, paid, strict=True)
    )


def test_bonus_per_action_gradient_is_the_finite_difference(chain):
    theta, _, rng = setting(chain)
    bonus = rng.normal(size=len(chain.actions))
    none = np.zeros(chain.n_classes)
    d = chain.difficulties[0]

    def total(x):
        t = edge_table(chain, x, d, none)
        flow = np.einsum("tpemz,pzma->a", t.occupancy, t.policy)
        return float(flow @ bonus)

    direction, step = rng.normal(size=theta.shape), 1e-5
    slope = (total(theta + step * direction) - total(theta - step * direction)) / (2 * step)
    found = edge_table(chain, theta, d, none, per_action=bonus).gradient
    # Central differences: step^2 times a third derivative of order H^3, and rounding/step.
    assert (found * direction).sum() == pytest.approx(slope, abs=1e-6)


def test_advantages_average_to_zero_and_occupancy_is_a_law(chain):
    theta, reward, _ = setting(chain)
    for t in tables(chain, theta, reward):
        mean = np.einsum("pzma,tpemza->tpemz", t.policy, t.advantage)
        assert np.abs(mean).max() < 1e-12
        alive = t.occupancy.sum(axis=(1, 2, 3, 4))
        assert alive[0] == pytest.approx(1.0, abs=1e-15)
        assert np.all(np.diff(alive) < 1e-15)


def test_reward_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="classes"):
        edge_table(HELLO, np.zeros(HELLO.policy_shape), 2, np.zeros(3))
