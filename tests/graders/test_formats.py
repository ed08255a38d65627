"""Format rewards for texts: what parses, what the length pays, nothing that hangs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.formats import is_expression, last_boxed, parsed_answers, stated_answer
from toyrl.graders.steps.phases import answer_words, is_thought
from toyrl.serving import ServedReward

GOOD = "<think>2 + 2</think><answer>\\boxed{\\frac{1}{2}}</answer>"


@pytest.mark.parametrize(
    ("answer", "reads"),
    [
        ("9", True), ("\\frac{\\frac{1}{2}}{3}", True), ("x=3", True), ("(1, 2)", True),
        ("x^2 \\leq \\sqrt{2}", True), ("50\\%", True), ("", False), ("2x", False),
        ("no idea", False), ("a.b", False), ("lambda: 1", False), ("[x for x in y]", False),
        ("__import__('os').system('true')", False), ("(" * 900, False), ("9" * 2000, False),
    ],
)  # fmt: skip
def test_what_reads_as_an_expression(answer, reads):
    assert is_expression(answer) is reads


def test_where_the_answer_is_looked_for():
    assert stated_answer("<answer>a \\boxed{1} \\boxed{\\text{b}}</answer>") == "\\text{b}"
    assert stated_answer("<answer>so \\(x\\) or \\(y\\)</answer>") == "y"
    assert stated_answer("<answer> 7 </answer>") == "7"
    assert stated_answer("<think>\\boxed{1}</think> 7") == ""
    assert stated_answer("\\boxed{1}</think> \\boxed{2}") == "2"
    assert last_boxed("\\boxed{1} \\boxed{2") == "1"


def test_format_and_length_are_paid_without_a_gold_answer():
    tokens = (0, 768, 1536, 3072)
    grader = parse_grader("text_format()")
    rows = [TextRow("p", GOOD, {}, n or 1) for n in tokens]
    f = [1 - (1 - (n or 1) / 1536) ** 2 for n in tokens[:3]] + [-1]
    assert grader.grade(rows) == pytest.approx([1 + x for x in f])
    short = [TextRow("p", "no answer", {}, n) for n in (768, 3072, 6144)]
    assert grader.grade(short) == pytest.approx([0, -1, -17])
    assert parse_grader("text_format(kind='only')").grade([rows[0], short[0]]) == [1.0, 0.0]
    with_ids = TextRow("p", GOOD, {"completion_ids": [1] * 1536})
    assert grader.grade([with_ids]) == [2.0]
    (found,) = grader.grade_parts([TextRow("p", GOOD)])
    assert (math.isnan(found.total), found.problem) == (True, "no count of tokens")


def test_the_shapers_pay_the_same_with_this_grader_of_answers():
    rows = [TextRow("p", t, {"correct": 0.0}, 64) for t in (GOOD, "<answer>no idea</answer>")]
    served = ServedReward.of(
        "format_length()", max_completion_length=128, graders={"answered": parsed_answers}
    )
    want = parse_grader("text_format(limit=128)").grade(rows)
    assert np.allclose(served(rows, [0, 0]).values, want)


def test_a_text_that_was_cut_off_needs_no_grader():
    served = ServedReward.of("stop_properly()", max_completion_length=8)
    rows = [TextRow("p", "x", {"correct": 1.0}, 8, truncated=cut) for cut in (False, True)]
    assert served(rows, [0, 0]).values == pytest.approx([1, 0.1])


def test_marks_without_an_end_take_no_longer_than_their_length():
    for mark in ("<think>", "<answer>", "\\boxed{", "\\("):
        row = TextRow("p", mark * 100_000)
        assert parsed_answers([row]) == [0.0]
        assert is_thought(row) == 0
        assert answer_words(row) <= 1
