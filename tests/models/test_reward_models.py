"""Small scores, averaged parameters and two heads: against slow fits, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize

from toyrl.models.base import load, save
from toyrl.models.linear import BradleyTerry, Ridge, averaged
from toyrl.models.reward.two_heads import Odin, TwoHeads

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 3)) * [1.0, 8.0, 0.2] + [0, 5, 1]
PAIRS = np.array([(i, j) if X[i, 0] > X[j, 0] else (j, i)
                  for i, j in RNG.integers(0, 60, (150, 2)) if i != j])  # fmt: skip
LENGTH = X[:, 1]


def test_reg_minimises_its_loss_bias_included():
    z = (X - X.mean(0)) / X.std(0)
    weight = RNG.integers(1, 3, len(PAIRS)) * 1.0

    def loss(v: np.ndarray) -> float:
        w, lo = (z[PAIRS[:, i]] @ v[1:] + v[0] for i in (0, 1))
        each = np.logaddexp(0, lo - w) + 0.05 * (w**2 + lo**2)
        return float(weight @ each + 0.5 * (v[1:] ** 2).sum())

    want = minimize(loss, np.zeros(4), tol=1e-13).x
    got = BradleyTerry(magnitude=0.05).fit(X, PAIRS, weight=weight)
    assert [float(got.bias), *got.weight] == pytest.approx(want, abs=1e-4)
    plain = BradleyTerry().fit(X, PAIRS, weight=weight)
    assert np.abs(got.score(X)).max() < np.abs(plain.score(X)).max()
    assert plain.bias == 0


def test_averaged_parameters_score_as_the_average_of_scores():
    y = X[:, 0] + RNG.normal(size=60)
    fits = [Ridge().fit(X[k::3], y[k::3]) for k in range(3)]
    both = averaged(fits)
    assert both.score(X) == pytest.approx(np.mean([f.score(X) for f in fits], axis=0), abs=1e-12)
    assert averaged(fits[:1]).score(X) == pytest.approx(fits[0].score(X), abs=1e-12)
    for bad in ([], [fits[0], Ridge().fit(X[:, :2], y)]):
        with pytest.raises(ValueError, match="average one or more of the same features"):
            averaged(bad)


def test_two_heads_by_their_gradient_in_files_and_in_any_unit(tmp_path):
    gap, w = RNG.normal(size=(20, 3)), np.full(20, 0.05)
    tied, half = RNG.normal(size=3), RNG.normal(size=(9, 3))
    at, args = RNG.normal(size=6), (gap, w, tied, half.T @ half / 9, 0.1)
    slope = approx_fprime(at, lambda v: Odin()._loss(v, *args)[0], 1e-7)
    assert Odin()._loss(at, *args)[1] == pytest.approx(slope, abs=1e-6)
    fit = Odin().fit(X, PAIRS, length=LENGTH)
    rows = PAIRS.ravel()
    assert abs(np.corrcoef(fit.score(X[rows]), LENGTH[rows])[0, 1]) < 0.02
    assert np.corrcoef(fit.length_score(X[rows]), LENGTH[rows])[0, 1] > 0.8
    a, b = fit.quality, fit.length
    assert abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b) < 0.02
    other = Odin().fit(X * [2.0, 0.1, 5.0], PAIRS, length=100 * LENGTH + 7)
    assert other.score(X * [2.0, 0.1, 5.0]) == pytest.approx(fit.score(X), abs=1e-3)
    save(fit, tmp_path / "heads.json")
    again = load(tmp_path / "heads.json")
    assert isinstance(again, TwoHeads)
    assert again.score(X).tolist() == fit.score(X).tolist()
    twice = Odin().fit(X, np.concatenate([PAIRS, PAIRS]), length=LENGTH)
    heavy = Odin().fit(X, PAIRS, length=LENGTH, weight=np.full(len(PAIRS), 2.0))
    assert heavy.score(X) == pytest.approx(twice.score(X), abs=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="the same everywhere"):
        Odin().fit(X, PAIRS, length=np.ones(60))
    with pytest.raises(ValueError, match="length="):
        Odin().fit(X, PAIRS, length=np.full(60, np.nan))
    with pytest.raises(ValueError, match="whole numbers"):
        Odin().fit(X, [[0, 99]], length=LENGTH)
    with pytest.raises(ValueError, match="tie=-1"):
        Odin(tie=-1)
    with pytest.raises(ValueError, match="magnitude"):
        BradleyTerry(magnitude=-1.0)
