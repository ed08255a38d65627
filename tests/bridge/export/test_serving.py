"""Served rewards: texts to correctness, rows to groups, the same numbers as the shaper's own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import Rollouts, parse
from toyrl.bridge.export.carry import plan
from toyrl.expressions import parse_estimator
from toyrl.graders.answers import is_answered, is_correct, marked_answer, same_answer
from toyrl.graders.base import TextRow
from toyrl.serving import ServedReward, bare_text, run_groups, text_of


# --- marked answers -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "gold", "right"),
    [
        ("<think>8</think><answer> 9 </answer>", "9", 1.0),
        ("<answer>8</answer> no, <answer>9</answer>", "9", 1.0),
        ("so \\boxed{9}", "$9$", 1.0),
        ("so \\boxed{\\text{nine}}", "9", 0.0),
        ("work\n#### 1,024", "steps\n#### 1024", 1.0),
        ("The answer is 4.50.", "9/2", 1.0),
        ("The answer is  Paris .", "paris", 1.0),
        ("9", "9", 0.0),
        ("", "9", 0.0),
        ("<answer>1/0</answer>", "1/0", 1.0),
        ("<answer>1/0</answer>", "2", 0.0),
    ],
)
def test_the_last_marked_answer_is_compared_as_number_or_text(text, gold, right):
    assert is_correct(TextRow("p", text, {"solution": gold})) == right


def test_gold_is_looked_for_under_its_usual_names_and_missed_by_name():
    row = TextRow("p", "<answer>1</answer>", {"target": 1, "level": 3})
    assert is_correct(row) == 1.0
    with pytest.raises(KeyError, match="columns level"):
        is_correct(TextRow("p", "<answer>1</answer>", {"level": 3}))


@given(st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}", "${}$", "{}.0", " {}."]))
def test_equal_numbers_are_equal_however_they_are_written(n, form):
    assert same_answer(form.format(n), str(n))
    assert not same_answer(form.format(n), str(n + 1))


@given(st.text(max_size=60))
def test_any_text_has_an_answer_or_none(text):
    found = marked_answer(text)
    assert is_answered(TextRow("p", text)) == float(found is not None)


# --- groups ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("keys", "size", "groups"),
    [
        ("aabb", None, [0, 0, 1, 1]),
        ("aaaabb", None, [0, 0, 1, 1, 2, 2]),  # neighbouring groups of one prompt
        ("aaaa", None, [0, 0, 0, 0]),
        ("aaaa", 2, [0, 0, 1, 1]),
        ("abc", None, [0, 1, 2]),
    ],
)
def test_runs_of_one_prompt_are_split_into_groups(keys, size, groups):
    assert run_groups(list(keys), size) == groups


def test_a_group_cut_by_a_process_boundary_is_refused():
    with pytest.raises(ValueError, match=r"group_size=4.*runs of \[2, 4\]"):
        run_groups(list("aabbbbcc"), 4)


# --- the same numbers -----------------------------------------------------------------------------
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.integers(1, 50), st.booleans()),
    min_size=1,
    max_size=16,
)


@given(
    ROWS,
    st.sampled_from(["outcome() - 0.3*linear_length()", "kimi()", "crf()", "laser(target=0.5)"]),
    st.sampled_from([None, "grpo", "rloo", "canon"]),
)
def test_serving_rows_equals_the_shaper_on_each_group(drawn, reward, estimator):
    rows = [
        TextRow("p", "", {"correct": float(ok), "answered": 1.0}, n, cut and not ok)
        for _, ok, n, cut in drawn
    ]
    keys = [k for k, *_ in drawn]
    served = ServedReward.of(reward, max_completion_length=50, estimator=estimator)
    got = served(rows, keys).values
    shaper, chosen = parse(reward), parse_estimator(estimator) if estimator else None
    for key in set(keys):
        here = [i for i, k in enumerate(keys) if k == key]
        r = Rollouts.from_lists(
            [[rows[i].columns["correct"] for i in here]],
            [[float(rows[i].tokens) for i in here]],
            max_length=50,
            truncated=[[rows[i].truncated for i in here]],
            fields={"answered": [[1.0] * len(here)]},
        )
        shaped = shaper.apply(r)
        values = shaper.reward(r) if chosen is None else chosen.apply(shaped.parts, r)[0]
        np.testing.assert_allclose([got[i] for i in here], np.ravel(values), rtol=1e-12, atol=1e-12)


def test_an_unscorable_row_is_none_and_absent_for_its_siblings():
    rows = [TextRow("p", "", {"correct": c}, 5) for c in (1.0, None, 0.0)]
    served = ServedReward.of("outcome()", max_completion_length=9, estimator="dr_grpo")
    answer = served(rows, [0, 0, 0])
    assert answer.values == [0.5, None, -0.5]
    assert answer.correct == [1.0, None, 0.0]


def test_a_grader_s_numbers_are_the_field_before_a_column_of_its_name():
    rows = [TextRow("p", "<answer>1</answer>", {"answer": "1", "conciseness": 0.9}, 10)] * 2
    graders = {"conciseness": lambda rows: [0.1 + 0.5 * i for i, _ in enumerate(rows)]}
    made = ServedReward.of("conciseness_additive(1)", max_completion_length=20, graders=graders)
    assert made(rows, [0, 0]).rewards == pytest.approx([1.1, 1.6])
    plain = ServedReward.of("conciseness_additive(1)", max_completion_length=20)
    assert plain(rows, [0, 0]).rewards == pytest.approx([1.9, 1.9])
    short = replace(plain, graders={"conciseness": lambda _: [0.1]})
    with pytest.raises(ValueError, match="1 numbers for 2 rows"):
        short(rows, [0, 0])


def test_an_exported_conciseness_reward_says_what_stands_in():
    notes = {t: plan(parse("crf()"), None, t).notes for t in ("trl", "verifiers")}
    assert all("stands in" in n[-1] for n in notes.values())
    assert not any("stands in" in n for n in plan(parse("laser()"), None, "trl").notes)


def test_schedules_follow_the_update_number():
    served = ServedReward.of("linear(0, 1, 10)*outcome()", max_completion_length=9)
    row = TextRow("p", "", {"correct": 1.0}, 5)
    assert [served([row], [0], step).values[0] for step in (0, 5, 10)] == [0.0, 0.5, 1.0]


def test_what_cannot_be_served_is_said():
    row = TextRow("p", "", {"correct": 1.0}, 50)
    with pytest.raises(ValueError, match="50 tokens, but max_completion_length=9"):
        ServedReward.of("outcome()", max_completion_length=9)([row], [0])
    with pytest.raises(KeyError, match="reads 'judge'"):
        ServedReward.of("trust()", max_completion_length=60)([row], [0])
    with pytest.raises(ValueError, match="max_completion_length=0"):
        ServedReward.of("outcome()", max_completion_length=0)
    with pytest.raises(ValueError, match="1 rows but 2 group keys"):
        ServedReward.of("outcome()", max_completion_length=60)([row], [0, 1])


def test_texts_of_chats_and_end_tokens():
    chat = [{"role": "assistant", "content": "a"}, {"role": "tool", "content": None}]
    assert text_of(chat) == "a"
    assert text_of("b") == "b"
    assert text_of(None) == ""
    assert bare_text("9<|im_end|>\n<|endoftext|>") == "9"
    assert bare_text("a < b") == "a < b"
    assert math.isnan(ServedReward.of("outcome()", max_completion_length=9).correctness(
        TextRow("p", "", {"correct": None})
    ))  # fmt: skip
