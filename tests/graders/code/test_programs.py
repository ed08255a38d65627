"""Pay for unit tests: rows of every public shape, shares, and what a text can't get at."""

from __future__ import annotations

import json
import math

import pytest

from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.code.programs import CodeTests, code_of
from toyrl.graders.code.unit_tests import TestsUnread, same_text, suite_of

RIGHT = "```python\ndef double(x):\n    return 2 * x\n```"
HALF = "```python\ndef double(x):\n    return 4\n```"
ECHO = "```python\nprint(2 * int(input()))\n```"
ASSERTS = ["assert double(2) == 4", "assert double(3) == 6"]
CASES = [{"input": "[2]", "output": "4", "type": "function_call", "fn_name": "double"},
         {"input": "[3]", "output": "6", "type": "function_call", "fn_name": "double"}]  # fmt: skip
PAIRS = {"inputs": ["2\n", "3\n"], "outputs": ["4\n", "6"]}
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 6\n"
HUMANEVAL = {"test": CHECK, "entry_point": "double",
             "prompt": "import math\n\ndef double(x):\n    '''Twice x.'''\n"}  # fmt: skip
ROWS = {
    "MBPP": {"test_list": ASSERTS, "test_setup_code": "import math"},
    "one text": {"tests": "import math\n" + "\n".join(ASSERTS)},
    "JSON": {"tests": json.dumps(ASSERTS)},
    "APPS": {"input_output": json.dumps({"inputs": [[2], [3]], "outputs": [[4], 6],
                                         "fn_name": "double"})},
    "LiveCodeBench": {"inputs": ["2", "3"], "outputs": ["4", "6"], "fn_name": "double"},
    "Open-R1": {"verification_info": {"language": "python", "test_cases": CASES}},
    "KodCode": {"test": "from solution import double\n\ndef test_two():\n    assert double(2) == 4"
                        "\n\ndef test_three():\n    assert double(3) == 6\n"},
    "verl": {"reward_model": {"ground_truth": json.dumps(
        {"inputs": [[2], [3]], "outputs": [4, 6], "fn_name": "double"})}},
}  # fmt: skip
READS = {
    "APPS": {"input_output": json.dumps(PAIRS)},
    "columns": dict(PAIRS),
    "Open-R1": {"verification_info": json.dumps({"language": "python", "test_cases": [
        {"input": a, "output": b, "type": "stdin_stdout"}
        for a, b in zip(PAIRS["inputs"], PAIRS["outputs"], strict=True)]})},
}  # fmt: skip


def graded(text: str, row: dict, **fields) -> tuple[float, str]:
    found = CodeTests(seconds=60.0, **fields).grade_parts([TextRow("", text, row)])[0]
    return found.parts["tests"], found.problem


@pytest.mark.parametrize("shape", ROWS)
def test_functions_are_held_to_tests_of_every_shape(shape):
    assert graded(RIGHT, ROWS[shape]) == (1.0, "")
    assert graded(HALF, ROWS[shape])[0] == 0.5
    assert graded(HALF, ROWS[shape], paid="all")[0] == 0.0
    assert graded("It doubles.", ROWS[shape])[0] == 0.0


@pytest.mark.parametrize("shape", READS)
def test_programs_are_held_to_what_they_print(shape):
    assert graded(ECHO, READS[shape]) == (1.0, "")
    half, why = graded("```python\ninput()\nprint(4)\n```", READS[shape])
    assert half == 0.5
    assert why == "test 1: it prints something else"


def test_a_check_is_one_test_and_may_use_what_the_prompt_has():
    assert graded(RIGHT, HUMANEVAL) == (1.0, "")
    assert graded(HALF, HUMANEVAL)[0] == 0.0
    uses = "```python\ndef double(x):\n    return math.floor(2 * x)\n```"
    assert graded(uses, HUMANEVAL)[0] == 1.0
    assert graded("", HUMANEVAL)[0] == 0.0


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answer": "def f(): pass"}, "no column holds tests"),
        ({"tests": ["assert f("]}, "does not parse"),
        ({"tests": "x = 1"}, "neither an assert nor a function"),
        ({"tests": 3}, "is no list of assert lines"),
        ({"test": CHECK}, "no entry_point says"),
        ({"input_output": "{"}, "is no JSON"),
        ({"input_output": "[1]"}, "no object with named entries"),
        ({"inputs": ["1"], "outputs": []}, "two lists of one length, not 1 and 0"),
        ({"verification_info": {"language": "cpp", "test_cases": CASES}}, "only Python is run"),
        ({"verification_info": {"test_cases": [{"input": 1}]}}, "no list of objects"),
        ({"verification_info": {"test_cases": [{**CASES[0], "fn_name": ""}]}}, "no fn_name says"),
    ],
)
def test_tests_that_cannot_be_read_are_named_and_nothing_is_paid(row, said):
    with pytest.raises(TestsUnread, match=said):
        suite_of(row)
    value, problem = graded(RIGHT, row)
    assert math.isnan(value)
    assert said in problem


def test_tests_that_cannot_be_run_pay_nothing_either():
    value, problem = graded(RIGHT, {"tests": ["assert double(lambda: 1)"]})
    assert math.isnan(value)
    assert "no plain data" in problem


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\n```python\nx\n```\nb\n```py\ny\n```", "y"),
        ("```\nz\n```", "z"),
        ("<answer>w</answer>", "w"),
        ("<answer>\n```Python3\nv\n```\n</answer>", "v"),
        ("bare", "bare"),
        ("```python\n```", ""),
    ],
)
def test_the_last_block_is_the_program(text, code):
    assert code_of(text) == code


def test_lines_are_compared_without_white_space_at_their_ends():
    assert same_text("1 \n2\n\n", "1\n2")
    assert not same_text("1 2", "1\n2")


def test_calls_as_trainers_do_in_any_number_of_workers():
    texts, tests = [RIGHT, HALF, "", RIGHT], [ASSERTS] * 4
    for workers in (1, 3):
        reward = parse_grader(f"code_tests(workers={workers}, seconds=60)")
        assert reward(["p"] * 4, texts, tests=tests) == [1.0, 0.5, 0.0, 1.0]
    assert reward(["p"], [RIGHT], tests=[["assert double("]]) == [None]


def test_a_program_out_of_time_is_paid_nothing_and_asked_anew():
    hangs = "```python\nwhile True:\n    pass\n```"
    reward = CodeTests(seconds=0.3)
    for _ in range(2):
        found = reward.grade_parts([TextRow("", hangs, {"tests": ASSERTS})])[0]
        assert found.parts == {"tests": 0.0}
        assert found.problem == "the program took more than 0.3 s"


@pytest.mark.parametrize("bad", [{"paid": "some"}, {"seconds": 0}, {"workers": 0},
                                 {"isolate": "yes"}])  # fmt: skip
def test_fields_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        CodeTests(**bad)
