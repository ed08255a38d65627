"""The verifier of traces on texts: where the program comes from, and what is paid."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from toyrl.graders import traces as T
from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import by_row
from toyrl.serving import ServedReward
from toyrl.worlds.text.render import base_rows
from toyrl.worlds.traces.tasks import TASKS

TASK = TASKS["addition"]
GIVEN = {"a": [7, 4], "b": [5, 8]}
WHOLE = TASK.trace(GIVEN).text
SHORT = "750>21\n481>31\n#### 132"


PROMPT = TASK.prompt(GIVEN)


def graded(text, prompt=PROMPT, **columns):
    return T.TraceVerifier().grade([TextRow(prompt, text, columns)])[0]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (WHOLE, 1.0),
        (f"First words.\n\n  {WHOLE}", 1.0),
        (WHOLE.replace("-> 2 1", "-> 3 1"), 0.0),
        (WHOLE.replace("-> 3 1", "-> 3 0"), 1 / 3),
        (WHOLE.replace("halt", "goto #3"), 2 / 3),
        (WHOLE + "\n#3 | fetch 1 | carry -> 1 | halt", 3 / 4),
        ("#### 132", 0.0),
        ("", 0.0),
    ],
)
def test_prefix_of_a_text(text, want):
    assert graded(text) == want
    assert graded(text, "", trace_task="addition", trace_input=json.dumps(GIVEN)) == want
    assert graded(text, "", trace_task="addition", trace_input=GIVEN) == want


def test_right_answer_and_wrong_trace_is_rejected():
    wrong = WHOLE.replace("fetch 7 5 0", "fetch 5 7 0")
    assert graded(wrong) == 0.0
    assert T.bag_score(T.states(wrong), T.states(WHOLE)) == 2 / 3
    paid = T.trace_reward([TASK.prompt(GIVEN)] * 3, [WHOLE, wrong, "#### 132"], answer=["132"] * 3)
    assert paid == [2.0, 1.0, 1.0]


def test_short_form_and_own_texts():
    assert graded(SHORT, "75 48:\n") == 1.0
    assert graded(SHORT.replace("31", "21"), "75 48:\n") == 0.5
    for x in base_rows("{trace}\n#### {}", 24, 1):
        (share,) = T.TraceVerifier().grade([x.row])
        assert (share == 1.0) == x.correct


def test_rows_without_a_task_and_wrong_columns():
    assert math.isnan(graded(WHOLE, "What is 47 + 85?"))
    assert T.trace_reward(["What?"], ["#### 5"]) == [0.0]
    with pytest.raises(ValueError, match="trace_task='x' is not one of addition"):
        graded(WHOLE, "", trace_task="x")
    with pytest.raises(ValueError, match="no JSON object"):
        graded(WHOLE, "", trace_task="gcd", trace_input="[")


def test_empty_program():
    assert T.prefix_score([], []) == 1.0
    assert T.prefix_score(["#0 | x"], []) == 0.0
    assert (T.bag_score([], []), T.bag_score(["#0"], [])) == (1.0, 0.0)


def test_steps_are_scored_until_the_first_wrong_one():
    score = by_row(T.step_scores)
    row = TextRow(TASK.prompt(GIVEN), "")
    lines = WHOLE.replace("-> 3 1", "-> 3 0").splitlines()
    assert list(score(["Let us.", *lines], row)) == [0.5, 1.0, 0.0, 0.0, 0.5]
    assert all(math.isnan(s) for s in score(lines, TextRow("What?", "")))


def test_a_served_reward_reads_the_verifier():
    served = ServedReward.of("trace_prefix(alpha=0.5)", max_completion_length=64)
    rows = [TextRow(TASK.prompt(GIVEN), t, {"answer": "132"}, 40) for t in (WHOLE, "#### 132")]
    assert served(rows, [0, 0]).values == [1.5, 1.0]
    assert served([replace(rows[0], prompt="What?")], [0]).values == [None]
    assert (T.trace_states(rows[0]), math.isnan(T.trace_states(TextRow("", "")))) == (3.0, True)


def test_the_exported_reward_is_the_verifiers():
    from toyrl.bridge.export.carry import CannotCarry
    from toyrl.bridge.export.write import export

    scope: dict = {}
    exec(export("trace_prefix()", "trl", max_completion_length=64).text, scope)
    given = ([PROMPT] * 2, [WHOLE, "#### 132"], [[5] * 9] * 2)
    assert scope["toyrl_reward"](*given, answer=["132"] * 2) == [2.0, 1.0]
    (note,) = export("trace_prefix()", "verl").plan.notes
    assert note == "extra_info must hold trace_task, trace_input"
    with pytest.raises(CannotCarry, match="credit per token"):
        export("prefix_steps()", "trl")
