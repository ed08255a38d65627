"""Total variation and the tilt under a forward penalty, by their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from toyrl.theory.policies import (
    forward_tilt,
    kl,
    softmax,
    tilt,
    tilt_curve,
    tilt_to_kl,
    total_variation,
)


@st.composite
def problems(draw):
    k = draw(st.integers(1, 5))
    ref = np.array(draw(st.lists(st.floats(0.01, 1), min_size=k, max_size=k)))
    reward = np.array(draw(st.lists(st.integers(-3, 3), min_size=k, max_size=k)), dtype=float)
    return ref / ref.sum(), reward, draw(st.floats(0.01, 10))


@given(problems())
def test_the_forward_tilt_is_stationary(problem):
    ref, reward, beta = problem
    pi = forward_tilt(ref, reward, beta)
    assert pi.sum() == pytest.approx(1, abs=1e-9)
    # d/dz of E r - beta KL(ref || softmax z) is pi (r - v) + beta (ref - pi).
    np.testing.assert_allclose(pi * (reward - pi @ reward) + beta * (ref - pi), 0, atol=1e-8)


def test_the_forward_tilt_is_the_maximum_found_by_descent():
    ref, reward, beta = np.array([0.2, 0.3, 0.5]), np.array([1.0, 0.5, 0.0]), 0.4

    def loss(z):
        return beta * kl(ref, softmax(z)) - softmax(z) @ reward

    end = softmax(minimize(loss, np.log(ref), tol=1e-12).x)
    np.testing.assert_allclose(forward_tilt(ref, reward, beta), end, atol=1e-6)


@pytest.mark.parametrize(("ref", "beta"), [([0.5, 0.5], 0.0), ([1.0, 0.0], 1.0)])
def test_a_forward_tilt_without_a_maximum_is_refused(ref, beta):
    with pytest.raises(ValueError, match="all must be above 0"):
        forward_tilt(ref, [1.0, 0.0], beta)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_total_variation_is_the_largest_difference_of_an_event(k, seed):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(k), 2)
    events = itertools.product((0, 1), repeat=k)
    assert total_variation(p, q) == pytest.approx(max(abs(np.dot(e, p - q)) for e in events))


@given(problems(), st.floats(0.0, 20))
def test_the_kl_ball_is_left_where_its_tilt_says(problem, t):
    ref, reward, _ = problem
    nats = float(kl(tilt(ref, reward, t), ref))
    found = tilt_to_kl(ref, reward, nats)
    at = tilt(ref, reward, found)
    assert kl(at, ref) == pytest.approx(nats, abs=1e-12)
    # Where KL no longer tells tilts apart, they pay alike.
    assert at @ reward == pytest.approx(tilt(ref, reward, t) @ reward, abs=1e-5)


def test_the_curve_along_the_tilt_is_that_of_its_policies():
    ref = np.array([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]])
    reward, gold = np.array([[0, 1, 2.0], [1, 0, 9]]), np.array([[0, 1, -1.0], [1, 0, np.nan]])
    shares = np.array([0.25, 0.75])
    at = [0.0, 1.0, np.inf]
    found = tilt_curve(ref, reward, gold, at, shares)
    for i, t in enumerate(at):
        pi = tilt(ref, reward, t)
        want = [np.nansum(pi * x, axis=-1) @ shares for x in (gold, reward)]
        assert [x[i] for x in found] == pytest.approx([*want, kl(pi, ref) @ shares])
    assert tilt_to_kl(ref[0], reward[0], 5.0) == np.inf  # the best answer alone is 1.6 nats away
    with pytest.raises(ValueError, match="nats=-1"):
        tilt_to_kl(ref[0], reward[0], -1.0)
