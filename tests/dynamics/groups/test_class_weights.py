"""Class weights: every method against brute force over all ordered groups, and each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import SUM, class_weights
from toyrl.dynamics.groups.quadrature import group_std_weights
from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.relative import EfficientReasoning
from toyrl.shapers.outcome import Outcome

GROUP_LOCAL = [n for n, e in PRESETS.items() if "batch" not in (e.scale, e.baseline)]


def classes(prob, correct=None, length=None):
    prob = np.atleast_2d(np.asarray(prob, dtype=float))
    shape = prob.shape
    correct = np.arange(shape[1]) % 2 if correct is None else correct
    length = 1.0 + np.arange(shape[1]) if length is None else length
    return Rollouts(
        np.broadcast_to(np.asarray(correct, dtype=float), shape).copy(),
        np.broadcast_to(np.asarray(length, dtype=float), shape).copy(),
        10.0,
        weight=prob,
    )


def paid(reward):
    """Reward parts that are a number per class, given by class for each prompt."""

    def parts(r):
        return {"paid": np.asarray(reward, dtype=float) + 0 * r.correct}

    parts.scope = "rollout"
    return parts


def brute(prob, reward, estimator, G, parts=None, r=None):
    """(K,) E[A | own class k] over all K^(G-1) ordered sibling tuples; own rollout first."""
    K = len(prob)
    out = np.zeros(K)
    for k in range(K):
        index = np.array([(k, *s) for s in itertools.product(range(K), repeat=G - 1)])
        chance = np.prod(prob[index[:, 1:]], axis=-1)
        n = len(index)
        shape = (n, 1, G)
        source = classes(prob) if r is None else r
        group = Rollouts(
            source.correct[0, index].reshape(shape),
            source.length[0, index].reshape(shape),
            10.0,
        )
        value = (
            {"paid": np.asarray(reward, dtype=float)[index].reshape(shape)}
            if parts is None
            else parts.apply(group).parts
        )
        a, _ = estimator.apply(value, group)
        out[k] = chance @ a[:, 0, 0]
    return out


@pytest.mark.parametrize("name", GROUP_LOCAL)
@pytest.mark.parametrize("G", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "reward",
    [[0.0, 1.0, 0.3, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, np.nan, 0.5, 2.0], [1e30, -1e30, 0.0, 1e30]],
    ids=["ties", "all-equal", "nan", "huge"],
)
def test_every_method_equals_brute_force(name, G, reward):
    prob = np.array([0.4, 0.3, 0.2, 0.1])
    expected = brute(prob, reward, PRESETS[name], G)
    scale = max(np.abs(expected).max(), 1.0)
    used = []
    for method in ("compositions", "linear", "quadrature"):
        try:
            got = class_weights(
                classes(prob), paid(reward), PRESETS[name], group_size=G, method=method
            )
        except ValueError as error:
            assert "cannot be used" in str(error)  # noqa: PT017
            continue
        used.append(method)
        # Sums of K^(G-1) products: rounding; the quadrature's own error is about 1e-10.
        assert np.abs(got.w[0] - expected).max() < (1e-8 if method == "quadrature" else 1e-12) * (
            scale
        )
    grouped = PRESETS[name].scale == "group"
    assert used == ["compositions", *(["quadrature"] * (G > 1) if grouped else ["linear"])]


@pytest.mark.parametrize("name", PRESETS)
def test_sampled_agrees_within_its_error(name):
    rng = np.random.default_rng(3)
    prob = rng.dirichlet(np.ones(6), size=2)
    reward = rng.normal(size=(2, 6))
    r, parts = classes(prob), paid(reward)
    exact = class_weights(r, parts, PRESETS[name], group_size=4)
    drawn = class_weights(
        r, parts, PRESETS[name], group_size=4, method="sampled", samples=8000, seed=5
    )
    assert exact.method == "compositions"
    assert drawn.stderr is not None
    seen = np.isfinite(drawn.stderr)
    assert seen.all()
    assert np.all(np.abs(drawn.w - exact.w) <= 4.5 * drawn.stderr + 1e-12)
    assert drawn.stderr.max() < 0.2


@pytest.mark.parametrize("G", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["grpo", "rloo", "grpo_verl", "reinforce"])
def test_group_shaper_equals_brute_force(name, G):
    prob = np.array([0.35, 0.25, 0.2, 0.2])
    r = classes(prob, correct=[1, 0, 1, 1], length=[2, 3, 5, 8])
    shaper = EfficientReasoning(0.3)
    expected = brute(prob, None, PRESETS[name], G, parts=shaper, r=r)
    got = class_weights(r, shaper, PRESETS[name], group_size=G, method="compositions")
    np.testing.assert_allclose(got.w[0], expected, atol=1e-12)
    if G > 1:
        drawn = class_weights(
            r, shaper, PRESETS[name], group_size=G, method="sampled", samples=8000
        )
        assert np.all(np.abs(drawn.w[0] - expected) <= 4.5 * drawn.stderr[0] + 1e-12)


@settings(max_examples=40)
@given(st.data())
def test_quadrature_equals_compositions(data):
    K = data.draw(st.integers(1, 5))
    G = data.draw(st.integers(2, 9))
    number = st.floats(-3, 3).map(lambda x: round(x, 6))
    reward = np.array(data.draw(st.lists(number, min_size=K, max_size=K)))
    raw = np.array(data.draw(st.lists(st.floats(0, 1), min_size=K, max_size=K))) + 1e-3
    estimator = GroupEstimator(
        eps=data.draw(st.sampled_from([0.0, 1e-6, 1e-4, 0.3, 50.0])),
        ddof=data.draw(st.sampled_from([0.0, 1.0])),
    )
    args = (classes(raw / raw.sum()), paid(reward), estimator)
    a = class_weights(*args, group_size=G, method="compositions").w
    b = class_weights(*args, group_size=G, method="quadrature").w
    assert np.abs(a - b).max() < 1e-8


def test_quadrature_for_many_classes():
    rng = np.random.default_rng(0)
    reward, prob = rng.normal(size=256), rng.dirichlet(np.ones(256))
    w = group_std_weights(reward, prob, 16, eps=1e-4)
    assert abs(prob @ w) < 1e-10  # advantages of a group sum to 0
    assert np.all(np.diff(w[np.argsort(reward)]) > 0)


def test_auto_takes_the_first_exact_method():
    many = classes(np.full((1, 60), 1 / 60))
    reward = np.arange(60.0)
    for name, G, method in [
        ("grpo", math.inf, "infinite"),
        ("grpo", 2, "compositions"),
        ("grpo", 8, "quadrature"),
        ("rloo", 8, "linear"),
        ("grpo_batch", 8, "linear"),
    ]:
        assert class_weights(many, paid(reward), PRESETS[name], group_size=G).method == method
    got = class_weights(many, EfficientReasoning(0.1), PRESETS["grpo"], group_size=8, samples=50)
    assert got.method == "sampled"
    assert class_weights(many, Outcome(), PRESETS["grpo"], group_size=64).method == "compositions"


def test_large_groups_tend_to_the_infinite_one():
    prob = np.array([[0.5, 0.3, 0.2]])
    reward = [0.0, 1.0, 3.0]
    for name in PRESETS:
        limit = class_weights(classes(prob), paid(reward), PRESETS[name]).w
        near = class_weights(classes(prob), paid(reward), PRESETS[name], group_size=400).w
        assert np.abs(near - limit).max() < 8 / 400


def test_batch_statistics_come_from_the_mix():
    share = np.array([0.25, 0.75])
    prob = np.array([[0.2, 0.8], [0.6, 0.4]])
    r = classes(prob * share[:, None], correct=[1, 0], length=[2, 6])
    mean = share @ prob[:, 0]
    std = math.sqrt(mean * (1 - mean))
    w = class_weights(r, Outcome(), PRESETS["grpo_batch"], group_size=4).w
    p = prob[:, :1]
    expected = 0.75 * (np.array([[1, 0]]) - p) / (std + 1e-4)
    np.testing.assert_allclose(w, expected, atol=1e-12)
    w = class_weights(r, Outcome(), PRESETS["reinforce_mean"], group_size=4).w
    np.testing.assert_allclose(w, np.array([[1, 0]] * 2) - mean, atol=1e-12)
    # DAPO divides by the mean length of the mix.
    tokens = float((share[:, None] * prob * [2, 6]).sum())
    plain = class_weights(r, Outcome(), PRESETS["rloo"], group_size=4).w
    dapo = class_weights(r, Outcome(), PRESETS["rloo"], PolicyGradient("dapo"), group_size=4).w
    np.testing.assert_allclose(dapo, plain / tokens, atol=1e-12)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_objective_multiplies_each_sequence(aggregation):
    objective = PolicyGradient(aggregation)
    r = classes([[0.5, 0.3, 0.2]])
    for G in (math.inf, 3):
        w = class_weights(r, Outcome(), PRESETS["grpo"], objective, group_size=G).w
        plain = class_weights(r, Outcome(), PRESETS["grpo"], SUM, group_size=G).w
        np.testing.assert_allclose(w, plain * objective.sequence_weight(r), atol=1e-14)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("G", [2, 7, math.inf])
def test_equal_float32_rewards_carry_no_signal(name, G):
    reward = np.full(7, np.float32(0.1))
    w = class_weights(classes(np.full((1, 7), 1 / 7)), paid(reward), PRESETS[name], group_size=G).w
    if PRESETS[name].baseline == "none":
        np.testing.assert_allclose(w, np.float32(0.1), rtol=1e-12)
    elif PRESETS[name].baseline == "batch":
        assert np.abs(w).max() < 1e-15
    else:
        assert np.abs(w).max() < (1e-11 if PRESETS[name].scale == "batch" else 1e-15)


def test_an_impossible_class_still_has_a_weight():
    prob = np.array([0.0, 0.6, 0.4])
    reward = [5.0, 0.0, 1.0]
    got = class_weights(classes(prob), paid(reward), PRESETS["grpo"], group_size=4)
    np.testing.assert_allclose(got.w[0], brute(prob, reward, PRESETS["grpo"], 4), atol=1e-12)
    drawn = class_weights(
        classes(prob), paid(reward), PRESETS["grpo"], group_size=4, method="sampled", samples=64
    )
    assert math.isinf(drawn.stderr[0, 0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"group_size": 2.5}, "group_size=2.5"),
        ({"group_size": 0}, "group_size=0"),
        ({"method": "guess"}, "method='guess'"),
        ({"method": "infinite", "group_size": 4}, "group_size is 4"),
        ({"method": "linear", "group_size": 4}, "divides by the group's std"),
        ({"method": "compositions"}, "group_size is inf"),
    ],
)
def test_bad_questions_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        class_weights(classes([[0.5, 0.5]]), Outcome(), PRESETS["grpo"], **change)


def test_weights_must_be_probabilities():
    with pytest.raises(ValueError, match="class probabilities"):
        class_weights(classes([[0.0, 0.0]]), Outcome(), PRESETS["grpo"])
