"""Exact training: the compiled kernel against the NumPy reference and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.dynamics.chain import exact
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS, Chain

ACTION_SETS = (
    ("STEP", "FILL", "ANSWER"),
    ("STEP", "CHECK", "ANSWER"),
    ("STEP", "FILL", "CHECK", "REPEAT", "END_THINK", "ANSWER"),
)


@st.composite
def chains(draw, actions=None, flag=None):
    unit = st.floats(0, 1, width=32)
    easy = draw(st.integers(1, 3))
    rho = draw(st.floats(0.125, 0.875, width=32))
    noise = draw(st.floats(0, 0.5, width=32))
    return Chain(
        difficulties=(easy, easy + draw(st.integers(0, 2))),
        shares=(rho, 1 - rho),
        max_actions=9,
        actions=actions or draw(st.sampled_from(ACTION_SETS)),
        progress=draw(unit),
        slip=draw(unit),
        repair=draw(unit),
        guess=draw(unit),
        depth=5,
        flag_noise=noise if (draw(st.booleans()) if flag is None else flag) else None,
    )


@given(
    st.lists(chains(actions=ACTION_SETS[2], flag=True), min_size=1, max_size=3), st.integers(0, 9)
)
@settings(max_examples=20)
def test_few_chains_in_numpy_are_the_reference(listed, seed):
    batch = exact.Batch.of(*listed)
    theta = np.random.default_rng(seed).normal(size=(len(listed), *batch.chain.policy_shape))
    found = exact.class_probabilities(batch, theta)
    for i, own in enumerate(found):
        assert np.allclose(
            own, class_probabilities(batch.chain_at(i), theta[i]), rtol=0, atol=1e-14
        )


@pytest.mark.parametrize("flag_noise", [None, 0.1])
@pytest.mark.parametrize("actions", ACTION_SETS)
def test_few_chains_are_answered_as_by_the_loop(actions, flag_noise):
    chain = Chain(
        difficulties=(2, 4), shares=(0.5, 0.5), actions=actions, slip=0.2, flag_noise=flag_noise
    )
    batch = exact.Batch.of(chain, chain.with_(guess=0.3, progress=0.4))
    theta = np.random.default_rng(1).normal(size=(2, *chain.policy_shape))
    assert len(batch) <= exact.FEW
    # the loop drops what is less than 1e-13 of mass
    found, loop = exact.class_probabilities(batch, theta), exact.by_loop(batch, theta)
    assert np.allclose(found, loop, rtol=0, atol=1e-12)


def logits(chain, seed):
    return np.random.default_rng(seed).normal(0, 1, chain.policy_shape)


@given(chains(), st.integers(0, 1000))
@settings(max_examples=60)
def test_kernel_probabilities_are_the_references(chain, seed):
    theta = logits(chain, seed)
    found = exact.class_probabilities(exact.Batch.of(chain), theta)[0]
    # 1e-13 of mass is dropped per tail; sums of 19 terms round far below that.
    assert found == pytest.approx(class_probabilities(chain, theta), abs=1e-12)


@given(chains(), st.integers(0, 1000))
@settings(max_examples=30)
def test_gradient_is_the_finite_difference(chain, seed):
    theta = logits(chain, seed)
    rng = np.random.default_rng(seed + 1)
    w = rng.normal(size=(2, chain.n_classes))
    batch = exact.Batch.of(chain)
    gradient = exact.update_direction(batch, theta, w[None])[0]
    direction = rng.normal(size=theta.shape)

    def value(x):
        return (np.array(chain.shares)[:, None] * w * class_probabilities(chain, x)).sum()

    h = 1e-5
    slope = (value(theta + h * direction) - value(theta - h * direction)) / (2 * h)
    # Central differences err by h^2 times a third derivative of order |w|_1 |direction|^3.
    assert (gradient * direction).sum() == pytest.approx(slope, abs=2e-6, rel=1e-6)


@given(
    chains(actions=ACTION_SETS[0]),
    st.integers(0, 1000),
    st.sampled_from([*PRESETS.values(), GroupEstimator(scale="batch", baseline="batch")]),
    st.sampled_from(AGGREGATIONS),
)
@settings(max_examples=60)
def test_one_update_uses_the_estimators_own_weights(chain, seed, estimator, aggregation):
    """The compiled formula equals GroupEstimator + PolicyGradient on class rollouts."""
    theta = logits(chain, seed)
    reward = np.random.default_rng(seed).normal(size=(2, chain.n_classes)).round(1)
    objective = PolicyGradient(aggregation=aggregation)
    prob = class_probabilities(chain, theta)
    rollouts = chain.rollouts(prob)
    advantage, _ = estimator.apply({"reward": reward}, rollouts)
    w = advantage * objective.sequence_weight(rollouts)
    batch = exact.Batch.of(chain)
    expected = exact.update_direction(batch, theta, w[None])
    one = exact.train(
        batch, theta, reward, updates=1, rate=1.0, estimator=estimator, objective=objective
    )
    assert one.theta - theta == pytest.approx(expected, abs=1e-9)


def test_population_limit_ignores_ddof_and_leave_one_out():
    batch = exact.Batch.of(HELLO)
    theta = HELLO.logits(**HELLO_LOGITS)
    runs = [
        exact.train(
            batch,
            theta,
            HELLO.class_correct(),
            updates=20,
            estimator=PRESETS[name],
            objective=PolicyGradient("sum"),
        ).theta
        for name in ("rloo", "dr_grpo")
    ]
    assert np.array_equal(*runs)


def test_batches_do_not_mix_and_order_is_kept():
    rng = np.random.default_rng(0)
    some = [HELLO.with_(progress=p, guess=g) for p, g in rng.uniform(0.1, 0.9, (19, 2))]
    theta = np.stack([logits(HELLO, i) for i in range(19)])
    updates = rng.integers(0, 60, 19)
    settings = {"estimator": PRESETS["grpo"], "objective": PolicyGradient("dapo")}
    reward = HELLO.class_correct() - 0.2 * HELLO.class_length() / HELLO.H
    together = exact.train(exact.Batch.of(*some), theta, reward, updates=updates, **settings)
    for i in (0, 7, 18):
        alone = exact.train(
            exact.Batch.of(some[i]), theta[i], reward, updates=updates[i], **settings
        )
        assert together.theta[i] == pytest.approx(alone.theta[0], abs=1e-12)
        assert together.updates[i] == updates[i]


def test_stopping_early_changes_accuracy_by_less_than_a_thousandth():
    rng = np.random.default_rng(1)
    worlds = [HELLO.with_(difficulties=(int(d), 8)) for d in rng.integers(1, 8, 16)]
    theta = HELLO.logits(**HELLO_LOGITS)
    lam = rng.uniform(0, 1.5, 16)[:, None, None]
    reward = HELLO.class_correct() - lam * HELLO.class_length() / HELLO.H
    settings = {"updates": 4000, "estimator": PRESETS["grpo"], "objective": PolicyGradient("sum")}
    batch = exact.Batch.of(*worlds)
    early = exact.train(batch, theta, reward, **settings)
    full = exact.train(batch, theta, reward, tolerance=0.0, **settings)
    assert early.updates.min() < 4000
    assert np.abs(early.accuracy - full.accuracy).max() < 1e-3


def test_external_weights_follow_the_population_when_refreshed_each_update():
    batch = exact.Batch.of(HELLO)
    theta = HELLO.logits(**HELLO_LOGITS)
    estimator, objective = PRESETS["grpo_exact"], PolicyGradient("sum")
    reward = HELLO.class_correct() - 0.5 * HELLO.class_length() / HELLO.H

    def weights(prob, rows):
        assert rows.tolist() == [0]
        advantage, _ = estimator.apply(
            {"r": np.broadcast_to(reward, prob[0].shape).copy()}, HELLO.rollouts(prob[0])
        )
        return advantage[None]

    outside = exact.train_with_weights(batch, theta, weights, updates=30, refresh=1)
    inside = exact.train(batch, theta, reward, updates=30, estimator=estimator, objective=objective)
    assert outside.theta == pytest.approx(inside.theta, abs=1e-10)
