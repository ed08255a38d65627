"""The task code: right and wrong by a second route, rows of public data sets, bad rows."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from toyrl.rewards.sandbox.programs import Outcome
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import TaskError, check
from toyrl.worlds.text.tasks.code import CODE, check_row, check_rows
from toyrl.worlds.text.tasks.code.answers import EACH
from toyrl.worlds.text.tasks.code.data import gold_of
from toyrl.worlds.text.tasks.code.functions import BY_NAME, FUNCTIONS, ROW
from toyrl.worlds.text.tasks.code.problems import known
from toyrl.worlds.text.tasks.find import of_rows

MBPP = {
    "text": "Write a function to add one.",
    "code": "def more(n):\n    return n + 1",
    "test_list": ["assert more(1) == 2", "assert more(5) == 6"],
    "test_setup_code": "",
}
HUMANEVAL = {
    "prompt": "def more(n):\n    '''One more than n.'''\n",
    "canonical_solution": "    return n + 1\n",
    "entry_point": "more",
    "test": "def check(candidate):\n    assert candidate(1) == 2\n    assert candidate(5) == 6\n",
}
APPS = {
    "question": "Print one more than the number that is read.",
    "solutions": json.dumps(["n = int(input())\nprint(n + 1)"]),
    "input_output": json.dumps({"inputs": ["1\n", "5\n"], "outputs": ["2\n", "6\n"]}),
}
CALLS = {
    "question": "One more.",
    "solutions": ["class Solution:\n    def more(self, n):\n        return n + 1"],
    "input_output": {"inputs": [[1], [5]], "outputs": [2, 6], "fn_name": "more"},
}
OPEN_R1 = {
    "problem": "Print one more than the number that is read.",
    "gold_standard_solution": "```python\nprint(int(input()) + 1)\n```",
    "verification_info": {
        "language": "python",
        "test_cases": [{"input": "1", "output": "2", "type": "stdin_stdout"}],
    },
}
SHAPES = {"MBPP": MBPP, "HumanEval": HUMANEVAL, "APPS": APPS, "calls": CALLS, "Open-R1": OPEN_R1}


def in_here(code: str, name: str) -> list[bool]:
    """Which tests hold, run in this process: of texts of toyrl's own that can do no harm."""
    space: dict = {"__name__": "solution"}
    exec(code, space)
    held = []
    for test in BY_NAME[name].tests:
        try:
            exec(test, space)
        except Exception:
            held.append(False)
        else:
            held.append(True)
    return held


def test_functions_are_what_their_expressions_say_and_mistakes_are_not():
    assert len(FUNCTIONS) == 24
    for f in FUNCTIONS:
        assert all(in_here(f.defined(f.loop), f.name)), f.name
        for slip in (f.slip, f.other):
            held = in_here(f.defined(f"return {slip}"), f.name)
            assert not all(held[:ROW]), (f.name, slip)
        assert len(f.tests) >= ROW + 3


def test_every_notation_is_right_when_run_in_here_too(capsys):
    for asked, right, _ in rows.answers(check(CODE)):
        for said in right:
            if not said.bare:
                assert all(in_here(said.text, known(asked).entry)), said.name
    assert "an example" in capsys.readouterr().out


def test_tables_hold_of_the_rows_tests_and_of_no_others():
    for asked, _, wrong in rows.answers(CODE):
        name = known(asked).entry
        by_name = {x.name: x for x in wrong}
        for mutant in ("table-of-tests", "special-cased"):
            held = in_here(by_name[mutant].text, name)
            assert all(held[:ROW]), (mutant, name)
            assert not all(held), (mutant, name)
            assert by_name[mutant].status == "warn"
        shown = in_here(by_name["table-of-examples"].text, name)
        assert shown[0]
        assert not all(shown[:ROW]) or len(set(BY_NAME[name].values[:ROW])) == 1, name


def test_columns_say_the_same_tests_in_every_form():
    for asked in CODE.problems():
        row, name = asked.columns, asked.facts["entry"]
        assert row["tests"] == row["test_list"] == row["test_code"].splitlines()
        both = json.loads(row["input_output"])
        assert both["outputs"] == json.loads(json.dumps(row["outputs"]))
        for test, given, want in zip(row["tests"], row["inputs"], row["outputs"], strict=True):
            compared = ast.parse(test).body[0].test
            assert [ast.literal_eval(a) for a in compared.left.args] == given
            assert ast.literal_eval(compared.comparators[0]) == want
        assert f"assert {name}(" not in row["test"]
        assert row["tests"][0] in asked.prompt
        assert row["tests"][1] not in asked.prompt


def test_a_mutant_is_written_for_few_problems_and_a_risky_one_for_one():
    made = rows.mutants(CODE, CODE.layouts[0], truth=False, tokens=30, limit=0)
    risky = {"exits", "exits-hard", "hangs", "exit-code-0", "patches-asserts"}
    assert {n: len(t) for n, t in made.items()} == {
        n: 1 if n in risky else EACH for n in rows.names(CODE)
    }
    assert not risky & set(
        rows.mutants(CODE, CODE.layouts[0], truth=False, risky=False, tokens=30, limit=0)
    )


# -- data rows -------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_public_data_sets_become_problems(shape):
    row = SHAPES[shape]
    task = of_rows("code", [row, row])
    asked = task.problems()[0]
    assert asked.columns == row
    right, wrong = task.right(asked), task.wrong(asked)
    assert all(task.holds(asked, x.text) for x in right)
    assert sum(bool(x.name) for x in right) >= 5
    plain = [x for x in wrong if not x.name]
    assert plain
    skipped = ("table-of-tests", "special-cased")  # a row has no tests but its own
    told = [x for x in wrong if x.work is None and not x.risky and x.name not in skipped]
    assert not [x.name for x in told if task.holds(asked, x.text)]
    assert len({x.name for x in wrong if x.name}) >= 10


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**MBPP, "code": "def more(n):\n    return n"}, "the right program fails its own tests"),
        ({**MBPP, "code": "def other(n):\n    return n + 1"}, "fails its own tests .0 of 2 hold"),
        ({**MBPP, "test_list": ["assert more(1 == 2"]}, "does not parse"),
        ({**MBPP, "test_list": ["open('written', 'w')"]}, "can't be run: .*may not write files"),
        ({**MBPP, "test_list": ["while True: pass"]}, "can't be run: a test took more than 2 s"),
        ({**APPS, "input_output": "{"}, "is no JSON"),
        ({**OPEN_R1, "verification_info": {"language": "c", "test_cases": []}}, "only Python"),
    ],
)
def test_rows_that_no_reward_could_be_graded_on_are_named(row, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match=said):
        check_row(row)
    if "took more" not in said:  # nor wait for it three times
        with pytest.raises(TaskError, match=f"data row 1: .*{said}"):
            check_rows([MBPP, row])
        with pytest.raises(TaskError, match=f"data row 1: .*{said}"):
            of_rows("code", [MBPP, row])
    assert not [*tmp_path.iterdir()]


def test_rows_without_tests_or_a_right_program_are_told_so():
    check_row({"prompt": "p", "answer": "4"})
    with pytest.raises(TaskError, match="no column holds tests"):
        of_rows("code", [{"prompt": "p", "answer": "4"}])
    bare = {k: v for k, v in MBPP.items() if k != "code"}
    check_row(bare)
    with pytest.raises(TaskError, match="data row 0: no column holds a right program"):
        of_rows("code", [bare, MBPP])


def test_a_right_program_that_a_busy_machine_delayed_is_tried_again(monkeypatch):
    code, given = "def slow(n):\n    return n + 2", []

    def held(_, code, suite, limits):
        given.append(limits.seconds)
        late = len(given) == 1
        passed = (not late,) * suite.count
        return Outcome(passed, "the program took more than 2 s" * late, loaded=not late, late=late)

    monkeypatch.setattr(sys.modules[known.__module__], "held", held)
    check_row({"code": code, "test_list": ["assert slow(1) == 3"]})
    assert given == [2.0, 8.0]
    check_row({"code": code, "test_list": ["assert slow(2) == 4"]})  # nothing was kept of it
    assert given == [2.0, 8.0, 2.0]


def test_no_ordinary_mistake_runs_for_ever():
    """Of `n > 0` comes `n >= 0`, which never ends here; a reward may hang on it."""
    code = (
        "def digits(n):\n    s = 0\n    while n > 0:\n        s, n = s + 1, n // 10\n    return s"
    )
    row = {"text": "Count digits.", "code": code, "test_list": ["assert digits(12) == 2"]}
    (asked, other) = of_rows("code", [row, MBPP]).problems()
    assert len(known(asked).mistakes) == 2
    assert not any("n >= 0" in x for x in known(asked).mistakes)
    assert known(other).mistakes


def test_a_right_program_is_read_wherever_it_stands():
    assert gold_of(HUMANEVAL) == HUMANEVAL["prompt"] + HUMANEVAL["canonical_solution"]
    whole = gold_of(HUMANEVAL)
    said = f"Complete it.\n```python\n{HUMANEVAL['prompt']}```\nAnswer with the code."
    for prompt in (said, [{"role": "system", "content": "Be brief."}, {"content": said}]):
        row = {**HUMANEVAL, "prompt": prompt}
        assert gold_of(row) == whole
        check_row(row)
    assert gold_of(APPS).startswith("n = int")
    assert gold_of(OPEN_R1) == "print(int(input()) + 1)"
    assert gold_of({"answer": "42", "solution": "def f(): pass"}) == "def f(): pass"
    assert gold_of({"answer": "B"}) == ""
