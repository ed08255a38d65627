"""Tilted path, best-of-k, order: closed form, enumeration and simulation against each other."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.experiments.validate.hacks import price
from toyrl.experiments.validate.reward_law import order, selection
from toyrl.rollouts import Rollouts
from toyrl.theory.distance.order import correlation, distance, potential_like, regret
from toyrl.theory.policies import kl, tilt
from toyrl.theory.selection.alignment import tilt_price
from toyrl.theory.selection.best_of_k import best_of_k, kl_bound
from toyrl.theory.selection.pass_at_k import pass_at_k

K = 5


@st.composite
def laws(draw):
    raw = draw(st.lists(st.floats(0.03125, 1, width=32), min_size=K, max_size=K))
    p = np.array(raw) / np.sum(raw)
    reward = draw(st.lists(st.integers(-3, 3), min_size=K, max_size=K))
    truth = draw(st.lists(st.integers(0, 1), min_size=K, max_size=K))
    return p, np.array(reward, dtype=float), np.array(truth, dtype=float)


def by_enumeration(p, reward, k):
    """Best of k by listing all K**k draws; ties share the pick equally."""
    out = np.zeros(len(p))
    for draw in itertools.product(range(len(p)), repeat=k):
        top = max(reward[i] for i in draw)
        winners = [i for i in draw if reward[i] == top]
        for i in winners:
            out[i] += np.prod(p[list(draw)]) / len(winners)
    return out


@given(laws(), st.integers(1, 4))
def test_best_of_k_is_the_enumeration(law, k):
    p, reward, _ = law
    assert best_of_k(p, reward, [k])[0] == pytest.approx(by_enumeration(p, reward, k), abs=1e-12)


@given(laws(), st.integers(1, 64))
def test_best_of_k_kl_is_within_its_bound(law, k):
    p, reward, _ = law
    kept = best_of_k(p, reward, [k])
    assert kl(kept, p)[0] <= kl_bound([k])[0] + 1e-12


def test_best_of_k_kl_reaches_its_bound_without_ties():
    p = np.full(20000, 1 / 20000)
    found = kl(best_of_k(p, np.arange(20000.0), [4]), p)[0]
    # Atoms of 1/n cost the bound about k^2/n relative; 16/20000.
    assert found == pytest.approx(kl_bound([4])[0], rel=1e-3)


def test_best_of_k_simulated():
    rng = np.random.default_rng(0)
    p, reward = np.array([0.5, 0.2, 0.2, 0.1]), np.array([0.0, 1.0, 1.0, 2.0])
    draws = rng.choice(4, size=(50_000, 6), p=p)
    kept = reward[draws].max(-1)
    expected = best_of_k(p, reward, [6])[0] @ reward
    assert abs(kept.mean() - expected) < 4 * kept.std() / 50_000**0.5


@given(st.integers(1, 12), st.data())
def test_pass_at_k_is_the_ratio_of_binomials(n, data):
    c = data.draw(st.integers(0, n))
    k = np.arange(1, n + 1)
    expected = [1 - comb(n - c, int(j)) / comb(n, int(j)) for j in k]
    assert pass_at_k(n, np.array(c), n) == pytest.approx(expected, abs=1e-12)
    assert np.isnan(pass_at_k(n, np.array(c), n + 1)[-1])


def test_pass_at_k_refuses_impossible_counts():
    with pytest.raises(ValueError, match=r"0\.\.n"):
        pass_at_k(4, np.array(5), 2)


@given(laws(), st.floats(0, 4, width=32))
def test_tilt_maximises_reward_in_its_kl_ball(law, t):
    """No random policy with at most the same KL earns more."""
    p, reward, _ = law
    tilted = tilt(p[None], reward[None], np.array([t]))[0, 0]
    radius = kl(tilted, p)
    rng = np.random.default_rng(0)
    others = rng.dirichlet(np.ones(K), 200)
    inside = others[kl(others, p) <= radius]
    assert np.all(inside @ reward <= tilted @ reward + 1e-9)


def test_price_of_a_two_class_exploit_is_its_closed_form():
    """A wrong class of mass q paid above the right one: accuracy falls once it has enough mass."""
    q, start = 1e-3, 0.5
    p = np.array([[start, 1 - start - q, q]])
    reward = np.array([[1.0, 0.0, 3.0]])
    truth = np.array([[1.0, 0.0, 0.0]])
    found = tilt_price(p, reward, truth)
    x = np.exp(found.inverse_beta)
    mass = p[0] * np.array([x, 1.0, x**3])
    mass /= mass.sum()
    assert mass[0] == pytest.approx(start - 0.1, abs=1e-9)
    assert found.kl == pytest.approx((mass * np.log(mass / p[0])).sum(), abs=1e-9)


def test_price_is_infinite_for_the_truth_and_finite_for_its_opposite():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(6), 3)
    truth = (rng.random((3, 6)) < 0.5).astype(float)
    assert np.isinf(tilt_price(p, truth, truth).kl)
    assert np.isinf(tilt_price(p, 2 * truth + 5, truth).kl)
    assert tilt_price(p, -truth, truth).kl < 1


def test_exploits_get_their_mass():
    class Exploit:
        reward = 10.0

    p, r, t = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]), np.array([[1.0, 0.0]])
    assert np.isinf(price.on_classes(p, r, t, np.ones(1)).kl)
    with_hack = price.on_classes(p, r, t, np.ones(1), [Exploit()])
    assert np.isfinite(with_hack.kl)
    rarer = price.on_classes(p, r, t, np.ones(1), [Exploit()], mass=1e-6)
    assert rarer.kl > with_hack.kl


def test_log_price_is_censored():
    r = Rollouts(np.array([[1.0, 0, 0, 0]] * 3), np.ones((3, 4)), 2.0)
    assert np.isinf(price.log_price(r, r.correct))
    assert price.log_price(r, -r.correct) < np.log(4)


def test_distance_at_three_points():
    p = np.array([[0.25, 0.25, 0.25, 0.25]])
    truth = np.array([[1.0, 1.0, 0.0, 0.0]])
    one = np.ones(1)
    assert distance(p, truth, truth, one) == pytest.approx(0, abs=1e-9)
    assert distance(p, 3 * truth - 7, truth, one) == pytest.approx(0, abs=1e-7)
    assert distance(p, -truth, truth, one) == pytest.approx(2)
    uncorrelated = np.array([[1.0, 0.0, 1.0, 0.0]])
    assert distance(p, uncorrelated, truth, one) == pytest.approx(np.sqrt(2))
    # By hand: centred (.5,.5,-.5,-.5) and (1.5,.5,-.5,-1.5)/...: rho = 2/sqrt(5)
    ramp = np.array([[3.0, 2.0, 1.0, 0.0]])
    assert correlation(p, ramp, truth, one) == pytest.approx(2 / np.sqrt(5))


def test_constant_per_prompt_changes_nothing():
    rng = np.random.default_rng(2)
    p, truth = rng.dirichlet(np.ones(4), 2), (rng.random((2, 4)) < 0.5).astype(float)
    shifted = truth + np.array([[3.0], [-2.0]])
    share = np.full(2, 0.5)
    assert potential_like(p, shifted, truth)
    assert not potential_like(p, truth + rng.random((2, 4)), truth)
    assert correlation(p, shifted, truth, share) == pytest.approx(1)
    found = regret(p, shifted, truth, share, np.array([0.1, 1.0]))
    assert np.abs(found.regret).max() < 1e-6


@given(laws())
def test_regret_is_never_negative(law):
    p, reward, truth = (x[None] for x in law)
    found = regret(p, reward, truth, np.ones(1), np.array([0.1, 0.5, 2.0]))
    assert found.regret.min() > -1e-6


def test_sections_say_what_they_found():
    p = np.array([[0.3, 0.3, 0.4]])
    truth = np.array([[1.0, 0.0, 0.0]])
    good = selection.run(p, truth, truth, np.ones(1))
    bad = selection.run(p, 1 - truth, truth, np.ones(1))
    assert good.findings[0].status == "pass"
    assert bad.findings[0].status == "warn"
    assert "lowers accuracy" in bad.summary
    assert order.run(p, truth, truth, np.ones(1)).findings[1].status == "pass"
    assert order.run(p, 1 - truth, truth, np.ones(1)).findings[1].status == "warn"
