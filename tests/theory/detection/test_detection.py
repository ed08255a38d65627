"""Gap, AUROC and the detector's training, against sums over all pairs, draws and derivations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from hypothesis import assume, given
from hypothesis import strategies as st

from toyrl.theory.detection import pairs as dp
from toyrl.theory.detection import tilted as dt
from toyrl.theory.policies import kl, tilt

SCORES = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=6)


@st.composite
def worlds(draw: st.DrawFn):
    """(base, reward, a second law), of one size; some answers may be missing from either law."""
    r = draw(SCORES)
    weight = st.lists(st.floats(0, 1), min_size=len(r), max_size=len(r))
    p, q = (np.array(draw(weight)) for _ in range(2))
    assume(p.sum() > 0.1 and q.sum() > 0.1)
    return p / p.sum(), np.array(r), q / q.sum()


def by_pairs(p: np.ndarray, q: np.ndarray, s: np.ndarray) -> float:
    return float(sum(p[i] * q[j] * ((s[i] > s[j]) + (s[i] == s[j]) / 2)
                     for i in range(len(s)) for j in range(len(s))))  # fmt: skip


@given(worlds(), st.floats(0, 5), st.floats(0.1, 3), st.floats(-2, 2))
def test_auroc_and_gap_by_definition(world, t: float, k: float, c: float):
    p, r, q = world
    assert dt.auroc(q, p, r) == pytest.approx(by_pairs(q, p, r), abs=1e-12)
    law = tilt(p, r, t)
    gap = float(law @ r - p @ r)
    assert dt.reward_gap(p, r, t) == pytest.approx(gap, abs=1e-12)
    both = float(kl(law, p) + kl(p, law)) if (law > 0).sum() == (p > 0).sum() else None
    if both is not None and t > 1e-3:
        assert gap == pytest.approx(both / t, abs=1e-9)
    # Invariants: increasing maps of the score, its sign, shifts and scales of the reward.
    assert dt.auroc(q, p, np.exp(k * r) + c) == pytest.approx(dt.auroc(q, p, r), abs=1e-12)
    assert dt.auroc(q, p, -r) == pytest.approx(1 - dt.auroc(q, p, r), abs=1e-12)
    assert dt.reward_gap(p, k * r + c, t / k) == pytest.approx(k * gap, abs=1e-9)
    assert -1e-12 <= gap <= np.ptp(r) + 1e-12
    other = dt.reward_gap(p, r, t, q)
    assert other == pytest.approx(float((law - p) @ q), abs=1e-12)


@given(worlds(), st.floats(0, 4))
def test_slopes_by_finite_differences(world, t: float):
    p, r, _ = world
    h = 1e-5
    rise = (dt.auroc(tilt(p, r, t + h), p, r) - dt.auroc(tilt(p, r, max(t - h, 0)), p, r)) / (
        t + h - max(t - h, 0)
    )
    assert dt.auroc_slope(p, r, t) == pytest.approx(float(rise), abs=1e-3)
    spread = sum(p[i] * p[j] * abs(r[i] - r[j]) for i in range(len(r)) for j in range(len(r)))
    assert dt.gini_mean_difference(p, r) == pytest.approx(spread, abs=1e-12)
    assert dt.auroc_slope(p, r) == pytest.approx(spread / 4, abs=1e-12)


def test_gap_of_small_tilts_keeps_its_digits():
    p, r = np.array([0.2, 0.5, 0.3]), np.array([1.0, 0.0, 0.5])
    variance = p @ r**2 - (p @ r) ** 2
    for t in (1e-3, 1e-9, 1e-15, 1e-200):
        assert dt.reward_gap(p, r, t) == pytest.approx(t * variance, rel=max(t, 1e-12))
    assert dt.reward_gap(p, r, np.inf) == pytest.approx(1 - p @ r)
    assert dt.reward_gap(np.array([1e-300, 1.0]), np.array([1.0, 0.0]), np.inf) == pytest.approx(
        1,
        rel=1e-12,  # e^690, its exponent rounded
    )


@given(worlds())
def test_no_score_beats_the_likelihood_ratio(world):
    p, r, q = world
    top = dt.best_auroc(q, p)
    assert dt.auroc(q, p, r) <= top + 1e-12
    x, y = dt.roc_curve(q, p, r)
    area = ((y[1:] + y[:-1]) * np.diff(x)).sum() / 2
    assert area == pytest.approx(float(dt.auroc(q, p, r)), abs=1e-12)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()


def test_sampled_auroc_has_its_error():
    rng = np.random.default_rng(0)
    p, q = np.array([0.2, 0.5, 0.3]), np.array([0.5, 0.2, 0.3])
    s = np.array([1.0, 0.0, 1.0])
    found = []
    for _ in range(400):
        a, b = rng.choice(s, 60, p=q), rng.choice(s, 40, p=p)
        value, error = dt.sampled_auroc(a, b)
        want = np.mean((a[:, None] > b) + (a[:, None] == b) / 2)
        assert value == pytest.approx(want, abs=1e-12)
        found.append((value, error))
    value, error = np.array(found).T
    assert abs(value.mean() - dt.auroc(q, p, s)) <= 4 * value.std() / 20
    assert error.mean() == pytest.approx(value.std(), rel=0.15)  # 400 draws: +-3.5 %
    assert math.isnan(dt.sampled_auroc([], [1.0])[0])
    assert math.isnan(dt.sampled_auroc([1.0], [1.0, 2.0])[1])


def test_gap_and_slope_in_sympy():
    """K' is the tilted mean, K'' its variance; t gap is both KLs; a binary reward's AUROC."""
    t, a, b, p = sp.symbols("t a b p", positive=True)
    weight = [p, 1 - p]
    reward = [a, b]
    Z = sum(w * sp.exp(t * r) for w, r in zip(weight, reward, strict=True))
    law = [w * sp.exp(t * r) / Z for w, r in zip(weight, reward, strict=True)]
    mean = sum(q * r for q, r in zip(law, reward, strict=True))
    square = sum(q * r**2 for q, r in zip(law, reward, strict=True))
    K = sp.log(Z)
    assert sp.simplify(sp.diff(K, t) - mean) == 0
    assert sp.simplify(sp.diff(K, t, 2) - (square - mean**2)) == 0
    ratio = [t * r - K for r in reward]  # log p_t/p0
    both = sum((q - w) * x for q, w, x in zip(law, weight, ratio, strict=True))
    base = sum(w * r for w, r in zip(weight, reward, strict=True))
    assert sp.simplify(both - t * (mean - base)) == 0
    up, down = sp.symbols("up down", positive=True)  # P(1) of the aligned and of the base law
    auroc = up * (1 - down) + (up * down + (1 - up) * (1 - down)) / 2
    assert sp.expand(auroc - (1 + up - down) / 2) == 0


def test_minimiser_of_the_pair_loss_in_sympy():
    """At log p1/p0 every pair's two terms of the gradient are equal."""
    pk, pj, qk, qj = sp.symbols("p_k p_j q_k q_j", positive=True)  # p: aligned, q: base

    def sigmoid(x):
        return 1 / (1 + sp.exp(-x))

    gap = sp.log(pk / qk) - sp.log(pj / qj)
    assert sp.simplify(qk * pj * sigmoid(gap) - pk * qj * sigmoid(-gap)) == 0


@given(st.integers(0, 500), st.floats(1e-4, 10))
def test_trained_scores_are_a_minimum(seed: int, a: float):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(6), 2) * 0.9 + 0.1 / 6
    start = rng.standard_normal(6)
    free = dp.trained_detector(p, q, start)
    assert free - free.mean() == pytest.approx(np.log(p / q) - np.log(p / q).mean(), abs=1e-8)
    assert free.mean() == pytest.approx(start.mean(), abs=1e-9)
    held = dp.trained_detector(p, q, start, replay=a)

    def loss(r: np.ndarray) -> float:
        return dp.pair_loss(r, p, q) + a * ((r - start) ** 2).sum()

    steps = [1e-4 * rng.standard_normal(6) for _ in range(5)]
    assert all(loss(held + s) >= loss(held) - 1e-15 for s in steps)
    assert np.linalg.norm(held - start) <= np.linalg.norm(free - start) + 1e-9


def test_two_forms_of_the_loss():
    rng = np.random.default_rng(1)
    lm, mix, hu = rng.standard_normal((3, 5))
    own, old = rng.standard_normal((2, 4))

    def pair(up: np.ndarray, low: np.ndarray, b: float) -> float:
        return float(np.mean(-np.log(1 / (1 + np.exp(low - up))) + b * 0.5 * (up**2 + low**2)))

    released = (0.35 * pair(lm, mix, 0.01) + pair(lm, hu, 0.01) + 0.35 * pair(mix, hu, 0.01)) / 3
    assert dp.detector_loss(lm, mix, hu, own, old) == pytest.approx(
        released + 0.01 * ((own - old) ** 2).sum()
    )
    paper = pair(lm, hu, 0) + 0.3 * pair(lm, mix, 0) + 0.4 * pair(mix, hu, 0)
    found = dp.detector_loss(lm, mix, hu, own, old, weights=(0.3, 9.0, 0.4), replay_weight=0.5,
                             form="paper")  # fmt: skip
    assert found == pytest.approx(paper + 0.5 * ((own - old) ** 2).mean())
    # A constant added to all scores leaves the pairs alone and not the penalty on logits.
    assert dp.detector_loss(lm + 1, mix + 1, hu + 1, logit_l2=0.0) == pytest.approx(
        dp.detector_loss(lm, mix, hu, logit_l2=0.0)
    )
    assert dp.detector_loss(lm + 1, mix + 1, hu + 1) != pytest.approx(
        dp.detector_loss(lm, mix, hu), abs=1e-6
    )
    assert dp.detector_loss([0.0], [0.0], [0.0]) == pytest.approx(1.7 / 3 * math.log(2))
    assert dp.detector_loss([-1e4], [0.0], [1e4], logit_l2=0.0) == pytest.approx(
        (0.35 * 1e4 + 2e4 + 0.35 * 1e4) / 3
    )


def test_refusals():
    for call, said in (
        (lambda: dt.auroc([1.0], [1.0], [np.nan]), "score has 1 NaN"),
        (lambda: dt.roc_curve([0.0], [1.0], [0.0]), "positive is empty"),
        (lambda: dt.best_of_n_auroc(0), r"n=0\.0 must be at least 1"),
        (lambda: dp.detector_loss([0.0], [0.0], [0.0], form="sum"), "form='sum' is not one of"),
        (lambda: dp.detector_loss([0.0], [0.0, 1.0], [0.0]), "have shapes"),
        (lambda: dp.detector_loss([np.nan], [0.0], [0.0]), "holds NaN"),
        (lambda: dp.trained_detector([1.0, 0.0], [0.5, 0.5], [0.0, 0.0]), "lacks an answer"),
        (lambda: dp.trained_detector([0.5], [0.5], [0.0], replay=-1.0), r"replay=-1\.0"),
        (lambda: dp.mixed_text_score([1.0, 0.0], [0.0, 1.0], 3, 0.5), "each lack"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
    assert dp.mixed_text_score([1.0, 0.0], [0.0, 1.0], 3, 0.0) == -np.inf
