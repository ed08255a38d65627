"""Closed forms for Bernoulli rewards: against enumeration with the library's own estimators."""

from __future__ import annotations

import math

import numpy as np
import pytest

from theory import variance as v
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts

P = np.array([0.02, 0.1, 0.3, 0.5, 0.8, 0.98])
PRESET = {name: PRESETS["grpo_exact" if name == "grpo" else name] for name in v.ESTIMATORS}


def groups(G):
    """(G+1, G) rewards with 0..G right, right ones first."""
    return (np.arange(G) < np.arange(G + 1)[:, None]).astype(float)


def advantages(G, estimator):
    reward = groups(G)
    r = Rollouts(reward, np.ones_like(reward), 1.0)
    return estimator.apply({"outcome": reward}, r)[0]


def law(p, G):
    """(len(p), G+1) probabilities of K right ones."""
    k = np.arange(G + 1)
    ways = np.array([math.comb(G, int(i)) for i in k], dtype=float)
    return ways * p[:, None] ** k * (1 - p[:, None]) ** (G - k)


@pytest.mark.parametrize("name", v.ESTIMATORS)
@pytest.mark.parametrize("G", [2, 3, 8, 64])
def test_gradient_of_each_group(name, G):
    a, reward = advantages(G, PRESET[name]), groups(G)
    for p in P:
        g = (a * np.where(reward > 0, 1 - p, -p)).mean(-1)
        assert np.abs(g - v.group_gradient(np.arange(G + 1), p, G, name)).max() < 1e-12


@pytest.mark.parametrize("name", v.ESTIMATORS)
@pytest.mark.parametrize("G", [2, 3, 8, 64])
def test_mean_and_variance_by_enumeration(name, G):
    a, reward = advantages(G, PRESET[name]), groups(G)
    u = np.where(reward > 0, 1 - P[:, None, None], -P[:, None, None])
    g, chance = (a * u).mean(-1), law(P, G)
    mean = (chance * g).sum(-1)
    np.testing.assert_allclose(v.gradient_mean(P, G, name), mean, atol=1e-13)
    spread = (chance * (g - mean[:, None]) ** 2).sum(-1)
    np.testing.assert_allclose(v.gradient_variance(P, G, name), spread, atol=1e-13)
    joint = chance[:, :, None] * a / G
    right = (joint * (reward > 0)).sum((-2, -1)) / P
    wrong = (joint * (reward == 0)).sum((-2, -1)) / (1 - P)
    means = v.advantage_means(P, G, name)
    np.testing.assert_allclose(means, (right, wrong), atol=1e-12)


@pytest.mark.parametrize("name", v.ESTIMATORS)
@pytest.mark.parametrize("G", [2, 5])
def test_values_in_a_group(name, G):
    a = advantages(G, PRESET[name])
    right, wrong = v.group_advantages(np.arange(G + 1), G, name)
    np.testing.assert_allclose(a[1:, 0], right[1:], atol=1e-14)
    np.testing.assert_allclose(a[:-1, -1], wrong[:-1], atol=1e-14)
    assert np.abs(a).max() <= (G - 1) / math.sqrt(G) + 1e-14 or name == "reinforce"


@pytest.mark.parametrize("ddof", [0.0, 1.0])
def test_population_and_sample_std(ddof):
    G = 6
    a = advantages(G, PRESETS["grpo_exact" if ddof else "grpo_population"])
    right, wrong = v.group_advantages(np.arange(G + 1), G, "grpo", ddof=ddof)
    np.testing.assert_allclose(a[1:, 0], right[1:], atol=1e-14)
    factor = (law(P, G - 1) * right[1:]).sum(-1) / (1 - P)  # E[A | own right]/(1-p)
    np.testing.assert_allclose(v.omega(P, G, ddof=ddof), factor, rtol=1e-12)


def test_omega_at_its_ends_and_in_its_limits():
    assert np.ptp(v.omega(np.linspace(0, 1, 99), 2)) < 1e-12  # G = 2: no difficulty bias
    assert v.omega(0.3, 2) == pytest.approx(1 / math.sqrt(2), abs=1e-15)
    for G in (2, 3, 8, 64):
        ends = v.omega([0.0, 1.0], G)
        np.testing.assert_allclose(ends, (G - 1) / math.sqrt(G), rtol=1e-14)
        np.testing.assert_allclose(v.omega([0.0, 1.0], G, ddof=0), math.sqrt(G - 1), rtol=1e-14)
        np.testing.assert_allclose(v.omega(P, G), v.omega(1 - P, G), rtol=1e-12)
    p = np.linspace(0.2, 0.8, 121)
    assert np.abs(v.omega(p, 64) * np.sqrt(p * (1 - p)) - 1).max() < 0.021
    np.testing.assert_allclose(v.omega(p, math.inf), 1 / np.sqrt(p * (1 - p)))
    step = 1e-6
    slope = (v.population_objective(p + step) - v.population_objective(p - step)) / (2 * step)
    np.testing.assert_allclose(slope, v.omega(p, math.inf), rtol=1e-8)


def test_baseline_halves_variance_at_one_half_and_hurts_near_one():
    for G in (2, 4, 16):
        ratio = v.gradient_variance(0.5, G, "rloo") / v.gradient_variance(0.5, G, "reinforce")
        assert ratio == pytest.approx(2 / (G - 1), rel=1e-12)
    q = 1e-4
    plain = v.gradient_variance(1 - q, 8, "reinforce")
    assert plain == pytest.approx(q**3 / 8, rel=1e-3)
    assert v.gradient_variance(1 - q, 8, "rloo") == pytest.approx(q / 8, rel=1e-3)


def test_dynamic_sampling_does_not_reweight_prompts():
    G = 4
    keep = 1 / v.groups_per_kept(P, G)
    g = v.group_gradient(np.arange(G + 1), 0.0, G, "grpo")
    kept = (law(P, G)[:, 1:-1] * g[1:-1]).sum(-1) / keep  # E[g | kept]
    np.testing.assert_allclose(kept * keep, v.gradient_mean(P, G, "grpo"), atol=1e-14)
    np.testing.assert_allclose(v.zero_signal(P, G), 1 - keep, atol=1e-14)
    assert math.isinf(v.groups_per_kept(1.0, G))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: v.omega(1.5, 4), "p="),
        (lambda: v.omega(0.5, 1), "group_size=1"),
        (lambda: v.gradient_mean(0.5, 2.5, "rloo"), "group_size=2.5"),
        (lambda: v.gradient_mean(0.5, math.inf, "rloo"), "group_size=inf"),
        (lambda: v.gradient_variance(0.5, 4, "ppo"), "name='ppo'"),
    ],
)
def test_bad_arguments_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
