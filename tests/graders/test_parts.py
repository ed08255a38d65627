"""Rewards of tasks: parts add up, missing columns are named, a trainer gets what was graded."""

from __future__ import annotations

import math

import pytest

from tests.graders.word_match import WordMatch
from toyrl.estimators.parts import Averaged
from toyrl.graders.base import TextRow
from toyrl.graders.parts import TaskReward
from toyrl.serving import ServedTask, task_parts


class Step:
    global_step = 5


REWARD = WordMatch()
TEXTS, GOLD = ["yes.", "no.", "yes", "?"], ["yes"] * 4


def test_a_trainer_calls_the_whole_and_the_parts():
    assert REWARD.__name__ == "word_match"
    assert REWARD(["p"] * 4, TEXTS, ground_truth=GOLD) == [1.0, 0.0, 1.0, None]
    assert REWARD(["p"] * 4, TEXTS, Step(), ground_truth=GOLD) == [1.5, 0.5, 1.0, None]
    match, stop = REWARD.functions()
    assert (match.__name__, stop.__name__) == ("match", "stop")
    assert stop(["p"] * 4, TEXTS, Step(), ground_truth=GOLD) == [0.5, 0.5, 0.0, 0.0]
    chat = [[{"role": "assistant", "content": "yes."}]]
    assert match([[{"role": "user", "content": "p"}]], chat, ground_truth=["yes"]) == [1.0]


def test_rows_are_graded_in_order_and_nan_where_a_part_is():
    rows = [TextRow("p", t, {"ground_truth": "yes"}) for t in TEXTS]
    assert REWARD.grade(rows)[:3] == [1.0, 0.0, 1.0]
    assert math.isnan(REWARD.grade(rows)[3])
    assert REWARD.grade_parts(rows)[3].problem == "no word"


def test_a_missing_column_is_named():
    with pytest.raises(KeyError, match="word_match reads the column 'ground_truth', which a row"):
        REWARD.grade([TextRow("p", "yes", {"said": "yes"})])
    with pytest.raises(ValueError, match="weight=-1"):
        WordMatch(weight=-1.0)
    with pytest.raises(TypeError, match="TaskReward defines no graded"):
        TaskReward().grade([TextRow("p", "x")])


def served(**options) -> ServedTask:
    return ServedTask(task_parts(REWARD), 16, task=REWARD, **options)


def test_it_is_served_with_its_parts_and_without_correctness():
    rows = [TextRow("p", t, {"ground_truth": "yes"}, 3) for t in TEXTS]
    found = served()(rows, [0, 0, 1, 1], 5)
    assert found.values == found.rewards == [1.5, 0.5, 1.0, None]
    assert found.parts == {"match": [1.0, 0.0, 1.0, None], "stop": [0.5, 0.5, 0.0, None]}
    assert found.correct == [None] * 4
    said = [TextRow("p", "yes.", {"ground_truth": "yes", "correct": 1.0}, 3)]
    assert served()(said, [0]).correct == [1.0]


def test_the_one_gold_column_may_have_a_trainers_own_name():
    rows = [TextRow("p", "yes", {"label": "yes"}, 3), TextRow("p", "no", {"answer": "yes"}, 3)]
    assert served()(rows, [0, 0]).values == [1.0, 0.0]
    with pytest.raises(KeyError, match="there are other"):
        served()([TextRow("p", "yes", {"other": "yes"}, 3)], [0])


def test_an_estimator_sees_the_parts_apart():
    rows = [TextRow("p", t, {"ground_truth": "yes"}, 3) for t in ("yes.", "no", "yes", "no.")]
    apart = served(estimator=Averaged())(rows, [0] * 4, 5).values
    # both parts vary alike, so that a part of half the size weighs as much
    assert apart[2] == pytest.approx(apart[3], abs=1e-6)
    assert apart[0] == pytest.approx(-apart[1])
