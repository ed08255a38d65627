"""Closed forms for Bernoulli rewards: against enumeration with the library's own estimators."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.theory.group import variance as v

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
        assert np.abs(g - v.group_gradient(name, np.arange(G + 1), p, G)).max() < 1e-12


@pytest.mark.parametrize("name", v.ESTIMATORS)
@pytest.mark.parametrize("G", [2, 3, 8, 64])
def test_mean_and_variance_by_enumeration(name, G):
    a, reward = advantages(G, PRESET[name]), groups(G)
    u = np.where(reward > 0, 1 - P[:, None, None], -P[:, None, None])
    g, chance = (a * u).mean(-1), law(P, G)
    mean = (chance * g).sum(-1)
    np.testing.assert_allclose(v.gradient_weight(name, P, G) * P * (1 - P), mean, atol=1e-13)
    spread = (chance * (g - mean[:, None]) ** 2).sum(-1)
    np.testing.assert_allclose(v.gradient_variance(name, P, G), spread, atol=1e-13)
    joint = chance[:, :, None] * a / G
    right = (joint * (reward > 0)).sum((-2, -1)) / P
    wrong = (joint * (reward == 0)).sum((-2, -1)) / (1 - P)
    means = v.mean_advantages(name, P, G)
    np.testing.assert_allclose(means, (right, wrong), atol=1e-12)


@pytest.mark.parametrize("G", [2, 5, 64])
def test_sample_std_bounds_advantages(G):
    largest = np.abs(advantages(G, PRESET["grpo"])).max()
    assert largest == pytest.approx((G - 1) / math.sqrt(G), rel=1e-13)  # one right or one wrong


@pytest.mark.parametrize("ddof", [0, 1])
def test_population_and_sample_std(ddof):
    G = 6
    a = advantages(G, PRESETS["grpo_exact" if ddof else "grpo_population"])
    factor = (law(P, G - 1) * a[1:, 0]).sum(-1) / (1 - P)  # E[A | own right]/(1-p)
    np.testing.assert_allclose(v.omega(P, G, ddof=ddof), factor, rtol=1e-12)


def test_omega_at_its_ends_and_in_its_limits():
    assert np.ptp(v.omega(np.linspace(0, 1, 99), 2)) < 1e-12  # G = 2: no difficulty bias
    assert v.omega(0.3, 2) == pytest.approx(1 / math.sqrt(2), abs=1e-15)
    for G in (2, 3, 8, 64):
        # Binomials by logarithms: exp turns the rounding of three lgamma into relative error.
        rounding = 4 * np.finfo(float).eps * max(1.0, math.lgamma(G + 1))
        ends = v.omega([0.0, 1.0], G)
        np.testing.assert_allclose(ends, (G - 1) / math.sqrt(G), rtol=rounding)
        np.testing.assert_allclose(v.omega([0.0, 1.0], G, ddof=0), math.sqrt(G - 1), rtol=rounding)
        np.testing.assert_allclose(v.omega(P, G), v.omega(1 - P, G), rtol=1e-12)
    p = np.linspace(0.2, 0.8, 121)
    assert np.abs(v.omega(p, 64) * np.sqrt(p * (1 - p)) - 1).max() < 0.021
    step = 1e-6  # omega at G = inf is the slope of 2 arcsin(sqrt(p))
    ascended = [2 * np.arcsin(np.sqrt(p + h)) for h in (step, -step)]
    slope = (ascended[0] - ascended[1]) / (2 * step)
    np.testing.assert_allclose(slope, v.omega(p, math.inf), rtol=1e-8)


def test_baseline_halves_variance_at_one_half_and_hurts_near_one():
    for G in (2, 4, 16):
        ratio = v.gradient_variance("rloo", 0.5, G) / v.gradient_variance("reinforce", 0.5, G)
        assert ratio == pytest.approx(2 / (G - 1), rel=1e-12)
    q = 1e-4
    plain = v.gradient_variance("reinforce", 1 - q, 8)
    assert plain == pytest.approx(q**3 / 8, rel=1e-3)
    assert v.gradient_variance("rloo", 1 - q, 8) == pytest.approx(q / 8, rel=1e-3)


def test_dynamic_sampling_does_not_reweight_prompts():
    G = 4
    keep = 1 / v.groups_per_kept(P, G)
    g = v.group_gradient("grpo", np.arange(G + 1), 0.0, G)
    kept = (law(P, G)[:, 1:-1] * g[1:-1]).sum(-1) / keep  # E[g | kept]
    np.testing.assert_allclose(kept * keep, v.omega(P, G) * P * (1 - P), atol=1e-14)
    np.testing.assert_allclose(v.zero_signal(P, G), 1 - keep, atol=1e-14)


def test_batch_std_is_that_of_the_mix():
    share, p = np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.5, 0.8])
    right = float(share @ p)
    assert v.batch_std_limit(p, share) == pytest.approx(math.sqrt(right * (1 - right)), rel=1e-14)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: v.omega(0.5, 1), "group_size=1"),
        (lambda: v.gradient_weight("ppo", 0.5, 4), "estimator='ppo'"),
        (lambda: v.gradient_variance("ppo", 0.5, 4), "estimator='ppo'"),
    ],
)
def test_bad_arguments_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
