"""Layouts of completions: names and templates are one value, and what is written reads back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.worlds.text import render as R
from toyrl.worlds.text.dialects import (
    CALLED,
    DIALECTS,
    Dialect,
    answers,
    compose,
    dialect_of,
    mark,
    spans,
)

NESTED = "<think>\n{work}\n</think>\n<answer>\\boxed{{}}</answer>"
LINES = "<plan>\n{work}\n</plan>\n<result>\n{}\n</result>\n"
JSON = '{"working": "{line}", "answer": {}}'
OWN = (
    NESTED,
    LINES,
    JSON,
    "{work}\n{}",
    "{none}{}",
    "<think>{line}</think>\n<answer>{}</answer>",
    "Final answer: {}",
    "<think></think>{}!".replace("{}!", "= {} ="),
    "[WORK]{work}[/WORK][ANSWER]{}[/ANSWER]",
    "{trace}\n#### {}",
    CALLED,
)


@pytest.mark.parametrize("text", [*DIALECTS, *OWN])
def test_a_name_reads_back(text):
    d = dialect_of(text)
    assert dialect_of(d.name) == d
    assert dialect_of(d.template) == d
    assert dialect_of(d) is d


def test_a_template_that_says_the_same_as_a_name_is_that_one():
    assert dialect_of("<think>\n{work}\n</think>\n<answer>{}</answer>").name == "tag"
    assert dialect_of("#### {}").name == "gsm8k"
    assert dialect_of("<think></think><answer>{}</answer>").name == "tag"
    assert dialect_of("<answer>{}</answer>").name == "<answer>{}</answer>"


@given(text=st.sampled_from([*DIALECTS, *OWN]), value=st.integers(-99, 99), seed=st.integers(0, 99))
def test_a_marked_answer_is_read_back(text, value, seed):
    whole = compose(text, R.base_rows("tag", 12, seed)[0].work, mark(text, value))
    assert answers(whole, text)[-1] == str(value)
    start, end = spans(whole, text)[-1]
    assert str(value) in whole[start:end]
    assert len(spans(whole, text)) == len(answers(whole, text))


@pytest.mark.parametrize("text", OWN)
def test_rows_parse_back(text):
    for x in R.base_rows(text, 24, 1):
        parsed = R.parse(x.row.completion, text, x.problem)
        assert (parsed.correct, parsed.truncated) == (x.correct, x.truncated)
        assert x.dialect == dialect_of(text).name


def test_layouts_are_written_to_the_letter():
    assert compose(NESTED, "a\nb", mark(NESTED, 7)) == (
        "<think>\na\nb\n</think>\n<answer>\\boxed{7}</answer>"
    )
    assert compose(LINES, "a", mark(LINES, 7)) == ("<plan>\na\n</plan>\n<result>\n7\n</result>\n")
    assert json.loads(compose(JSON, "a\nb", mark(JSON, 7))) == {"working": "a b", "answer": 7}
    assert compose("{none}{}", "a", mark("{none}{}", 7)) == "7"
    assert compose("{none}{}", "a", "") == "a"
    assert compose("{work}\n{}", "a", "7") == "a\n7"
    assert compose(NESTED, "a", "7", tags=False) == "a\n7"


def test_truncated_texts_leave_the_working_open():
    for text in (NESTED, LINES, JSON):
        cut = [x for x in R.base_rows(text, 24, 1) if x.truncated]
        assert cut
        end = dialect_of(text).closing.strip()
        assert all(not x.row.completion.endswith(end) for x in cut)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{work}{work} {}", "once, before {}"),
        ("{} then {work}", "once, before {}"),
        ("{work} {line} {}", "once, before {}"),
        ("{work}", "a mark with one {}"),
        (" {}", "no text before {}"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(ValueError, match="dialect=") as caught:
        dialect_of(text)
    assert message in str(caught.value)


def test_a_dialect_is_a_value():
    assert dialect_of("tag") == Dialect(
        "<think>\n", "\n</think>", "\n", "<answer>", "</answer>", "lines"
    )
    assert len({dialect_of(d) for d in DIALECTS}) == len(DIALECTS)
