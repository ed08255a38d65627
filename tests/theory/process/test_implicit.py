"""Identities of implicit rewards on random trees, and what cross-entropy reaches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.theory.policies import kl
from toyrl.theory.process.implicit import (
    implicit_reward_cap,
    learned_class_rewards,
    pooled_vote,
    prefix_mean,
    soft_prefix_value,
    value_ratio_reward,
)

V, T, BETA = 3, 3, 0.3


def tree(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) log-probabilities of two random policies."""
    rng = np.random.default_rng(seed)
    y = np.array(list(itertools.product(range(V), repeat=T)))
    out = []
    for _ in range(2):
        cond = [rng.dirichlet(np.ones(V), V**t) for t in range(T)]
        prefix = [y[:, :t] @ V ** np.arange(t)[::-1] for t in range(T)]
        out.append(np.stack([np.log(cond[t][prefix[t], y[:, t]]) for t in range(T)], -1))
    return out[0], out[1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("t", range(T + 1))
def test_prefix_sums_are_soft_values_between_the_means(seed: int, t: int):
    ours, ref = tree(seed)
    r, law, own = BETA * (ours - ref).sum(-1), np.exp(ref.sum(-1)), np.exp(ours.sum(-1))
    q = BETA * (ours - ref)[:, :t].sum(-1).reshape(V**t, -1)[:, 0]
    assert soft_prefix_value(r, law, V**t, beta=BETA) == pytest.approx(q, abs=1e-13)
    low, high = prefix_mean(r, law, V**t), prefix_mean(r, own, V**t)
    below = [x.reshape(V**t, -1) / x.reshape(V**t, -1).sum(-1, keepdims=True) for x in (law, own)]
    assert q - low == pytest.approx(BETA * kl(below[0], below[1]), abs=1e-13)
    assert high - q == pytest.approx(BETA * kl(below[1], below[0]), abs=1e-13)
    assert np.all(high <= r.reshape(V**t, -1).max(-1) + 1e-13)


def test_cross_entropy_with_doubt_by_its_stationary_point():
    m, eta, beta = np.array([0.2, 0.3, 0.5]), np.array([0.9, 0.5, 0.1]), 0.4
    r = learned_class_rewards(m, eta, beta=beta)
    assert m @ np.exp(r / beta) == pytest.approx(1, abs=1e-12)
    multiplier = (eta - 1 / (1 + np.exp(-r))) * np.exp(-r / beta)
    assert multiplier == pytest.approx(multiplier[0], abs=1e-6)
    two = learned_class_rewards(np.array([0.4, 0.6]), np.array([0.7, 0.2]), beta=0.05)
    assert two == pytest.approx([0.045814, -1.386294], abs=1e-6)
    assert two[0] <= implicit_reward_cap(0.4, beta=0.05)


def test_right_responses_share_one_total():
    rng = np.random.default_rng(0)
    right, law = rng.random(V**T) < 0.35, np.exp(tree(5)[1].sum(-1))
    V_t = [prefix_mean(right, law, V**t).repeat(V ** (T - t)) for t in range(T + 1)]
    r = value_ratio_reward(np.stack(V_t, -1), beta=BETA)
    total = r.sum(-1)
    assert total[right] == pytest.approx(-BETA * np.log(V_t[0][0]), abs=1e-13)
    assert np.isneginf(total[~right]).all()


def test_votes_add_chances():
    assert pooled_vote([0, 1, 1], [3.0, 0.0, 0.1]) == 1  # 0.953 against 0.5 + 0.525
    assert pooled_vote([0, 1, 1], [3.0, -1.0, -1.0]) == 0
    assert pooled_vote([0, 1, 1], [3.0, -1.0, -1.0], scale=0.0) == 1  # the majority
