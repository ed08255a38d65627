"""Errors and gradients of redistributed returns, by slow definitions and by sampling."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toyrl.theory.process.credit import gae_credit_variance, holistic_credit_variance
from toyrl.theory.redistribution.errors import (
    greedy_regret,
    incomplete_crossover,
    incomplete_fit_error,
    optimal_share,
    raw_latent_ratio,
    return_fit_error,
)
from toyrl.theory.redistribution.gradient import (
    episodic_gradient_variance,
    own_reward_variance,
    residual_end_variance,
    spread_gradient_share,
)


@pytest.mark.parametrize(("q", "T", "c"), [(0.3, 4, 0.4), (0.5, 5, 1.0), (0.9, 3, 0.0)])
def test_gradients_by_enumeration(q, T, c):
    x = np.array(list(itertools.product((0.0, 1.0), repeat=T)))
    weight = np.where(x == 1, q, 1 - q).prod(-1)

    def moments(a):
        g = (x - q) * a
        mean = weight @ g
        return mean, weight @ (g - mean) ** 2

    whole = x.sum(-1, keepdims=True)
    found = moments(np.repeat(whole, T, -1))[1]
    assert found == pytest.approx(episodic_gradient_variance(q, T), abs=1e-13)
    assert moments(x)[1] == pytest.approx(own_reward_variance(q), abs=1e-14)
    left = (1 - c) * whole
    end = c * x + np.where(np.arange(T) == T - 1, left, 0)
    even = c * x + left / T
    for paid, share in ((end, np.ones(T)), (even, spread_gradient_share(T, c))):
        to_go = paid[:, ::-1].cumsum(-1)[:, ::-1]
        mean, noise = moments(to_go - weight @ to_go)
        assert mean == pytest.approx(q * (1 - q) * share, abs=1e-13)
        if paid is end:
            assert noise == pytest.approx(residual_end_variance(q, T, c), abs=1e-13)
    assert residual_end_variance(q, T, 0.0) == pytest.approx(holistic_credit_variance(q, T))
    assert residual_end_variance(q, T, 1.0) == pytest.approx(gae_credit_variance(q, T))


def test_the_end_keeps_any_chains_gradient_and_a_spread_does_not():
    """Three actions that depend on those before, any return, any step rewards of the prefix."""
    rng = np.random.default_rng(0)
    x = np.array(list(itertools.product((0, 1), repeat=3)))
    prefix = np.stack([np.zeros(8, int), x[:, 0], 2 + 2 * x[:, 0] + x[:, 1]], -1)
    q = rng.uniform(0.1, 0.9, (3, 6))[np.arange(3), prefix]  # of action 1 after this prefix
    weight, score = np.where(x == 1, q, 1 - q).prod(-1), x - q
    R, paid = rng.standard_normal(8), rng.standard_normal((3, 6, 2))[np.arange(3), prefix, x]

    def gradient(a):  # of the logit behind each prefix
        return [(weight * score[:, k] * a[:, k] * (prefix[:, k] == p)).sum()
                for k in range(3) for p in range(6)]  # fmt: skip

    left = R - paid.sum(-1)
    end = paid + left[:, None] * (np.arange(3) == 2)
    even = paid + left[:, None] / 3
    want = gradient(np.repeat(R[:, None], 3, -1))
    assert gradient(end[:, ::-1].cumsum(-1)[:, ::-1]) == pytest.approx(want, abs=1e-14)
    assert gradient(even[:, ::-1].cumsum(-1)[:, ::-1]) != pytest.approx(want, abs=1e-3)


def test_the_toy_of_paper_41():
    """T fair actions (section 5 c), and N 100, D 50, d 3, T 20, sigma 2 (section 5 b)."""
    for T in (2, 5, 10, 20):
        m = (T - 1) / 2
        want = (1 + 2 * m + 2 * ((T - 1) / 4 + m**2)) / 8 - 1 / 16
        assert episodic_gradient_variance(0.5, T) == pytest.approx(want, abs=1e-13)
    assert own_reward_variance(0.5) == 1 / 16
    at = {"steps": 20, "sigma": 2.0}
    assert return_fit_error(100, 50, **at) == pytest.approx(0.2041, abs=5e-5)
    assert return_fit_error(100, 3, **at) == pytest.approx(0.00625, abs=1e-12)
    assert raw_latent_ratio(100, 50, 3) == pytest.approx(32.7, abs=0.05)


def test_the_crossing_is_where_the_two_errors_meet():
    at = {"steps": 20, "sigma": 2.0}
    N = incomplete_crossover(50, 2, 0.5, **at)
    raw = 0.2 * 50 / (N - 51)
    assert raw == pytest.approx(0.25 + 0.45 * 2 / (N - 3), rel=1e-12)
    assert incomplete_fit_error(10**9, 2, 0.5, **at) == pytest.approx(0.25, rel=1e-6)
    assert math.isinf(incomplete_crossover(50, 2, 0.0, **at))
    assert incomplete_crossover(50, 2, 0.5, sigma=0.0) == 51
    # Half the noise is paid by few more episodes: the crossing falls towards D + 1.
    assert 51 < incomplete_crossover(50, 2, 0.5, steps=20, sigma=1.0) < N


def test_greedy_actions_by_sampling():
    rng = np.random.default_rng(0)
    w, guess = np.array([1.0, 0.0]), np.array([0.6, 0.8])
    a = rng.standard_normal((200_000, 2, 2))
    worth, said = a @ w, a @ guess
    taken = np.take_along_axis(worth, said.argmax(-1)[:, None], -1)[:, 0]
    regret, right = worth.max(-1) - taken, taken == worth.max(-1)
    n = len(a) ** 0.5
    assert abs(regret.mean() - greedy_regret(0.6)) < 4 * regret.std() / n
    assert abs(right.mean() - optimal_share(0.6)) < 4 * right.std() / n
    assert greedy_regret(0.0) == pytest.approx(0.564, abs=5e-4)  # uniform, hence a coin
