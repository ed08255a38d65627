"""Total variation and the tilt under a forward penalty, by their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from toyrl.theory.policies import forward_tilt, kl, softmax, total_variation


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
