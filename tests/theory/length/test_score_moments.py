"""Moments of score and outcome: enumeration of random laws, the closed variances, smoothness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.length import conciseness, score_moments

SEED = st.integers(0, 2**32 - 1)


def laws(seed: int, n: int = 5, k: int = 3) -> tuple[np.ndarray, ...]:
    """n laws on 2k classes: outcome, score, probability, (n, 1) kappa."""
    rng = np.random.default_rng(seed)
    outcome = np.broadcast_to(np.repeat([1.0, 0.0], k), (n, 2 * k))
    prob = rng.dirichlet(np.ones(2 * k), n)
    return outcome, rng.uniform(0.1, 1, (n, 2 * k)), prob, rng.uniform(0.01, 4, (n, 1))


@given(SEED)
def test_moments_by_enumeration(seed: int):
    o, c, w, kappa = laws(seed)

    def cov(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        mean = lambda z: (w * z).sum(-1, keepdims=True)  # noqa: E731
        return mean((x - mean(x)) * (y - mean(y)))

    law = score_moments.score_law(o, c, w, kappa)
    found = score_moments.score_moments(law)
    for got, want in (
        (found.outcome_score, cov(o, c)),
        (found.outcome_paid, cov(o, o * c)),
        (found.score, cov(c, c)),
        (found.paid, cov(o * c, o * c)),
    ):
        np.testing.assert_allclose(got, want, atol=1e-13)
    signal = law.p * (1 - law.p)
    additive = signal + 2 * kappa * found.outcome_score + kappa**2 * found.score
    crf = signal + 2 * kappa * found.outcome_paid + kappa**2 * found.paid
    for got, want in zip(conciseness.variances(law), (additive, crf), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-13)


@given(SEED)
def test_noise_within_outcomes(seed: int):
    o, c, w, kappa = laws(seed)
    law = score_moments.score_law(o, c, w, kappa)
    for got, reward in zip(score_moments.outcome_noise(law), (o + kappa * c, o * (1 + kappa * c)),
                           strict=True):  # fmt: skip
        want = 0.0
        for given_ in (o, 1 - o):
            mass = (w * given_).sum(-1, keepdims=True)
            mean = (w * given_ * reward).sum(-1, keepdims=True) / mass
            want = want + (w * given_ * (reward - mean) ** 2).sum(-1, keepdims=True)
        np.testing.assert_allclose(got, want, atol=1e-13)
    more, less = score_moments.outcome_noise(law)
    assert (more >= less).all()


def test_an_outcome_that_never_happens_and_bad_laws():
    law = score_moments.score_law([1.0, 1.0], [0.2, 0.8], [0.5, 0.5], 1.0)
    assert (law.m0, law.v0, law.p) == (0, 0, 1)
    assert (law.m1, law.v1) == (pytest.approx(0.5), pytest.approx(0.09))
    with pytest.raises(ValueError, match=r"prob sums to 0\.6"):
        score_moments.score_law([1.0, 0.0], [0.2, 0.8], [0.5, 0.1], 1.0)


@pytest.mark.parametrize("gap", [0.5, -2.0])
def test_smoothness_is_the_largest_curvature(gap: float):
    theta = np.linspace(-6, 6, 24001)
    p = 1 / (1 + np.exp(-theta))
    curvature = np.abs(gap * p * (1 - p) * (1 - 2 * p))
    # A grid of step 5e-4 misses a maximum of curvature about 1 by less than its square.
    found = score_moments.bernoulli_smoothness(gap)
    assert curvature.max() == pytest.approx(found, rel=1e-6)
    assert curvature.max() <= found + 1e-15
