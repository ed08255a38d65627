"""Signal of graded groups: the table of the paper's toy, symmetry, limits, a sampled average."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.theory.learned import exemplar as law

S, TAU, G = (-1.5, -0.5, 0.5, 1.5), 0.5, 8
DELTAS = np.arange(-4.0, 5.0)


def test_the_table_of_the_toy():
    live = [0, 0.0107, 0.7489, 0.9528, 0.9528, 0.9528, 0.7489, 0.0107, 0]
    corr = [0.0028, 0.1207, 0.6655, 0.8615, 0.8639, 0.8615, 0.6655, 0.1207, 0.0028]
    np.testing.assert_allclose(law.live(DELTAS, S, TAU, G), live, atol=5e-5)
    np.testing.assert_allclose(law.corr(DELTAS, S, TAU), corr, atol=5e-5)
    spread = [(0.9528, 0.8639), (0.9444, 0.8373), (0.7121, 0.6537), (0.5272, 0.4939)]
    found = [(law.live_absolute(S, TAU, G, x), law.corr_absolute(S, TAU, x)) for x in range(4)]
    np.testing.assert_allclose(found, spread, atol=5e-5)


def test_an_absolute_scale_may_be_the_livelier_one():
    """Sources that differ a little take groups out of the middle of a grade."""
    assert law.live_absolute(S, TAU, G, 0.5) > law.live(0.0, S, TAU, G) + 0.02
    assert law.corr_absolute(S, TAU, 0.5) > law.corr(0.0, S, TAU) + 0.001


@settings(max_examples=40)
@given(
    st.floats(0, 1e3), st.floats(0.05, 5), st.lists(st.floats(0, 4), min_size=1, max_size=3),
    st.integers(1, 40),
)  # fmt: skip
def test_laws_of_the_signal(delta, tau, half, size):
    s = np.sort([*half, *(-x for x in half)])
    p = law.grade_law(delta, s, tau)
    assert p.min() >= 0
    assert p.sum() == pytest.approx(1, abs=1e-12)
    live, corr = (np.array([f(x) for x in (delta, -delta)]) for f in (
        lambda x: law.live(x, s, tau, size), lambda x: law.corr(x, s, tau)))  # fmt: skip
    # Symmetric thresholds: even in delta, up to what 1 - p^G loses.
    np.testing.assert_allclose(live[0], live[1], atol=1e-12 * size)
    np.testing.assert_allclose(corr[0], corr[1], rtol=1e-6, atol=1e-12)
    assert np.all((corr >= 0) & (corr <= 1))
    assert law.live(1e4, s, tau, size) == law.corr(1e4, s, tau) == 0


def test_correlation_by_quadrature():
    q = TAU * law.NODES
    for delta in (-2.5, 0.3, 1.0):
        grade = 1 + (delta + q[:, None] > np.array(S)).sum(-1)
        mean = law.WEIGHTS @ grade
        cov, var = law.WEIGHTS @ (q * grade), law.WEIGHTS @ (grade - mean) ** 2
        # A step cut by a grid of 0.01 is off by at most half a cell, a share 0.004 of the mass.
        assert law.corr(delta, S, TAU) == pytest.approx(cov / TAU / np.sqrt(var), abs=0.01)
