"""The splitter: partitions, each rule by hand, tokens by a plain definition, bad input."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.steps.splits import SPLITTERS, marked_ends, on_tokens, steps, token_ends

LONG = "It rained all day long, so we stayed at home and read. Dr. Smith came, too."
TEXT = st.text(alphabet="ab .,!?\nS1:tep", max_size=60)


def pieces(text: str, how: object) -> list[str]:
    return [text[a:b] for a, b in steps(text, how)]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("how", SPLITTERS)
@given(TEXT)
def test_steps_cover_the_text_and_none_is_blank(how: str, text: str):
    found = pieces(text, how)
    assert "".join(found) == (text if text.strip() else "")
    assert all(p.strip() for p in found)


@pytest.mark.parametrize(
    ("how", "text", "want"),
    [
        ("blank_line", "a\nb\n\nc\n \nd\n\n", ["a\nb\n\n", "c\n \n", "d\n\n"]),
        ("line", "a\n\n  b\nc", ["a\n\n  ", "b\n", "c"]),
        ("numbered", "So. Step 1: a Step 2: b", ["So. ", "Step 1: a ", "Step 2: b"]),
        ("numbered", "Step 1: a\nStep 12: b", ["Step 1: a\n", "Step 12: b"]),
        ("sentence", "He paid 3.50. It was late! Was it?", ["He paid 3.50. ", "It was late! ",
                                                            "Was it?"]),
        ("sentence", "See Fig. 3, e.g. A. B. Hall's. Good.", ["See Fig. 3, e.g. A. B. Hall's. ",
                                                              "Good."]),
        ("sentence", 'He said "No." Then he left.', ['He said "No." ', "Then he left."]),
        ("sub_sentence", LONG, ["It rained all day long, ", "so we stayed at home and read. ",
                                "Dr. Smith came, too."]),
        ("sub_sentence", "Well, it rained all day long and so on.",
         ["Well, it rained all day long and so on."]),
        ("whole", "a\n\nb", ["a\n\nb"]),
        (re.compile(r"\|"), "a|b|", ["a|", "b|"]),
        (lambda _: [2], "a b c", ["a ", "b c"]),
        ("line", " \n ", []),
    ],
)  # fmt: skip
def test_by_hand(how: object, text: str, want: list[str]):
    assert pieces(text, how) == want


def test_a_short_piece_joins_the_one_before():
    text = "One two three four five, six seven, eight nine ten eleven twelve."
    assert pieces(text, "sub_sentence") == ["One two three four five, six seven, ",
                                            "eight nine ten eleven twelve."]  # fmt: skip


@given(TEXT)
def test_sentence_ends_are_sub_sentence_ends(text: str):
    ends = {b for _, b in steps(text, "sentence")}
    assert ends <= {b for _, b in steps(text, "sub_sentence")}


@given(TEXT, st.data())
def test_token_ends_by_their_definition(text: str, data: st.DataObject):
    """The token with the last character of the step in it, for any cutting into tokens."""
    inner = st.integers(1, max(1, len(text) - 1))
    cuts = sorted({0, len(text), *data.draw(st.lists(inner, max_size=8))} & {*range(len(text) + 1)})
    offsets = list(itertools.pairwise(cuts))
    spans = steps(text, "line")
    want = [next(i for i, (a, b) in enumerate(offsets) if a < end <= b) for _, end in spans]
    if offsets:
        assert token_ends(spans, offsets).tolist() == want


def test_end_tokens_and_cut_texts():
    spans = steps("ab\n\ncd", "blank_line")
    assert token_ends(spans, [(0, 2), (2, 4), (4, 6), (0, 0)]).tolist() == [1, 3]
    assert token_ends(spans, [(0, 3), (3, 6)]).tolist() == [1, 1]  # a token over the boundary
    assert token_ends(spans, [(0, 2)]).tolist() == [0, 0]  # the rest was cut off
    assert token_ends([], [(0, 2)]).tolist() == []
    with pytest.raises(ValueError, match="2 steps have no token"):
        token_ends(spans, [])


def test_scores_on_tokens():
    assert on_tokens([0.5, 0.25], [1, 3], 5).tolist() == [0, 0.5, 0, 0.25, 0]
    assert on_tokens([0.5, 0.25], [1, 1], 2).tolist() == [0, 0.75]
    assert on_tokens([0.5, 0.25], [1, 1], 2, clash="last").tolist() == [0, 0.25]
    assert math.isnan(on_tokens([math.nan], [0], 1)[0])
    assert on_tokens([], [], 3).tolist() == [0, 0, 0]
    assert marked_ends([1, 3, 3], 5).tolist() == [0, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="3 scores for 2 steps"):
        on_tokens([1, 1, 1], [0, 1], 2)
    with pytest.raises(ValueError, match="clash='mean'"):
        on_tokens([1], [0], 2, clash="mean")
    with pytest.raises(ValueError, match="how='words' is not one of blank_line"):
        steps("a", "words")


def test_offsets_of_a_tokenizer():
    """`tokenizers` gives the offsets that `token_ends` reads."""
    tokenizers = pytest.importorskip("tokenizers")
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "[U]": 2}, "[U]"))
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    text = "a b\n\nb a a\n\nb"
    offsets = own.encode(text).offsets
    assert np.array(token_ends(steps(text), offsets)).tolist() == [1, 4, 5]
