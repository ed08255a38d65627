"""Learned scorers: fits against slow ones, state and files, refusals; the conciseness model."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import spearmanr

from toyrl.graders.base import TextRow
from toyrl.models import conciseness as texts
from toyrl.models.base import KINDS, from_state, load, model, save, state
from toyrl.models.linear import BradleyTerry, LinearScorer, Ridge, from_linear

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)) * [1.0, 10.0, 0.1] + [0, 5, 1]
Y = X @ [1.0, -0.2, 3.0] + 0.1 * RNG.normal(size=40)


def standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


# -- fits ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("penalty", [0.0, 1.0, 30.0])
def test_ridge_minimises_its_loss(penalty: float):
    z = standard(X)

    def loss(b: np.ndarray) -> float:
        return float(((Y - b[0] - z @ b[1:]) ** 2).sum() + penalty * (b[1:] ** 2).sum())

    want = minimize(loss, np.zeros(4), tol=1e-12).x
    got = Ridge(penalty).fit(X, Y)
    assert [float(got.bias), *got.weight] == pytest.approx(want, abs=1e-4)
    assert got.score(X) == pytest.approx(want[0] + z @ want[1:], abs=1e-4)


def test_a_weight_counts_rows():
    n = RNG.integers(0, 4, len(X))
    n[0] = 1
    one, other = Ridge().fit(X, Y, weight=n), Ridge().fit(np.repeat(X, n, 0), np.repeat(Y, n))
    assert one.score(X) == pytest.approx(other.score(X), abs=1e-9)
    pairs = texts.pairs(Y, RNG, 30)
    n = RNG.integers(1, 3, 30)
    a, b = BradleyTerry().fit(X, pairs, weight=n), BradleyTerry().fit(X, np.repeat(pairs, n, 0))
    assert a.score(X) == pytest.approx(b.score(X), abs=1e-9)


def test_a_linear_model_fitted_elsewhere():
    """As scikit-learn names what it has fitted."""
    own = Ridge().fit(X, Y)
    last = SimpleNamespace(coef_=own.weight[None], intercept_=own.bias[None])
    scaler = SimpleNamespace(mean_=own.mean, scale_=own.scale)
    piped = SimpleNamespace(steps=[("scaler", scaler), ("ridge", last)])
    assert from_linear(piped).score(X) == pytest.approx(own.score(X), abs=1e-12)
    plain = SimpleNamespace(coef_=own.weight / own.scale, intercept_=0.5)
    assert from_linear(plain).score(X) == pytest.approx(X @ plain.coef_ + 0.5)
    unscaled = SimpleNamespace(mean_=None, scale_=None)
    same = SimpleNamespace(steps=[("scaler", unscaled), ("ridge", plain)])
    assert from_linear(same).score(X) == pytest.approx(from_linear(plain).score(X))
    several = SimpleNamespace(coef_=np.ones((3, 3)), intercept_=np.ones(3))
    for bad in (3, several, SimpleNamespace(steps=[("poly", object()), ("ridge", last)])):
        with pytest.raises(ValueError, match="no linear model with one output"):
            from_linear(bad)


def test_a_file_of_an_own_kind_is_read_in_a_fresh_process(tmp_path):
    save(Ridge().fit(X, Y), tmp_path / "m.json")
    code = f"from toyrl.models.base import load; print(type(load({str(tmp_path / 'm.json')!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LinearScorer" in done.stdout


def test_bradley_terry_maximises_its_likelihood():
    pairs = texts.pairs(Y + RNG.normal(size=40), RNG, 60)
    z = (X[pairs[:, 0]] - X[pairs[:, 1]]) / X.std(0)

    def loss(b: np.ndarray) -> float:
        return float(np.logaddexp(0, -z @ b).sum() + 0.5 * 2.0 * (b**2).sum())

    want = minimize(loss, np.zeros(3), tol=1e-12).x
    assert BradleyTerry(2.0).fit(X, pairs).weight == pytest.approx(want, abs=1e-4)


def test_separable_pairs_and_columns_that_say_nothing():
    x = np.column_stack([X, np.full(40, 7.0), X[:, 0]])
    fit = BradleyTerry().fit(x, texts.pairs(Y, RNG, 200))
    assert np.isfinite(fit.weight).all()
    assert fit.weight[3] == 0
    assert spearmanr(fit.score(x), Y)[0] > 0.95
    assert Ridge(0.0).fit(x, Y).score(x) == pytest.approx(Ridge(0.0).fit(X, Y).score(X), abs=1e-8)


def test_what_was_given_stays_as_it_was():
    x, y = X.copy(), Y.copy()
    x.flags.writeable = y.flags.writeable = False
    fit = Ridge().fit(x, y)
    kept = state(fit)
    kept["weight"] += 1
    assert fit.weight == pytest.approx(Ridge().fit(X, Y).weight)


# -- state and files -----------------------------------------------------------------------------
@pytest.mark.parametrize("ending", [".json", ".safetensors"])
def test_a_file_gives_the_scorer_back_to_the_bit(tmp_path, ending: str):
    if ending == ".safetensors":
        pytest.importorskip("safetensors", reason="needs the extra llm")
    fit, path = Ridge().fit(X, Y), tmp_path / f"model{ending}"
    save(fit, path)
    again = load(path)
    assert type(again) is LinearScorer
    for name, x in state(fit).items():
        np.testing.assert_array_equal(state(again)[name], x)
        assert state(again)[name].shape == x.shape
    np.testing.assert_array_equal(again.score(X), fit.score(X))


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "m.json"
    for text in ("[]", '{"format": "toyrl.model/1"}', "{", '{"format": "other"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"m\.json"):
            load(path)
    good = tmp_path / "good.json"
    save(Ridge().fit(X, Y), good)
    data = json.loads(good.read_text(encoding="utf-8"))
    data["kind"] = "os.system"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"is not one of .*\blinear"):
        load(path)
    with pytest.raises(ValueError, match=r"as \.json or \.safetensors"):
        save(Ridge().fit(X, Y), tmp_path / "m.pkl")
    with pytest.raises(ValueError, match="has the arrays"):
        from_state("linear", {"weight": [1.0]})


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match="registered already"):
        model("linear")(LinearScorer)
    assert KINDS["linear"] is LinearScorer
    with pytest.raises(ValueError, match="no registered model"):
        save(Ridge(), tmp_path / "m.json")
    broken = LinearScorer(np.array([np.nan]), np.zeros(1), np.ones(1), np.array(0.0))
    with pytest.raises(ValueError, match="aren't finite"):
        save(broken, tmp_path / "m.json")
    with pytest.raises(ValueError, match="finite numbers"):
        Ridge().fit(X * np.nan, Y)
    with pytest.raises(ValueError, match="target"):
        Ridge().fit(X, Y[:-1])
    with pytest.raises(ValueError, match="not all 0"):
        Ridge().fit(X, Y, weight=np.zeros(40))
    with pytest.raises(ValueError, match="winner"):
        BradleyTerry().fit(X, [[0, 40]])
    with pytest.raises(ValueError, match="was fitted to"):
        Ridge().fit(X, Y).score(X[:, :2])
    with pytest.raises(ValueError, match="penalty"):
        BradleyTerry(0.0)
    with pytest.raises(ValueError, match="no pair to learn from"):
        texts.pairs([1.0, 1.0], RNG, 1)


# -- the conciseness model -----------------------------------------------------------------------
@pytest.fixture(scope="module")
def concise() -> texts.ConcisenessModel:
    rows = texts.padded_rows(120, seed=1)
    return texts.ConcisenessModel(Ridge().fit(texts.table(rows), texts.labels(rows)))


@pytest.mark.parametrize("dialect", ["tag", "boxed"])
def test_unseen_texts_are_ranked(concise, dialect: str):
    unseen = texts.padded_rows(80, seed=2, dialect=dialect)
    found, unread = concise.scores([r.row.completion for r in unseen])
    assert unread == 0
    assert spearmanr(found, [texts.true_score(r) for r in unseen])[0] >= 0.8
    assert found.min() >= 0.1
    assert found.max() <= 1


def test_what_cannot_be_read_is_the_lowest_and_counted(concise):
    found, unread = concise.scores(["", "<think></think> 4", "<think>2 + 2 = 4.</think> 4"])
    assert found[:2].tolist() == [0.1, 0.1]
    assert unread == 2
    assert concise.scores([])[0].tolist() == []
    row = TextRow("q", "", {}, 1, False)
    assert concise.graded([row]) == [0.1]


def test_labels_are_what_a_judge_would_give():
    rows = texts.padded_rows(60, seed=3)
    for row, label in zip(rows, texts.labels(rows), strict=True):
        d, k = row.actions.count("STEP"), len(row.actions) - 1 - row.actions.count("STEP")
        assert label == pytest.approx(round(max(0.1, d / (d + k)), 1), abs=0.05 + 1e-9)
        assert round(label * 10) == pytest.approx(label * 10)
    assert len({r.problem.prompt for r in rows}) > 50
