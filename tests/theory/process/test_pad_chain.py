"""The padded chain: closed forms against the shapers on its rollouts, and against sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shapers.process.scored import scored
from toyrl.estimators.steps import StepReturns
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.process.clip_delta import StepClip, StepClipDelta, StepDelta
from toyrl.shapers.process.summaries import StepSum
from toyrl.theory.policies import kl
from toyrl.theory.process import pad_chain
from toyrl.theory.process.pad_chain import SCHEMES

SHARE = st.floats(0, 1)


def term(scheme: str, alpha: float, eta: float) -> Shaper:
    return {
        "outcome": 0.0 * StepSum(),
        "sum": StepSum(alpha),
        "clip": StepClip(alpha, eta),
        "delta": StepDelta(alpha),
        "clip_delta": StepClipDelta(alpha, eta),
    }[scheme]


def returns(scheme: str, K: int, alpha: float, c: tuple[float, float], eta: float) -> np.ndarray:
    """(K,) G_1..G_K of a rollout of K - 1 pads and a solution."""
    r = scored([[c[0]] * (K - 1) + [c[1]]], [1.0])
    paid = (Outcome() + term(scheme, alpha, eta)).apply(r).parts
    return np.asarray(StepReturns("none").apply(paid, r)[0][0, 0])


@pytest.mark.parametrize("scheme", SCHEMES)
@given(st.integers(1, 7), SHARE, SHARE, SHARE, SHARE)
def test_totals_are_those_of_the_shapers(
    scheme: str, K: int, alpha: float, pad: float, sol: float, eta: float
):
    want = pad_chain.padded_total(scheme, K, alpha=alpha, c_pad=pad, c_sol=sol, eta=eta)
    assert returns(scheme, K, alpha, (pad, sol), eta)[0] == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("u", [0.0, 0.3, 0.9, 1.0])
def test_gradient_is_the_sum_over_rollouts(scheme: str, u: float):
    """sum over K of chance x sum over k of score x return-to-go, through shapers and estimator."""
    H, alpha, c, eta = 6, 0.4, (0.9, 0.7), 0.95
    g = np.zeros(())
    for K in range(1, H + 1):
        G = returns(scheme, K, alpha, c, eta)
        score = np.array([1 - u] * (K - 1) + ([-u] if K < H else [0.0]))  # the last is forced
        g = g + u ** (K - 1) * (1 - u if K < H else 1.0) * (score * G).sum()
    want = pad_chain.padding_gradient(scheme, u, H, alpha=alpha, c_pad=c[0], eta=eta)
    assert want == pytest.approx(g, abs=1e-13)


def test_signs_and_the_growth_with_the_horizon():
    at = {"alpha": 0.3, "c_pad": 0.9, "eta": 0.95}
    g = {s: pad_chain.padding_gradient(s, 0.6, 30, **at) for s in SCHEMES}
    assert g["sum"] > 0 < g["delta"]
    assert g["clip"] < 0 > g["clip_delta"]
    assert g["outcome"] == 0
    first = {s: pad_chain.padding_incentive(s, 0.9999, 20, **at)[0] for s in SCHEMES}
    assert first["sum"] / first["delta"] == pytest.approx(19, rel=0.01)
    one_step = pad_chain.padding_incentive("sum", np.array([0.2, 1.0]), 1, **at)
    assert one_step.shape == (2, 0)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_tilt_maximises_reward_less_kl(scheme: str):
    """No small move of the law of K raises E R - beta KL: a check that knows nothing of tilts."""
    u, H, beta = 0.3, 5, 0.1
    at = {"alpha": 0.2, "c_pad": 0.9, "c_sol": 0.7, "eta": 0.95}
    K = np.arange(1, H + 1)
    base = u ** (K - 1.0) * np.where(K < H, 1 - u, 1.0)
    reward = pad_chain.padded_total(scheme, K, **at)
    best = base * np.exp(reward / beta) / (base * np.exp(reward / beta)).sum()
    found = pad_chain.tilted_steps(scheme, u, H, beta=beta, **at)
    assert found == pytest.approx(best @ K, rel=1e-13)

    def value(p: np.ndarray) -> float:
        return float(p @ reward - beta * kl(p, base))

    for j in range(H):
        for step in (1e-3, -1e-3):
            moved = best * np.exp(step * (j + 1 == K))
            assert value(moved / moved.sum()) <= value(best)


def test_explosion():
    """Paper 09's toy: u 0.3, beta 0.1, c_pad 0.9; a long horizon stands for none."""
    at = {"c_pad": 0.9, "beta": 0.1}
    edge = pad_chain.explosion_weight(0.3, **at)
    assert edge == pytest.approx(0.1338, abs=5e-5)
    for alpha in (0.0, 0.5 * edge, 0.9 * edge):
        free = pad_chain.unbounded_tilted_steps(0.3, alpha=alpha, **at)
        long = pad_chain.tilted_steps("sum", 0.3, 3000, alpha=alpha, c_sol=0.9, **at)
        assert long == pytest.approx(free, rel=1e-9)
    assert math.isinf(pad_chain.unbounded_tilted_steps(0.3, alpha=edge * (1 + 1e-12), **at))
    assert pad_chain.tilted_steps("sum", 0.3, 200, alpha=0.2, c_sol=0.9, **at) > 100
    assert pad_chain.tilted_steps("delta", 0.3, 200, alpha=1.0, c_sol=0.9, **at) < 1 + 1 / 0.7
    assert math.isinf(pad_chain.explosion_weight(0.3, c_pad=0.0, beta=0.1))


def test_refusals():
    with pytest.raises(ValueError, match=r"K=0\.0 holds a rollout of no step"):
        pad_chain.padded_total("sum", 0, alpha=1.0, c_pad=0.5, c_sol=0.5)
    with pytest.raises(ValueError, match="scheme='pr' is not one of outcome, sum, clip"):
        pad_chain.padding_gradient("pr", 0.5, 4, alpha=1.0, c_pad=0.5)
    with pytest.raises(ValueError, match=r"c_pad=1.5 is not a number in \[0, 1\]"):
        pad_chain.padding_gradient("sum", 0.5, 4, alpha=1.0, c_pad=1.5)
