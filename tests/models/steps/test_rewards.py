"""Steps found in demonstrations and the reward of them: definitions, laws, edges, files, texts."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.models.base import load, save
from toyrl.models.steps.discovery import criterion, discover, overlap, uniform_cuts
from toyrl.models.steps.rewards import (
    StepDiscovery,
    combined,
    feature_gap,
    latched,
    stacked,
    step_weights,
)
from toyrl.models.steps.texts import ProgressScorer
from toyrl.testing.laws import demonstrations as laws

SEEDS = st.integers(0, 2**32 - 1)
LAWS = settings(max_examples=25)


def frames(rng: np.random.Generator, noise: float = 0.1, sizes: tuple[int, ...] = (4, 6, 5)
           ) -> np.ndarray:  # fmt: skip
    step = np.repeat(np.arange(len(sizes)), sizes)
    raised = np.arange(3 * len(sizes)) // 3 == step[:, None]
    return raised + noise * rng.standard_normal(raised.shape)


@LAWS
@given(SEEDS, st.integers(6, 13), st.sampled_from(["equal", "length"]))
def test_cuts_are_the_best_of_all(seed: int, T: int, weighting: str):
    x = np.random.default_rng(seed).standard_normal((T, 2))
    found = discover(x, 3, min_size=2, weighting=weighting)
    allowed = [c for c in itertools.combinations(range(1, T), 2)
               if np.diff([0, *c, T]).min() >= 2]  # fmt: skip
    values = [criterion(x, c, weighting=weighting) for c in allowed]
    assert tuple(found.cuts) == allowed[int(np.argmin(values))]
    assert found.value == pytest.approx(min(values), rel=1e-12)


@LAWS
@given(SEEDS, st.sampled_from(["equal", "length"]))
def test_laws_of_cuts_gaps_and_latch(seed: int, weighting: str):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((14, 3))
    assert laws.cuts_ignore_units(x, 3, weighting=weighting) is None
    assert laws.cuts_mirror(x, 3, weighting=weighting) is None
    assert laws.cuts_are_best(x, 3, weighting=weighting) is None
    assert laws.gap_is_symmetric(x[:5], x[5:]) is None
    scores = rng.random((2, 14, 4))
    for order in ("gate", "strict", "none"):
        assert laws.latch_holds(scores, latch=lambda s, o=order: latched(s, order=o)) is None


def test_laws_catch_what_breaks_them():
    x = frames(np.random.default_rng(0))

    def fixed(x: np.ndarray, steps: int, **_: object):
        return discover(x, steps)._replace(cuts=np.array([4, 8]))

    def scaled(x: np.ndarray, steps: int, **_: object):
        return discover(np.tanh(x / np.abs(x).max()), steps)

    assert "reversed" in str(laws.cuts_mirror(x, 3, find=fixed))
    assert "three" in str(laws.cuts_ignore_units(x, 3, find=scaled))
    assert "criterion" in str(laws.cuts_are_best(x, 3, find=fixed))
    assert "falls" in str(laws.latch_holds(np.random.default_rng(1).random((9, 3)), latch=combined))
    every = laws.latch_holds(np.ones((3, 3)), latch=lambda s: s.sum(-1))
    assert "step 1" in str(every)


def test_ties_are_cut_leftmost_and_odd_frames_dropped():
    assert discover(np.zeros((9, 2)), 3, min_size=2).cuts.tolist() == [2, 4]
    assert discover(np.full((7, 1), 0.1), 2, min_size=3).cuts.tolist() == [3]
    x = np.array([[0.0], [np.nan], [0.0], [1.0], [np.nan], [1.0]])
    assert discover(x, 2, min_size=2).cuts.tolist() == [3]  # frames are counted with the odd ones
    assert discover(x, 1).cuts.tolist() == []
    assert discover(np.arange(6.0)[:, None], 2, min_size=3).cuts.tolist() == [3]
    assert overlap([3], [3], 6) == 1.0
    assert overlap([3], [2], 6) == pytest.approx((2 / 3 + 3 / 4) / 2)
    assert uniform_cuts(10, 4).tolist() == [2, 5, 8]
    greedy = discover(frames(np.random.default_rng(0)), 3, search="greedy")
    assert greedy.cuts.tolist() == [4, 10]


def test_model_by_hand(tmp_path: Path):
    x = np.array([[0.0, 5], [0, 5], [1, 5], [3, 5]])
    with pytest.warns(UserWarning, match="1 of 2 selected"):
        model = StepDiscovery(2, alpha=5.0).fit_steps(x, [0, 0, 1, 1])
    assert feature_gap(x[2:], x[:2]).tolist() == [9.0, 0.0]
    assert model.selected.tolist() == [[0, 1], [0, 1]]
    # step 2: mean 2, deviation 1; the other frames lie 2 off, over both features (4 + 0)/2
    assert model.far[1] == 2.0
    assert model.distances([[3.0, 5.0]])[0, 1] == 0.5
    assert model.score([[2.0, 5.0], [3.0, 5.0], [0.0, 5.0]]).tolist() == [2.0, 1.5, 0.0]
    assert model.progress([[3.0, 5.0], [np.nan, 5.0], [0.0, 5.0]]).tolist() == [0.75] * 3
    save(model, tmp_path / "m.json")
    assert load(tmp_path / "m.json").score(x).tolist() == model.score(x).tolist()
    with pytest.warns(UserWarning, match="1 of 2 selected"):
        twice = StepDiscovery(2).fit_steps(np.vstack([x, x[3:]]), [0, 0, 1, 1, 1])
    with pytest.warns(UserWarning, match="1 of 2 selected"):
        heavy = StepDiscovery(2).fit_steps(x, [0, 0, 1, 1], weight=[1, 1, 1, 2])
    assert heavy.mean == pytest.approx(twice.mean)
    assert heavy.far == pytest.approx(twice.far)


def test_weights_and_latch_by_hand():
    torch = pytest.importorskip("torch")
    assert step_weights(4).tolist() == [0, 2, 4, 8]
    assert step_weights(1).tolist() == [0]
    s = np.array([[1, 0, 0], [0, 0, 1], [0, 0.5, 0], [0, 0.75, 0], [0, 0, 0.5]])
    assert combined(s).tolist() == [0, 4, 1, 1.5, 2]
    assert latched(s).tolist() == [0, 0, 1, 5.5, 5.5]
    assert latched(s, order="strict").tolist() == [0, 0, 1, 1.5, 3.5]
    assert latched(s, order="none").tolist() == [0, 4, 5, 5.5, 5.5]
    assert latched(torch.from_numpy(s), order="strict").tolist() == [0, 0, 1, 1.5, 3.5]
    assert latched(s, reached=0.4).tolist() == [0, 0, 5, 5.5, 5.5]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: stacked([]), "no demonstration"),
        (lambda: stacked([np.zeros((3, 2)), np.zeros((0, 2))]), "demonstration 1"),
        (lambda: StepDiscovery(1), "steps=1"),
        (lambda: StepDiscovery(2).fit(np.zeros((0, 3)), []), "at least one"),
        (lambda: StepDiscovery(2).fit(np.full((8, 2), np.nan), np.zeros(8)), "every frame"),
        (lambda: StepDiscovery(2).fit(np.ones((8, 2)), np.zeros(8)), "can't be told"),
        (lambda: StepDiscovery(3).fit(np.ones((8, 2)), np.zeros(8)), "8 frames .* 3 steps of 3"),
        (lambda: StepDiscovery(3).fit_steps(np.eye(4), [0, 0, 1, 1]), "step 3 of 3 has no"),
        (lambda: discover(np.zeros(4), 2), "shape"),
        (lambda: discover(np.zeros((4, 1)), 0), "steps=0"),
        (lambda: discover(np.zeros((9, 1)), 2, weighting="size"), "not one of equal, length"),
        (lambda: criterion(np.zeros((4, 1)), [4]), "must rise"),
        (lambda: overlap([1], [1, 2], 4), "1 cuts against 2"),
        (lambda: latched(np.zeros((2, 2)), order="any"), "not one of gate"),
    ],
)
def test_bad_input_is_told(make, said: str):
    with pytest.raises(ValueError, match=said):
        make()


def test_progress_of_texts():
    names, rooms = ("x", "n", "t"), ("apples", "coins", "pages")
    solutions = [
        [f"Let {a} be the number of {b}.", f"We are told that {a} plus 3 is 9.",
         "Subtract from both sides.", f"Therefore the answer is {a} = 6."]
        for a, b in itertools.product(names, rooms)
    ]  # fmt: skip
    learner = StepDiscovery(4, features=6, floor=0.1, min_size=1, weighting="length")
    scorer = ProgressScorer.of(solutions, learner)
    told = ["Let z be the number of cats.", "We are told that z plus 1 is 4.",
            "Subtract from both sides.", "Therefore the answer is z = 3."]  # fmt: skip
    forth = scorer(told)
    assert forth[0] < 0.1
    assert (np.diff(forth) > 0.05).all()
    assert forth[-1] > 0.9
    assert scorer([told[0], "Hmm, wait.", "Hmm, wait."])[-1] < 0.1
    assert scorer(told[::-1])[-1] < 0.3
    assert ProgressScorer(scorer.model, order="gate")(told[::-1])[-1] > 0.9
    assert scorer([]) == []
