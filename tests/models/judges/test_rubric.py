"""The judge of two steps: accuracy, rubrics from traces, answers, files, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.graders.judged.verdicts import judged, read_verdict
from toyrl.models.base import load, save
from toyrl.models.judges.rubric import ReasoningJudge, distilled

V = [[0.9, 0.6], [0.55, 0.85]]


def test_accuracy_of_rubrics():
    judge = ReasoningJudge.of(V, [[0.0, np.log(3)], [0.0, 0.0]], share=[1, 3])
    assert judge.rubrics == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5]]))
    assert judge.score(np.eye(2)) == pytest.approx([0.675, 0.7])
    assert judge.accuracy == pytest.approx(0.25 * 0.675 + 0.75 * 0.7)
    assert judge.reward() == pytest.approx(2 * judge.accuracy - 1)


def test_a_judge_that_looks_at_the_place_alone():
    judge = ReasoningJudge.of([[[1.0]], [[0.0]]])
    assert judge.places.tolist() == [1, 0]
    assert (judge.accuracy, judge.reward()) == (0.5, 0)
    label = np.arange(400) % 2
    texts = judge.write(np.zeros(400), label, np.random.default_rng(0))
    assert {read_verdict(t) for t in texts} == {"A"}
    assert judged(texts, list(np.array(["A", "B"])[label])).finding == "useless"


def test_traces_teach_rubrics_and_leave_unseen_types():
    start = ReasoningJudge.of(V, [[-5.0, 0], [1, -5.0]])
    judge = distilled(start, [0, 0, 0], [0, 0, 1])
    assert judge.rubrics[0] == pytest.approx([3 / 5, 2 / 5])
    assert judge.logits[1].tolist() == [1, -5]
    never = distilled(start, [0], [1], smoothing=0.0)
    assert never.rubrics[0].tolist() == [0, 1]
    assert start.logits[0].tolist() == [-5, 0]


def test_a_judge_is_saved_and_read_again(tmp_path):
    judge = ReasoningJudge.of(V)
    save(judge, tmp_path / "judge.json")
    again = load(tmp_path / "judge.json")
    assert again.accuracy == judge.accuracy
    assert again.right.shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ReasoningJudge.of(V, np.zeros((3, 2))), "have the shapes"),
        (lambda: ReasoningJudge.of([[1.2, 0.3]]), "right must lie in"),
        (lambda: ReasoningJudge.of(V, share=[0, 0]), "not all 0"),
        (lambda: ReasoningJudge.of(V, np.full((2, 2), -np.inf)), "a rubric of finite logit"),
        (lambda: ReasoningJudge.of(V).score(np.eye(3)), "a type a column"),
        (lambda: distilled(ReasoningJudge.of(V), [2], [0]), "whole numbers, below 2 and 2"),
        (lambda: distilled(ReasoningJudge.of(V), [0.5], [0]), "whole numbers"),
        (lambda: distilled(ReasoningJudge.of(V), [0], [0], smoothing=-1), "smoothing=-1"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
