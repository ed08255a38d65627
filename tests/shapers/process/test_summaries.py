"""Sum, mean, minimum and product of step scores: by hand, copies of a step, laws, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.shapers.compose import Total
from toyrl.shapers.process.summaries import StepMean, StepMin, StepProduct, StepSum
from toyrl.testing import assert_invariants

SUMMARIES = {"step_sum": sum, "step_mean": np.mean, "step_min": min, "step_product": math.prod}
CLASSES = {"step_sum": StepSum, "step_mean": StepMean, "step_min": StepMin,
           "step_product": StepProduct}  # fmt: skip
SCORE = st.integers(0, 8).map(lambda n: n / 8)
STEPS = st.lists(st.lists(SCORE, min_size=1, max_size=5), min_size=1, max_size=4)


@pytest.mark.parametrize("name", SUMMARIES)
@given(steps=STEPS, tokens=st.integers(1, 3), tail=st.integers(0, 2))
def test_value_is_the_plain_one(name: str, steps: list[list[float]], tokens: int, tail: int):
    r = scored(steps, [1.0] * len(steps), tokens=tokens, tail=tail)
    want = [2 * SUMMARIES[name](s) for s in steps]
    # at most five factors or summands on a grid of 1/8: exact but for the mean's division
    assert CLASSES[name](alpha=2.0).reward(r)[0] == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize(("name", "want"), [("step_sum", (2.1, 3.9)), ("step_mean", (0.7, 0.78)),
                                            ("step_min", (0.4, 0.4)),
                                            ("step_product", (0.288, 0.288 * 0.81))])  # fmt: skip
def test_two_copies_of_the_best_step(name: str, want: tuple[float, float]):
    """0.8, 0.9, 0.4 and two more steps of 0.9: sum and mean rise, the minimum stays."""
    r = scored([[0.8, 0.9, 0.4], [0.8, 0.9, 0.9, 0.9, 0.4]], [1.0, 1.0])
    assert CLASSES[name]().reward(r)[0] == pytest.approx(want, rel=1e-15)


def test_sum_is_paid_on_the_last_token_of_each_step():
    r = scored([[0.25, 1.0]], [0.0], tokens=2)
    assert StepSum(alpha=2.0).apply(r).parts["process"].tolist() == [[[0, 0.5, 0, 2.0]]]


@pytest.mark.parametrize("name", SUMMARIES)
def test_edges(name: str):
    """No step, a step cut off, a missing score."""
    shaper = CLASSES[name]()
    assert shaper.reward(scored([[], [0.5]], [0.0, 1.0]))[0].tolist() == [0.0, 0.5]
    empty = scored([[]], [0.0], tail=3)  # tokens, and no step that ended
    assert shaper.reward(empty)[0].tolist() == [0.0]
    lost = scored([[0.5, math.nan], [0.5, 0.25]], [1.0, 1.0])
    got = shaper.reward(lost)[0]
    assert math.isnan(got[0])
    assert got[1] == SUMMARIES[name]([0.5, 0.25])


@pytest.mark.parametrize("name", SUMMARIES)
def test_laws(name: str):
    assert_invariants(f"{name}()", max_examples=60)
    assert_invariants(f"outcome() + 0.5*total({name}())", max_examples=60)


@pytest.mark.parametrize("name", SUMMARIES)
def test_other_libraries(name: str):
    r = scored([[0.25, 0.5], [1.0]], [1.0, 0.0], tokens=2)
    for to in (to_torch, to_strict):
        got = CLASSES[name]().reward(to(r))
        assert np.asarray(got).tolist() == CLASSES[name]().reward(r).tolist()


def test_total_is_one_number_a_rollout():
    r = scored([[0.25, 0.5], [1.0]], [1.0, 0.0], tokens=2)
    whole = Total(StepSum())
    assert whole.apply(r).parts["total"].tolist() == [[0.75, 1.0]]
    assert not whole.all_token_level()
    assert not (Total(StepSum()) + StepMin()).all_token_level()
    assert (Total(StepSum()) + StepSum()).all_token_level()
