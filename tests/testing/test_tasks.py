"""Texts of tasks drawn by Hypothesis: their truth, what is refused, and the law over them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings

from toyrl.testing import TaskRewardError, assert_task_reward, task_texts
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.choice import CHOICE


def letter(completions, answer, **kwargs):
    found = [re.findall(r"<answer>(.*?)</answer>", c, re.DOTALL) for c in completions]
    return [float(len(f) == 1 and f[0].strip() == a) for f, a in zip(found, answer, strict=True)]


def inside(completions, answer, **kwargs):
    found = [re.findall(r"<answer>(.*?)</answer>", c, re.DOTALL) for c in completions]
    return [float(bool(f) and a in f[-1]) for f, a in zip(found, answer, strict=True)]


@settings(max_examples=40)
@given(task_texts("choice", layout="tag"))
def test_a_drawn_text_has_its_truth_its_row_and_its_mark(case):
    assert (case.why == "") is (case.correct or not case.mutant)
    assert case.columns["answer"] in "ABCD"
    assert case.layout == "tag"
    if case.correct:
        marked = re.search(r"<answer>(.*)</answer>", case.completion)
        assert marked is not None
        assert case.columns["answer"] in marked[1].upper()
    assert letter([case.completion], [case.columns["answer"]])[0] <= case.correct


@settings(max_examples=20)
@given(task_texts(CHOICE, truth=False, mutants=["denied", "blank"]))
def test_one_can_ask_for_a_truth_and_for_kinds_of_answers(case):
    assert not case.correct
    assert case.mutant in ("denied", "blank")


@settings(max_examples=30)
@given(task_texts("open", truth=False, warnings=False))
def test_what_usual_graders_pay_can_be_left_out(case):
    assert case.mutant not in ("denied", "either-day", "keywords-padded")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="task='arithmetic' has texts of its own"):
        task_texts("arithmetic")
    with pytest.raises(ValueError, match=r"mutants=\['denid'\] are no answers of choice; there"):
        task_texts("choice", mutants=["denid"])
    with pytest.raises(ValueError, match="leaves no text of choice"):
        task_texts("choice", mutants=[])
    with pytest.raises(TaskError, match="'sqll' is no task"):
        task_texts("sqll")


# -- the law ---------------------------------------------------------------------------------------
def test_a_sound_reward_keeps_the_law_and_its_layout_is_told():
    assert assert_task_reward(letter, "choice", max_examples=4) == "tag"


def test_a_flawed_one_breaks_it_with_a_free_text_first():
    with pytest.raises(TaskRewardError, match="all letters are listed") as caught:
        assert_task_reward(inside, "choice", max_examples=4)
    case = caught.value.case
    assert case is not None
    assert case.mutant == "all-letters"
    assert "A, B, C, D" in str(caught.value)
    assert inside([case.completion], [case.columns["answer"]]) == [1.0]
    with pytest.raises(TaskRewardError) as again:
        assert_task_reward(inside, "choice", max_examples=4)
    assert str(again.value) == str(caught.value)


def test_a_reward_that_tells_nothing_apart_breaks_it_too():
    with pytest.raises(TaskRewardError, match="in none of these layouts: tag, boxed") as caught:
        assert_task_reward(lambda completions, **_: [1.0] * len(completions), "choice")
    assert caught.value.case is None
    with pytest.raises(TaskRewardError, match="in none of these layouts: boxed;"):
        assert_task_reward(letter, "choice", layout="boxed")


def test_other_trainers_forms_are_called_as_they_are():
    def compute_score(data_source, solution_str, ground_truth, extra_info=None):
        return letter([solution_str], [ground_truth])[0]

    assert assert_task_reward(compute_score, "choice", max_examples=2) == "tag"
