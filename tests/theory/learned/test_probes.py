"""Normal laws of probes and filters against draws, enumeration and each other."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import chi2

from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.theory.learned import probes as law

N = 200_000
SEEDS = st.integers(0, 10_000)


def within(found: float, p: float, n: int) -> bool:
    return abs(found - p) <= 5 * np.sqrt(max(p * (1 - p), 1e-9) / n)


def test_accuracies_by_draws():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(3, 3))
    S, gap, w = root @ root.T + 0.2 * np.eye(3), np.array([1.0, -0.5, 0.3]), rng.normal(size=3)
    noise = rng.normal(size=(2, N, 3)) @ root.T + np.sqrt(0.2) * rng.normal(size=(2, N, 3))
    better, worse = noise[0] + gap / 2, noise[1] - gap / 2
    assert within((better @ np.linalg.solve(S, gap) > 0).mean(), law.probe_accuracy(gap, S), N)
    found = (better @ w > worse @ w).mean()
    assert within(found, law.pairwise_accuracy(w, gap, S), N)
    x, y = rng.normal(size=(2, N))
    assert within(((0.6 * x + 0.8 * y > 0) == (x > 0)).mean(), float(law.sign_accuracy(0.6)), N)
    h = rng.normal(size=(N, 3)) * 0.5 + [0.7, 0, 0]
    inside = (np.linalg.norm(h, axis=-1) <= 1.1).mean()
    assert within(inside, float(law.kept_share(1.1, 0.7, 3, 0.5)), N)


@settings(max_examples=40)
@given(SEEDS)
def test_invariants(seed: int):
    """Invertible maps of h, the head that the probe is, more noise, flipped labels."""
    rng = np.random.default_rng(seed)
    root, turn = rng.normal(size=(2, 4, 4))
    S, gap, w = root @ root.T + np.eye(4), rng.normal(size=4), rng.normal(size=4)
    turn = turn + 3 * np.eye(4) * np.sign(np.linalg.det(turn))
    best = law.probe_accuracy(gap, S)
    if np.linalg.cond(turn) < 1e3:
        assert law.probe_accuracy(turn @ gap, turn @ S @ turn.T) == pytest.approx(best, abs=1e-7)
    assert law.probe_accuracy(-gap, S) == pytest.approx(best)
    m = np.sqrt(gap @ np.linalg.solve(S, gap))
    top = law.pairwise_accuracy(np.linalg.solve(S, gap), gap, S)
    assert top == pytest.approx(float(ndtr(m / np.sqrt(2))))
    assert law.pairwise_accuracy(w, gap, S) <= top + 1e-12
    assert law.pairwise_accuracy(-w, gap, S) == pytest.approx(1 - law.pairwise_accuracy(w, gap, S))
    assert law.probe_accuracy(gap, S + np.eye(4)) <= best + 1e-12
    e = rng.uniform(0, 2, (5, 3))
    rho = law.encoded_correlation(e)
    assert rho == pytest.approx(law.encoded_correlation(e, e / (e**2 + 1)))
    assert (law.encoded_correlation(e, rng.normal(size=(5, 3))) <= rho + 1e-12).all()


def test_corners():
    assert law.probe_accuracy([0.0, 0.0], np.eye(2)) == 0.5
    assert law.probe_accuracy([0.0, 1.0], np.diag([1.0, 0.0])) == 1.0
    assert law.probe_accuracy([1.0, 0.0], np.diag([1.0, 0.0])) == pytest.approx(float(ndtr(0.5)))
    constant = law.pairwise_accuracy([0.0, 0.0], [1.0, 1.0], np.eye(2))
    assert constant == 0.5
    assert law.pairwise_accuracy([1.0], [2.0], [[0.0]]) == 1.0
    assert law.sign_accuracy([-1, 0, 1]) == pytest.approx([0, 0.5, 1])
    assert law.encoded_correlation([0.0, 0.0]) == 0
    assert law.kept_share(np.inf, 1e6, 4) == 1
    assert law.kept_share(2.0, 0.0, 4) == pytest.approx(chi2.cdf(4, 4))
    assert law.kept_share([1.0, 2.0], 1.0, 4, 0.0) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("baseline", "name"), [("none", "reinforce"), ("mean", "dr_grpo"), ("leave_one_out", "rloo")]
)
def test_random_discard_slows_by_this_number(baseline: str, name: str):
    """Every subset of a group, every outcome of its members: the expected gradient."""
    G, q, p = 4, 0.3, 0.4
    bits = (np.arange(2**G)[:, None] >> np.arange(G)) & 1
    kept, arm = np.repeat(bits, 2**G, 0), np.tile(bits, (2**G, 1))
    chance = (np.where(kept, 1 - q, q) * np.where(arm, p, 1 - p)).prod(-1)
    one = np.ones(kept.shape)

    def gradient(reward: np.ndarray) -> float:
        a = PRESETS[name].apply({"r": reward}, Rollouts(one, one, 1.0))[0]
        return float(chance @ (a * (arm - p)).mean(-1))

    slow, whole = gradient(np.where(kept > 0, 1.0 * arm, np.nan)), gradient(1.0 * arm)
    assert slow / whole == pytest.approx(float(law.discard_speed(q, G, baseline)), abs=1e-12)
    # The mean's law by its definition: expected number of the kept beyond the first.
    first = sum(comb(G, m) * (1 - q) ** m * q ** (G - m) * max(m - 1, 0) for m in range(G + 1))
    assert law.discard_speed(q, G, "mean") == pytest.approx(first / (G - 1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: law.probe_accuracy([1.0], np.eye(2)), "give"),
        (lambda: law.probe_accuracy([1.0, 0.0], -np.eye(2)), "eigenvalue -1"),
        (lambda: law.probe_accuracy([np.nan], [[1.0]]), "finite"),
        (lambda: law.pairwise_accuracy([1.0], [1.0, 0.0], np.eye(2)), "one number a feature"),
        (lambda: law.sign_accuracy(1.5), "correlation=1.5"),
        (lambda: law.tilted_gain(0.5, -1.0), "nats=-1.0"),
        (lambda: law.kept_share(-1.0, 0.0, 2), "most=.*at least 0"),
        (lambda: law.kept_share(1.0, 0.0, 0), "dimensions=0"),
        (lambda: law.discard_speed(1.5, 4), "share=1.5"),
        (lambda: law.discard_speed(0.5, 4, "median"), "'median' is not one of none, mean"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(ValueError, match=said):
        call()
