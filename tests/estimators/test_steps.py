"""Returns per step: by hand, a plain loop, baselines, edges, libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.estimators.steps import BASELINES, StepReturns
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.process.summaries import StepSum

REWARD = Outcome() + StepSum()
STEPS = st.lists(st.lists(st.integers(0, 8).map(lambda n: n / 8), max_size=4), min_size=1,
                 max_size=4)  # fmt: skip


def plain(steps: list[list[float]], correct: list[float], baseline: str) -> list[list[float]]:
    """A_k of each rollout, by loops."""
    to_go = [[sum(s[k:]) + c for k in range(len(s))] for s, c in zip(steps, correct, strict=True)]
    out = []
    for own in to_go:
        row = []
        for k, g in enumerate(own):
            there = [x[k] for x in to_go if len(x) > k]
            base = {
                "none": 0.0,
                "step": sum(there) / len(there),
                "padded": sum(there) / len(to_go),
                "first": sum(x[0] for x in to_go if x) / sum(map(bool, to_go)),
            }[baseline]
            row.append(g - base)
        out.append(row)
    return out


@pytest.mark.parametrize("baseline", BASELINES)
@given(steps=STEPS, tokens=st.integers(1, 3), tail=st.integers(0, 2), data=st.data())
def test_as_a_plain_loop_says(
    baseline: str, steps: list[list[float]], tokens: int, tail: int, data: st.DataObject
):
    correct = [float(data.draw(st.integers(0, 1))) for _ in steps]
    r = scored(steps, correct, tokens=tokens, tail=tail)
    found = StepReturns(baseline).apply(REWARD.apply(r).parts, r)[0][0]
    for row, want in zip(found, plain(steps, correct, baseline), strict=True):
        spread = np.repeat(want, tokens)
        # four returns of at most 5 are averaged: rounding below 5 x 4 eps
        assert row[: len(spread)] == pytest.approx(spread, abs=1e-14)
        assert not row[len(spread) :].any()


def test_a_tied_step_gets_exactly_nothing():
    r = scored([[0.1, 0.7], [0.1, 0.7], [0.1, 0.7]], [1.0, 1.0, 1.0])
    assert not StepReturns().apply(REWARD.apply(r).parts, r)[0].any()


def test_absent_and_unscorable_rollouts():
    steps = [[0.5, 0.25], [1.0], [0.0, math.nan]]
    r = scored(steps, [1.0, 0.0, 1.0], weight=np.array([[1.0, 0.0, 1.0]]))
    found = StepReturns().apply(REWARD.apply(r).parts, r)[0]
    assert not found.any()  # one usable rollout is left
    raw = StepReturns("none").apply(REWARD.apply(r).parts, r)[0][0]
    assert raw.tolist() == [[1.75, 1.25], [0, 0], [0, 0]]


def test_weights_are_multiplicities():
    steps, correct = [[0.5, 0.25], [1.0], [0.25, 0.25, 0.5]], [1.0, 0.0, 1.0]
    r = scored(steps, correct, weight=np.array([[2.0, 1.0, 1.0]]))
    spelled = scored([steps[0], *steps], [1.0, *correct])
    for baseline in BASELINES:
        e = StepReturns(baseline)
        one = e.apply(REWARD.apply(r).parts, r)[0][0]
        two = e.apply(REWARD.apply(spelled).parts, spelled)[0][0]
        assert one == pytest.approx(two[1:], abs=1e-14)


def test_other_libraries():
    r = scored([[0.25, 0.5, 1.0], [1.0], [0.5, 0.5]], [1.0, 0.0, 1.0], tokens=2)
    for baseline in BASELINES:
        want = StepReturns(baseline).apply(REWARD.apply(r).parts, r)[0]
        for to in (to_torch, to_strict):
            other = to(r)
            got = StepReturns(baseline).apply(REWARD.apply(other).parts, other)[0]
            assert np.asarray(got) == pytest.approx(want, abs=1e-14)


def test_scope():
    assert [StepReturns(b).scope for b in BASELINES] == ["group", "group", "group", "rollout"]
    with pytest.raises(ValueError, match="baseline='median'"):
        StepReturns("median")
