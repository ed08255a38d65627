"""The format of a user's own completions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toyrl.experiments.validate.formats.own import of_prompts, of_rollouts, same_mark
from toyrl.worlds.text.dialects import dialect_of
from toyrl.worlds.text.render import base_rows

LAYOUTS = (
    *("tag", "boxed", "think_boxed", "gsm8k", "prose", "Answer: {}", '{"answer": "{}"}'),
    *("<final>\n{}\n</final>", "{work}\n{}", "{none}{}", "<plan>\n{work}\n</plan>\n<end>{}</end>"),
    "<think>\n{work}\n</think>\n<answer>\n\\boxed{{}}\n</answer>",
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_rendered_is_found_again(layout):
    rows = base_rows(layout, 24, 2)
    found = of_rollouts([x.row for x in rows], [float(x.correct) for x in rows])
    assert dialect_of(found[0].template) == dialect_of(layout)
    assert found[0].said == "11 of 11 right rollouts of yours"


def test_two_formats_are_both_found():
    rows = [x for d, n in (("gsm8k", 24), ("<final>{}</final>", 12)) for x in base_rows(d, n, 0)]
    found = of_rollouts([x.row for x in rows], [float(x.correct) for x in rows])
    names = [dialect_of(h.template).name for h in found]
    assert names[0] == "gsm8k"


def test_without_gold_the_marks_that_most_rows_carry():
    rows = [replace(x.row, columns={}) for x in base_rows("boxed", 24, 0)]
    found = of_rollouts(rows, [1.0] * len(rows))
    assert [h.template for h in found] == ["boxed", "think_boxed"]
    assert of_rollouts([], []) == []


def test_prompts_that_ask_for_tags_or_boxes():
    asked = "What is 1 + 1? Answer in <think> </think> and <final> </final> tags."
    assert "<final>{}</final>" in [h.template for h in of_prompts([asked])]
    assert [h.template for h in of_prompts(["Put it into \\boxed{}."])] == ["\\boxed{{}}"]
    assert of_prompts(["What is 1 + 1?"]) == []


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("\\boxed{{}}", "boxed", True),
        ("tag", "<answer>{}</answer>", True),
        ("tag", "boxed", False),
        ("#### {}", "gsm8k", True),
        ("{work}\n{}", "{none}{}", True),
        ("{work}\n{}", "gsm8k", False),
        ("answer is {}", "prose", True),
    ],
)
def test_same_marks(a, b, same):
    assert same_mark(a, b) is same
    assert same_mark(b, a) is same
