"""Probes, centroids and the filter: slow definitions, invariants, edge cases, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tests.backends import to_strict, to_torch
from toyrl.estimators.group import PRESETS
from toyrl.estimators.near import KeepNear
from toyrl.models.base import load, save, state
from toyrl.models.reward import centroids as cs
from toyrl.models.reward import probes as ps
from toyrl.rollouts import Rollouts
from toyrl.testing.laws import probes as laws
from toyrl.theory.learned.probes import probe_accuracy, sign_accuracy

SEEDS = st.integers(0, 10_000)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)) * [1, 4, 0.2] + [0, 2, 1]
Y3 = RNG.integers(0, 3, 60).astype(float)


# -- probes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("bias", [True, False])
def test_a_probe_minimises_the_cross_entropy(bias: bool):
    own = ps.LinearProbe(penalty=2.0, bias=bias, balanced=False).fit(X, Y3)
    z = (X - X.mean(0) * bias) / X.std(0)

    def loss(flat: np.ndarray) -> float:
        w = flat.reshape(3, 4)
        logit = z @ w[:, :3].T + w[:, 3] * bias
        log_p = logit - np.log(np.exp(logit).sum(-1, keepdims=True))
        return float(-log_p[np.arange(60), Y3.astype(int)].sum() + (w[:, :3] ** 2).sum())

    want = minimize(loss, np.zeros(12), tol=1e-10).fun
    got = loss(np.column_stack([own.weight, own.bias]).ravel())
    assert got == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize("loss", ["logistic", "ridge"])
def test_probes_find_what_the_laws_say(loss: str):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 4))
    h = 1.2 * x[:, :3] + rng.normal(size=(20_000, 3))
    y = {"first": (x[:, 0] > 0) * 1.0, "missing": (x[:, 3] > 0) * 1.0}
    found = ps.probe_report(h, y, probe=ps.LinearProbe(loss))
    error = 5 * np.sqrt(0.25 / 6000)
    assert found["first"] == pytest.approx(sign_accuracy(1.2 / np.sqrt(2.44)), abs=error)
    assert found["missing"] == pytest.approx(0.5, abs=error)
    gap, side = np.array([1.0, -0.5, 0.0]), rng.integers(0, 2, 20_000) * 1.0
    h = rng.normal(size=(20_000, 3)) + np.outer(side - 0.5, gap)
    turned = h @ np.array([[1.0, 2, 0], [0, 1, 0.5], [0.3, 0, 2]])
    one, two = (ps.probe_report(v, {"side": side}, probe=ps.LinearProbe(loss, 0.0))["side"]
                for v in (h, turned))  # fmt: skip
    assert one == pytest.approx(probe_accuracy(gap, np.eye(3)), abs=error)
    assert two == pytest.approx(one, abs=1e-3)  # up to rounding of the solver


def test_flipped_labels_flip_the_probe(tmp_path):
    y = (X[:, 0] + 0.5 * RNG.normal(size=60) > 0) * 1.0
    a, b = (ps.LinearProbe().fit(X, v) for v in (y, 1 - y))
    assert a.score(X) == pytest.approx(1 - b.score(X), abs=1e-5)
    assert (a.predict(X) == 1 - b.predict(X)).all()
    broken = np.array([[np.nan, 0, 0]])
    assert np.isnan(a.predict(broken)).all()
    assert np.isnan(a.score(broken)).all()
    near = cs.CentroidProbe().fit(X, y)
    for name, fitted in (("probe", a), ("near", near)):
        save(fitted, tmp_path / f"{name}.json")
        back = load(tmp_path / f"{name}.json")
        assert all((state(back)[k] == v).all() for k, v in state(fitted).items())
        assert (back.score(X) == fitted.score(X)).all()


def test_held_out_texts_answer_other_prompts():
    """One direction a prompt, its label drawn: nothing carries over, unless a prompt is split."""
    rng = np.random.default_rng(2)
    prompt = np.repeat(np.arange(200), 10)
    mean, label = rng.normal(size=(200, 40)) * 3, rng.integers(0, 2, 200) * 1.0
    h = mean[prompt] + 0.1 * rng.normal(size=(2000, 40))
    apart = ps.probe_report(h, {"a": label[prompt]}, prompt)["a"]
    mixed = ps.probe_report(h, {"a": label[prompt]})["a"]
    assert apart < 0.62 < mixed
    assert ps.probe_report(h, {"a": label[prompt]}, prompt.astype(str)) != {}


def test_released_choices():
    level = np.array([0, 1, 2, 3, np.nan])
    assert ps.merged_labels(level).tolist()[:4] == [0, 1, 1, 1]
    assert ps.merged_labels(level, "hard").tolist()[:4] == [0, 1, 2, 2]
    assert np.isnan(ps.merged_labels(level)[4])
    assert ps.evaluation_loss([1.0, 2, 3]) == 2
    assert ps.evaluation_loss([1.0, 2, 3], released=True) == 3
    assert ps.evaluation_loss([1.0], released=True) == np.inf


# -- distances -------------------------------------------------------------------------------------
@settings(max_examples=25)
@given(SEEDS, st.integers(1, 3))
def test_laws_of_distances(seed: int, clusters: int):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(30, 3)), rng.integers(0, 3, (30, 2)).astype(float)
    y[rng.random((30, 2)) < 0.2] = np.nan
    for law in (laws.distances_are_least, laws.moves_change_no_distance):
        assert law(cs.CentroidProbe(clusters), x, y) is None
    near = cs.CentroidProbe(clusters).fit(x, y)
    slow = np.array([[min(np.linalg.norm(row - c) for c, q in zip(near.centre, near.dimension,
                          strict=True) if q == p) for p in (0, 1)] for row in x])  # fmt: skip
    assert near.distances(x) == pytest.approx(slow)
    more = cs.Centroids(np.vstack([near.centre, x[:1]]), np.append(near.dimension, 0.0))
    assert (more.novelty(x) <= near.novelty(x)).all()


def test_laws_catch_a_broken_probe():
    class Squeezed(cs.CentroidProbe):
        def fit(self, x, target, *, weight=None):
            found = super().fit(x, target)
            return cs.Centroids(0.5 * found.centre + 1, found.dimension)

    assert "distances are others" in str(laws.moves_change_no_distance(Squeezed(), X, Y3))
    far = group(Y3.reshape(6, 10), np.full((6, 10), 9.0))

    class Blind(KeepNear):
        def apply(self, parts, rollouts, state=None):
            return self.inner.apply(parts, rollouts, state)

    assert laws.dropped_rewards_are_unseen(Blind(most=1.0), Y3.reshape(6, 10), far)


def test_centroids_by_rule():
    x = np.array([[0.0, 0], [2, 0], [0, 4], [9, 9]])
    none = [np.nan] * 4
    near = cs.CentroidProbe().fit(x, np.column_stack([[0, 0, 1, np.nan], none, [0, 0, 1, 5]]))
    assert near.centre.tolist() == [[1, 0], [0, 4], [1, 0], [0, 4], [9, 9]]
    assert near.dimension.tolist() == [0, 0, 2, 2, 2]
    d = near.distances([[1.0, 3], [9, 9], [np.nan, 0]])
    assert d[0].tolist() == pytest.approx([2**0.5, np.inf, 2**0.5])
    # Equal distances: the first dimension. NaN: no dimension, dropped and counted.
    assert near.nearest([[1.0, 3], [9, 9], [np.nan, 0]]).tolist() == [0, 2, -1]
    kept = cs.keep_near(near.novelty([[1.0, 3], [9, 9], [np.nan, 0]]), 2**0.5)
    assert kept.tolist() == [True, True, False]  # beyond the threshold alone is dropped
    told = cs.screen_report(near, np.array([[1.0, 3], [9, 8], [np.nan, 0]]), 0.5)
    assert (told["kept"], told["unreadable"]) == (0, 1)
    assert told["distance"] == pytest.approx((2**0.5 + 1) / 2)
    assert told["nearest/harmlessness"] == told["nearest/correctness"] == 0.5
    # Rows counted by weight; fewer rows than clusters; equal rows.
    assert cs.CentroidProbe().fit(x[:2], [0, 0], weight=[3, 1]).centre.tolist() == [[0.5, 0]]
    assert cs.CentroidProbe(3).fit(x[:2], [0, 0]).centre.tolist() == x[:2].tolist()
    assert cs.CentroidProbe(2).fit(np.ones((5, 2)), np.zeros(5)).novelty(np.ones((1, 2))) == 0


# -- the filter ------------------------------------------------------------------------------------
def group(reward: np.ndarray, distance: np.ndarray) -> Rollouts:
    one = np.ones_like(reward)
    return Rollouts(one, one, 1.0, fields={"probe_distance": distance})


@settings(max_examples=25)
@given(SEEDS)
def test_dropped_rollouts_are_not_there(seed: int):
    rng = np.random.default_rng(seed)
    reward, distance = rng.integers(0, 3, (4, 5)) / 2, rng.integers(0, 4, (4, 5)) * 1.0
    distance[rng.random((4, 5)) < 0.1] = np.nan
    r = group(reward, distance)
    for inner in ("grpo", "rloo", "grpo_batch"):
        rule = KeepNear(PRESETS[inner], 1.0)
        assert laws.dropped_rewards_are_unseen(rule, reward, r) is None
    a = KeepNear(PRESETS["grpo"], 1.0).apply({"r": reward}, r)[0]
    assert a.sum(-1) == pytest.approx(0, abs=1e-9)
    for own, d, x in zip(a, distance, reward, strict=True):
        kept = d <= 1
        few = x[kept]
        want = (few - few.mean()) / (few.std(ddof=1) + 1e-4) if kept.sum() > 1 else 0 * few
        assert own[kept] == pytest.approx(want, abs=1e-9)
    whole = group(reward, np.nan_to_num(distance))
    found = KeepNear(most=np.inf).apply({"r": reward}, whole)[0]
    assert found == pytest.approx(PRESETS["grpo"].apply({"r": reward}, whole)[0])
    for convert in (to_torch, to_strict):
        other = convert(r.with_(user_reward=reward))
        b = KeepNear(PRESETS["grpo"], 1.0).apply({"r": other.fields["user_reward"]}, other)[0]
        assert np.asarray(b) == pytest.approx(a, abs=1e-12)


def test_one_kept_none_kept_and_equal_scores():
    rule = KeepNear(most=1.0)
    reward = np.array([[1.0, 5, 9], [1, 5, 9], [7, 7, 0]])
    distance = np.array([[1.0, 2, 2], [3, 2, 2], [0, 1, 2]])
    assert (rule.apply({"r": reward}, group(reward, distance))[0] == 0).all()


def test_random_discard_and_thresholds():
    rng = np.random.default_rng(0)
    kept = cs.keep_at_random(100_000, 0.3, rng)
    assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.21 / 100_000)
    assert cs.keep_at_random(5, 0.0, rng).all()
    assert not cs.keep_at_random(5, 1.0, rng).any()
    assert np.isnan(cs.screened(np.ones(2), np.array([True, False]))).tolist() == [False, True]
    d = np.append(np.arange(101.0), np.nan)
    assert cs.most_of(d) == 95
    assert cs.keep_near(d, cs.most_of(d)).sum() == 96


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ps.LinearProbe().fit(X, np.ones(60)), "all labels are 1"),
        (lambda: ps.LinearProbe().fit(X[:0], []), "N of 1 and more"),
        (lambda: ps.LinearProbe("hinge"), "hinge"),
        (lambda: ps.LinearProbe("ridge", bias=False), "goes with loss='logistic'"),
        (lambda: ps.LinearProbe().fit(X, Y3).score(X[:, :2]), "fitted to"),
        (lambda: ps.probe_report(X, {"a": Y3}, np.zeros(60)), "one prompt"),
        (lambda: ps.probe_report(X, {"a": Y3}, np.zeros(3)), "give 60 ids"),
        (lambda: ps.probe_report(X, {"a": Y3[:5]}), "labels of a"),
        (lambda: ps.probe_report(X, {"a": np.zeros(60)}), "a: the 42 fitted texts"),
        (lambda: ps.probe_report(X, {"a": np.full(60, np.nan)}), "a: the 0 fitted texts"),
        (lambda: ps.merged_labels([4]), "0, 1, 2, 3 or NaN"),
        (lambda: ps.merged_labels([0], "middle"), "not one of easy, hard"),
        (lambda: ps.evaluation_loss([]), "no batch"),
        (lambda: cs.CentroidProbe().fit(X, np.full(60, np.nan)), "no row has a label"),
        (lambda: cs.CentroidProbe().fit(X, Y3[:3]), r"give \(60, P\)"),
        (lambda: cs.CentroidProbe(2).fit(X, Y3, weight=np.ones(60)), "clusters=1"),
        (lambda: cs.CentroidProbe(0), "clusters"),
        (lambda: cs.CentroidProbe().fit(X, Y3).novelty(X[:, :2]), "the centroids want"),
        (lambda: cs.keep_at_random(3, 1.5, RNG), r"share=1.5 must lie in \[0, 1\]"),
        (lambda: cs.most_of([np.nan]), "no distance is finite"),
        (lambda: KeepNear(most=-1.0), "most"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(ValueError, match=said):
        call()
