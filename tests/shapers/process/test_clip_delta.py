"""Clip and Delta: by hand, what is still to come, copies of a step, thresholds, edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.estimators.steps import StepReturns
from toyrl.shapers.base import Shaper
from toyrl.shapers.process.clip_delta import StepClip, StepClipDelta, StepDelta
from toyrl.shapers.process.summaries import StepSum
from toyrl.testing import assert_invariants

SCORE = st.integers(0, 8).map(lambda n: n / 8)  # sums and differences of these are exact
STEPS = st.lists(SCORE, min_size=1, max_size=6)
ETA = SCORE
RAW = StepReturns(baseline="none")


def paid(shaper: Shaper, steps: list[float], **more: Any) -> list[float]:
    return shaper.apply(scored([steps], [1.0], **more)).parts["process"][0, 0].tolist()


def to_go(shaper: Shaper, steps: list[float], correct: float) -> list[float]:
    """G_1..G_K of one rollout with its outcome."""
    from toyrl.shapers.outcome import Outcome

    r = scored([steps], [correct])
    return RAW.apply((Outcome() + shaper).apply(r).parts, r)[0][0, 0].tolist()


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ([0.5, 0.75, 0.25, 1.0], [-0.25, 0.5, 0.25, 0.0]),  # the last step is dropped
        ([0.5, 0.75, 0.25], [-0.25, 0.75, 0.0]),
        ([0.5, 0.75], [0.5, 0.0]),
        ([0.5], [0.0]),
    ],
)
def test_delta_by_hand(steps: list[float], want: list[float]):
    assert paid(StepDelta(), steps) == want
    assert paid(StepDelta(alpha=2.0), steps) == [2 * x for x in want]
    wide = paid(StepDelta(), steps, tokens=3, tail=1)
    assert wide[2 : 3 * len(steps) : 3] == want
    assert sum(map(abs, wide)) == sum(map(abs, want))


def test_clip_and_clip_delta_by_hand():
    steps = [0.5, 0.75, 0.25, 1.0]
    assert paid(StepClip(eta=0.75), steps) == [-0.25, 0.0, -0.5, 0.0]
    assert paid(StepClipDelta(eta=0.75), steps) == [-0.25, 0.5, -0.5, 0.0]
    assert paid(StepClip(eta=0.5), [0.5]) == [0.0]  # at the threshold


@given(STEPS, ETA, st.integers(0, 1))
def test_what_is_still_to_come(steps: list[float], eta: float, correct: int):
    """Delta: the own score, and the outcome; the last step the outcome alone. Clip: never more."""
    S, alpha = float(correct), 0.5
    own = [alpha * s + S for s in steps[:-1]]
    assert to_go(StepDelta(alpha), steps, S) == [*own, S]
    cut = [alpha * min(s - eta, 0) + S for s in steps[:-1]]
    assert to_go(StepClipDelta(alpha, eta), steps, S) == [*cut, S]
    assert all(S - alpha * eta <= g <= S for g in cut)
    left = np.arange(len(steps), 0, -1)
    clip = np.array(to_go(StepClip(alpha, eta), steps, S))
    assert np.all(clip <= S)
    assert np.all(clip >= S - alpha * eta * left)


@given(STEPS.filter(lambda s: len(s) > 1), SCORE, st.integers(1, 3), st.data())
def test_copies_of_a_step(steps: list[float], c: float, m: int, data: st.DataObject):
    """m steps more, anywhere behind the first one: Delta pays nothing for them, the sum m c."""
    at = data.draw(st.integers(1, len(steps)))
    more = [*steps[:at], *[c] * m, *steps[at:]]
    r = scored([steps, more], [1.0, 1.0])
    assert np.ptp(StepDelta().reward(r)) == 0
    total = StepSum(alpha=2.0).reward(r)[0]
    assert total[1] - total[0] == 2 * m * c
    clip = StepClip(eta=0.5).reward(r)[0]
    assert clip[1] - clip[0] == m * min(c - 0.5, 0)


@given(STEPS)
def test_thresholds_at_the_ends(steps: list[float]):
    """Above all scores Clip is the sum less eta a step; below all it is nothing."""
    K = len(steps)
    assert sum(paid(StepClip(eta=1.0), steps)) == sum(steps) - K
    assert not any(paid(StepClip(eta=min(steps)), steps))
    assert not any(paid(StepClipDelta(eta=min(steps)), steps))
    low = paid(StepClipDelta(eta=1.0), steps)
    assert low == paid(StepDelta(), [s - 1 for s in steps])


@given(STEPS, st.sampled_from([0.125, 0.25]), ETA)
def test_a_constant_more(steps: list[float], b: float, eta: float):
    """Delta: changes step K - 1 alone, by it. Clip with the threshold moved: changes nothing."""
    up = np.array(paid(StepDelta(), [s + b for s in steps])) - paid(StepDelta(), steps)
    assert up.tolist() == [b if k == len(steps) - 2 else 0.0 for k in range(len(steps))]
    moved = paid(StepClip(eta=min(eta, 0.75) + b), [s + b for s in steps])
    assert moved == paid(StepClip(eta=min(eta, 0.75)), steps)


def test_the_mean_threshold_is_that_of_the_prompt():
    r = scored([[1.0, 0.5], [0.0], []], [1.0, 0.0, 0.0])
    assert StepClip().scope == "group"
    assert StepClip(eta=0.5).scope == "rollout"
    assert StepClip().apply(r).parts["process"][0].tolist() == [[0, 0], [-0.5, 0], [0, 0]]
    heavy = r.with_(weight=np.array([[1.0, 2.0, 1.0]]))  # mean (1 + 0.5 + 2 x 0)/4
    assert StepClip().apply(heavy).parts["process"][0, 1].tolist() == [-0.375, 0]
    empty = scored([[], []], [0.0, 0.0], tail=1)
    assert StepClip().reward(empty).tolist() == [[0, 0]]


@pytest.mark.parametrize("shaper", [StepDelta(), StepClip(eta=0.5), StepClipDelta(eta=0.5)])
def test_a_missing_score_reaches_no_neighbour(shaper: Shaper):
    r = scored([[0.5, math.nan, 0.25], [0.5, 0.25]], [1.0, 1.0])
    got = shaper.reward(r)[0]
    assert math.isnan(got[0])
    assert got[1] == shaper.reward(scored([[0.5, 0.25]], [1.0]))[0, 0]


@pytest.mark.parametrize("name", ["step_delta()", "step_clip(eta=0.5)", "step_clip()",
                                  "step_clip_delta()"])  # fmt: skip
def test_laws(name: str):
    assert_invariants(name, max_examples=60)
    assert_invariants(f"outcome() + 0.5*{name}", max_examples=60)


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan, "median"])
def test_threshold_out_of_range(eta: Any):
    with pytest.raises(ValueError, match=r"eta=.* is not .*; give a score, or None"):
        StepClip(eta=eta)


@pytest.mark.parametrize("shaper", [StepDelta(), StepClip(), StepClipDelta(eta=0.5)])
def test_other_libraries(shaper: Shaper):
    r = scored([[0.25, 0.5, 1.0], [1.0]], [1.0, 0.0], tokens=2)
    for to in (to_torch, to_strict):
        assert np.asarray(shaper.reward(to(r))).tolist() == shaper.reward(r).tolist()
