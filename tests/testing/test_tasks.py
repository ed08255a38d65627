"""Texts of tasks drawn by Hypothesis: their truth, what is refused, and the law over them."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
from hypothesis import given, settings

from tests.places import ROOT
from toyrl.rewards.errors import RewardError
from toyrl.testing import TaskRewardError, assert_task_reward, task_texts
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.choice import CHOICE
from toyrl.worlds.text.tasks.find import KNOWN, located, of_rows


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


DATA = ROOT / "examples" / "data"


def example(task):
    """The rewards of a task's example, as functions of this process."""
    spec = importlib.util.spec_from_file_location(f"example_{task}", DATA / task / "reward.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # of JAX, whom the flawed one forks
@pytest.mark.parametrize("name", KNOWN)
def test_sound_examples_keep_it_and_flawed_ones_break_it_on_rows_of_every_task(name):
    """Nothing that is tried ends or hangs the process of the tests, which runs the code."""
    lines = (DATA / name / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    given = [located(json.loads(x), DATA / name / "rows.jsonl") for x in lines]
    rewards, task = example(name), of_rows(name, given)
    layout = assert_task_reward(rewards.sound, task, max_examples=1)
    with pytest.raises(TaskRewardError) as caught:
        assert_task_reward(rewards.flawed, task, layout=layout, max_examples=1)
    assert caught.value.case is not None
    assert not caught.value.case.correct


@pytest.mark.slow
def test_gold_answers_may_have_another_form():
    """Without rows, `solution` of boxes is a list of objects first, and four numbers after that."""
    rewards = example("boxes")
    assert assert_task_reward(rewards.sound, "boxes", max_examples=1) == "tag"
    with pytest.raises(TaskRewardError, match="boxes") as caught:
        assert_task_reward(rewards.flawed, "boxes", max_examples=1)
    assert caught.value.case is not None


def test_calls_in_messages_are_a_form_too():
    def called(completions, expected, **kwargs):
        said = [m.get("tool_calls") or [] for c in completions for m in c[:1]]
        names = [[c["function"]["name"] for c in calls] for calls in said]
        return [float(n == [e["name"]]) for n, e in zip(names, expected, strict=True)]

    with pytest.raises(TaskRewardError) as caught:
        assert_task_reward(called, "tools", max_examples=1)
    assert caught.value.case is not None


def test_what_ends_or_hangs_a_reward_is_drawn_where_it_is_named():
    with pytest.raises(ValueError, match=r"mutants=\['hang'\] are no answers of code"):
        task_texts("code", mutants=["hang"])

    @settings(max_examples=2)
    @given(task_texts("code", mutants=["hangs"]))
    def named(case):
        assert "while True" in case.completion

    @settings(max_examples=30)
    @given(task_texts("code", truth=False))
    def others(case):
        assert case.mutant not in ("hangs", "exits", "exits-hard", "exit-code-0")

    named()
    others()


def test_a_reward_that_raises_on_what_it_cannot_read_is_judged_where_it_can():
    def strict(completions, answer, **kwargs):
        found = [re.search(r"<answer>(.*)</answer>", c)[1] for c in completions]
        return [float(f.strip() == a) for f, a in zip(found, answer, strict=True)]

    assert assert_task_reward(strict, "choice", max_examples=2) == "tag"

    def broken(completions, nowhere, **kwargs):
        return [1.0 for _ in nowhere]

    with pytest.raises(RewardError, match="nowhere"):
        assert_task_reward(broken, "choice")
