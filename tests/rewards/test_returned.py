"""What comes back from a reward function becomes numbers or a refusal."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rewards.calls import ROWS, grade
from toyrl.rewards.returned import LARGEST
from toyrl.rewards.signatures import Refusal

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.just("rewards"), inner, max_size=2)
        | st.tuples(inner, inner, inner)
    ),
    max_leaves=6,
)


@given(anything | st.lists(st.none() | st.floats() | st.integers(), min_size=3, max_size=3))
def test_whatever_a_function_returns_becomes_numbers_or_a_refusal(value):
    def whole(completions, **kwargs):
        return value

    def single(text):
        return value

    known = ((whole, ("bad_value", "wrong_count", "size")), (single, ("bad_value", "size")))
    for function, kinds in known:
        try:
            got = grade(function)[1]
        except Refusal as refusal:
            assert refusal.kind in kinds  # noqa: PT017
        else:
            assert len(got) == 3
            assert all(v is None or (isinstance(v, float) and abs(v) <= LARGEST) for v in got)
            assert function is whole or None not in got


def test_a_set_has_no_order():
    def reward(completions, **kwargs):
        return {1.0, 2.0, 3.0}

    with pytest.raises(Refusal, match="no order"):
        grade(reward)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.booleans())
def test_finite_numbers_pass_and_others_are_refused(value):
    def reward(text):
        return value

    one = ROWS[:1]
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer above the largest float
        finite = False
    if finite and abs(value) <= LARGEST:
        assert grade(reward, one)[1] == [float(value)]
    else:
        with pytest.raises(Refusal) as caught:
            grade(reward, one)
        assert (caught.value.kind, caught.value.row) == ("size" if finite else "bad_value", 0)
