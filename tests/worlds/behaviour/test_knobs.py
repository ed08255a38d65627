"""Behaviours' laws: scores against finite differences of the law, KL against Monte Carlo."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as laws
from scipy.special import expit

from toyrl.worlds.behaviour.knobs import ROUNDS, Coin, Normal, Rounds, Strings

N = 200_000
FAMILIES = {
    "normal": Normal(np.full((1, 1, 1), 0.2)),
    "coin": Coin(np.full((1, 1, 1), -1.0)),
    "rounds": Rounds(np.full((1, 1, 1), 0.4)),
    "strings": Strings(np.full((1, 1, 1), 0.3)),
}
THETA = np.full((1, 1, 1), 0.7)


def draws(name: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.standard_normal((1, 1, N)) if name == "normal" else rng.random((1, 1, N))


def log_law(name: str, values: np.ndarray, theta: float) -> np.ndarray:
    """Each law by scipy, by what the module's table says of it."""
    base = {"normal": 0.0, "coin": -1.0, "rounds": 0.4, "strings": 0.3}[name]
    p = float(expit(base + theta))
    if name == "normal":
        return laws.norm.logpdf(values, 0.2 * theta, 0.2)
    if name == "coin":
        return laws.bernoulli.logpmf(values, p)
    if name == "rounds":
        return laws.binom.logpmf(values, ROUNDS, p)
    return laws.geom.logpmf(values + 1, 1 - p)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_slopes_of_the_log_law(name):
    values, scores = FAMILIES[name].drawn(THETA, draws(name))
    few = values[0, 0, :500]
    h = 1e-5
    slope = (log_law(name, few, 0.7 + h) - log_law(name, few, 0.7 - h)) / (2 * h)
    np.testing.assert_allclose(scores[0, 0, :500], slope, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_follow_the_law(name):
    values, scores = FAMILIES[name].drawn(THETA, draws(name))
    # by the score's own spread: its mean is 0 under the law that it belongs to
    assert abs(scores.mean()) < 4 * scores.std() / np.sqrt(N)
    p = float(expit({"coin": -1.0, "rounds": 0.4, "strings": 0.3}.get(name, 0.0) + 0.7))
    mean = {"normal": 0.14, "coin": p, "rounds": ROUNDS * p, "strings": p / (1 - p)}[name]
    assert abs(values.mean() - mean) < 4 * values.std() / np.sqrt(N)


@pytest.mark.parametrize("name", FAMILIES)
def test_kl_by_closed_form_and_by_drawing(name):
    family = FAMILIES[name]
    values = family.drawn(THETA, draws(name))[0]
    ratio = log_law(name, values, 0.7) - log_law(name, values, 0.0)
    exact = family.kl(THETA).item()
    assert abs(ratio.mean() - exact) < 4 * ratio.std() / np.sqrt(N)
    h = 1e-5
    slope = (family.kl(THETA + h) - family.kl(THETA - h)).item() / (2 * h)
    assert family.pull(THETA).item() == pytest.approx(slope, rel=1e-6)
    assert family.kl(THETA * 0).item() == pytest.approx(0.0, abs=1e-12)
