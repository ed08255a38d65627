"""Text made safe to show, strict JSON, numbers for readers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.experiments.render.text import dumps, evidence, number, visible


@given(st.text())
def test_visible_text_holds_nothing_unseen(text):
    assert all(c.isprintable() or c in "\n\t" for c in visible(text))


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"])))
def test_plain_text_is_left_alone(text):
    assert visible(text) == text


def test_the_unseen_is_spelled_out():
    assert visible("a\u200bb\u202e\x1b[2J\ud800") == "a<U+200B>b<U+202E><U+001B>[2J<U+D800>"
    assert visible("9\u00a0km\n") == "9 km\n"


def test_what_is_cut_is_counted():
    assert visible("abcdef", limit=4) == "abcd ... (2 more characters)"
    assert visible("abcd", limit=4) == "abcd"


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _refuse(constant):
    raise AssertionError(constant)


@given(JSON_LIKE)
def test_json_is_strict_and_can_be_written(value):
    text = dumps(value, ensure_ascii=False)
    text.encode("utf-8")
    json.loads(text, parse_constant=_refuse)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_json_keeps_numbers_exactly(values):
    assert json.loads(dumps({"values": np.array(values)}))["values"] == values


def test_json_of_what_json_lacks():
    assert json.loads(dumps([math.nan, -math.inf, np.float32(0.5), {1: (2,)}])) == [
        "nan",
        "-inf",
        0.5,
        {"1": [2]},
    ]


def test_evidence_of_text_and_of_data():
    assert evidence("x\u200b") == "x<U+200B>"
    assert json.loads(evidence({"reward": 1.0})) == {"reward": 1.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.93312, "0.9331"),
        (-3.1, "-3.1"),
        (12345.678, "12,346"),
        (1234, "1,234"),
        (1e-9, "1.000e-09"),
        (math.inf, "inf"),
        (True, "yes"),
        (None, ""),
        (100.0, "100"),
    ],
)
def test_numbers_for_readers(value, text):
    assert number(value) == text


@given(st.floats(min_value=1e-4, max_value=1e5))
def test_number_is_right_to_four_digits(value):
    # Half a unit of the fourth significant digit is at most 5e-4 of the value; above 10,000 whole
    # numbers are finer than that.
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)
