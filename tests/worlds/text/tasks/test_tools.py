"""Tool calls: what is right by two routes, rows of each public shape, and what is refused."""

from __future__ import annotations

import itertools
import json

import pytest

from toyrl.rewards.chats import messages_of
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Made, TaskError, check
from toyrl.worlds.text.tasks.find import of_rows
from toyrl.worlds.text.tasks.tools import TOOL_CALLS
from toyrl.worlds.text.tasks.tools.data import question_of
from toyrl.worlds.text.tasks.tools.schemas import Tool, equal, kinds_of, tool_of, tools_of

SCHEMA = {
    "name": "trains",
    "description": "Trains of a day.",
    "parameters": {
        "type": "object",
        "properties": {
            "start": {"type": "string"},
            "seats": {"type": "integer"},
            "class": {"type": "string", "enum": ["first", "second"]},
            "direct": {"type": "boolean", "default": False},
        },
        "required": ["start", "seats"],
    },
}
OTHER = {"name": "clock", "description": "The time.", "parameters": {"type": "dict"}}
CALL = {"name": "trains", "arguments": {"start": "Graz", "seats": 2}}
XLAM = {
    "query": "Two seats from Graz.",
    "tools": json.dumps([
        {"name": "trains", "parameters": {"start": {"type": "str"}, "seats": {"type": "int"},
                                          "direct": {"type": "bool, optional"}}},
        {"name": "clock", "parameters": {}},
    ]),
    "answers": json.dumps([CALL, {"name": "clock", "arguments": {}}]),
}  # fmt: skip
BFCL = {
    "id": "parallel_0",
    "question": [[{"role": "user", "content": "Seats from Graz, and the time."}]],
    "function": [SCHEMA, OTHER],
    "ground_truth": [
        {"trains": {"start": ["Graz", "Graz Hbf"], "seats": [2], "class": ["second", ""]}},
        {"clock": {}},
    ],
}
OPENAI = {
    "messages": [
        {"role": "user", "content": "Two seats from Graz."},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c0", "type": "function",
             "function": {"name": "trains", "arguments": json.dumps(CALL["arguments"])}}]},
    ],
    "tools": [{"type": "function", "function": SCHEMA}, {"type": "function", "function": OTHER}],
}  # fmt: skip
TOOLRL = {
    "prompt": [{"role": "system", "content": "..."}, {"role": "user", "content": "Two seats."}],
    "reward_model": {
        "style": "rule",
        "ground_truth": '<think>Trains.</think>\n<tool_call>\n{"name": "trains", "parameters": '
        '{"start": "Graz", "seats": 2}}\n{"name": "clock", "parameters": {}}\n</tool_call>',
    },
}
OURS = {"prompt": "Two seats.", "tools": [SCHEMA, OTHER], "expected": CALL, "answer": "?"}
SHAPES = {"xlam": XLAM, "bfcl": BFCL, "openai": OPENAI, "toolrl": TOOLRL, "ours": OURS}


def task_of_shape(row: dict) -> Made:
    return of_rows("tools", [row, row])


def told(task: Made, said: str) -> bool:
    return task.holds(task.problems()[0], said)


# -- what is right ---------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [None, *SHAPES])
def test_every_form_holds_what_it_calls_right_and_nothing_that_it_calls_wrong(shape):
    task = TOOL_CALLS if shape is None else task_of_shape(SHAPES[shape])
    for form in (task, *task.forms):
        check(form)
        for asked, right, wrong in rows.answers(form)[:2]:
            assert len({x.name for x in wrong if x.name}) >= 10
            for said, good in [(x, True) for x in right] + [(x, False) for x in wrong]:
                for layout in form.layouts:
                    text = rows.written(layout, asked, said, correct=good, tokens=20, seed=0)
                    found = rows.correct(form, asked, text.row.completion)
                    assert found == good, (form.form, said.name, text.row.completion)


def test_one_call_is_right_where_it_is_the_same_json():
    """Second route: canonical JSON of the whole answer against the gold call's."""
    for asked, right, wrong in rows.answers(TOOL_CALLS):
        gold = json.dumps(asked.columns["expected"], sort_keys=True)
        for said in (*right, *wrong):
            try:
                same = json.dumps(json.loads(said.text), sort_keys=True) == gold
            except ValueError:
                same = False
            assert TOOL_CALLS.holds(asked, said.text) == same, said


def test_possible_answers_are_right_in_all_their_combinations_and_orders():
    """Second route: every value that BFCL's row lists written out, in both orders."""
    task = task_of_shape(BFCL)
    values = BFCL["ground_truth"][0]["trains"]
    for start, seats, kind in itertools.product(*values.values()):
        given = {"start": start, "seats": seats, **({"class": kind} if kind else {})}
        calls = [{"name": "trains", "arguments": given}, {"name": "clock", "arguments": {}}]
        assert told(task, json.dumps(calls))
        assert told(task, json.dumps(calls[::-1]))
        assert not told(task, json.dumps(calls[:1]))
        assert not told(task, json.dumps([*calls, calls[1]]))
        for off in ({**given, "seats": 3}, {**given, "class": "first"}, {"start": start}):
            assert not told(task, json.dumps([{**calls[0], "arguments": off}, calls[1]]))
    names = [x.name for x in task.right(task.problems()[0])]
    assert {"another-right-value", "optional-left-out", "calls-turned"} <= set(names)


def test_values_inside_of_objects_are_listed_as_in_bfcl():
    gold = {"find": {"by": [{"kind": ["a", "b"], "most": [3, ""]}], "ids": [[1, 2]]}}
    task = task_of_shape({"question": "?", "function": [OTHER], "ground_truth": [gold]})

    def right(by: dict, ids: list) -> bool:
        return told(task, json.dumps({"name": "find", "arguments": {"by": by, "ids": ids}}))

    assert right({"kind": "b"}, [1, 2])
    assert right({"kind": "a", "most": 3}, [1, 2])
    assert not right({"kind": "c"}, [1, 2])
    assert not right({"most": 3}, [1, 2])
    assert not right({"kind": "a", "other": 1}, [1, 2])
    assert not right({"kind": "a"}, [2, 1])
    assert task.problems()[0].facts["tools"].calls[0][1]["by"] == {"kind": "a", "most": 3}


def test_values_are_json_and_a_default_counts_as_left_out():
    task = task_of_shape(OURS)

    def right(**more: object) -> bool:
        return told(
            task, json.dumps({"name": "trains", "arguments": {**CALL["arguments"], **more}})
        )

    assert right()
    assert right(seats=2.0)
    assert right(direct=False)
    assert not right(direct=True)
    assert not right(direct=0)
    assert not right(seats="2")
    assert not right(seats=True)
    assert equal([1, {"a": None}], [1.0, {"a": None}])
    assert not equal(True, 1)
    for odd in ("", "{", "null", "3", '{"name": "trains"}', "[]", "[" * 4000, '{"name": []}'):
        assert not told(task, odd)


def test_what_a_schema_does_not_allow_is_named():
    tool = tool_of(SCHEMA)
    said = {
        "": {"start": "Graz", "seats": 2, "class": "first"},
        "it lacks the argument 'seats'": {"start": "Graz"},
        "it has no argument 'day'": {"start": "Graz", "seats": 2, "day": 1},
        "seats='2' is no integer": {"start": "Graz", "seats": "2"},
        "class='third' is not one of": {"start": "Graz", "seats": 2, "class": "third"},
        "its arguments are no object": ["Graz", 2],
    }
    for fault, arguments in said.items():
        assert tool.fault(arguments).startswith(fault)
        assert bool(tool.fault(arguments)) == bool(fault)


def test_types_of_all_data_sets_are_those_of_json():
    named = {"str, optional": "string", "List[int]": "array", "dict": "object", "float": "number",
             "Optional[bool]": "boolean", "tuple": "array", "long": "integer"}  # fmt: skip
    assert {k: kinds_of({"type": k}) for k in named} == {k: (v,) for k, v in named.items()}
    assert kinds_of({"type": "any"}) == kinds_of({}) == ()
    assert kinds_of({"type": ["string", "null"]}) == ("string", "null")
    assert Tool("f", {"x": {"type": ["string", "null"]}}).fault({"x": None}) == ""
    assert [t.required for t in tools_of(XLAM)] == [("start", "seats"), ()]


def test_our_own_requests_differ():
    assert len({p.prompt for p in TOOL_CALLS.problems()}) == 24


# -- rows ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_public_data_sets_are_problems(shape):
    task = task_of_shape(SHAPES[shape])
    asked = task.problems()[0]
    assert asked.columns == SHAPES[shape]
    facts = asked.facts["tools"]
    assert facts.calls[0] in (
        ("trains", CALL["arguments"]),
        ("trains", {**CALL["arguments"], "class": "second"}),
    )
    assert {t.name for t in facts.tools} == {"trains", "clock"}
    assert "eats" in asked.prompt
    names = [x.name for x in task.wrong(asked)]
    several = len(facts.calls) > 1
    assert ("call-left-out" in names) == several
    offered = next(x.text for x in task.wrong(asked) if x.name == "every-tool-empty")
    assert '"trains"' in offered
    assert '"clock"' in offered


def test_answers_are_written_as_the_gold_calls_are():
    usual = {n: task_of_shape(r).right(task_of_shape(r).problems()[0]) for n, r in SHAPES.items()}
    assert json.loads(usual["ours"][0].text) == CALL
    assert json.loads(usual["xlam"][0].text) == json.loads(XLAM["answers"])
    lines = usual["toolrl"][0].text.splitlines()
    assert [set(json.loads(x)) for x in lines] == [{"name", "parameters"}] * 2
    one = {**XLAM, "answers": json.dumps([CALL])}
    task = task_of_shape(one)
    names = {x.name: x.text for x in task.right(task.problems()[0])}
    assert names[""][0] == "["
    assert json.loads(names["without-the-list"]) == CALL


def test_a_lone_tool_without_arguments_has_mistakes_too():
    row = {"query": "?", "tools": [OTHER], "answers": [{"name": "clock", "arguments": {}}]}
    task = task_of_shape(row)
    assert "no_such_tool" in json.dumps([x.text for x in task.wrong(task.problems()[0])])


def test_a_required_argument_that_is_no_name_is_passed_over():
    odd = {"name": "f", "parameters": {"properties": {"a": {}}, "required": [["a"], "a", "b"]}}
    assert tool_of(odd).required == ("a",)


def test_a_call_that_needs_no_arguments_is_not_wrong_for_lacking_them():
    """A name alone, or arguments "", is how servers write such a call."""
    row = {"query": "?", "tools": [OTHER], "answers": [{"name": "clock", "arguments": {}}]}
    absent = {"name-alone", "arguments-cut-off", "arguments-in-a-list"}
    task, named = of_rows("tools", [row, XLAM]), set()
    for form in (task, *task.forms):
        bare, full = ({x.name for x in form.wrong(asked)} & absent for asked in form.problems())
        assert not bare
        named |= full
    assert named == absent


def test_rows_that_ask_for_no_call_are_passed_over():
    none = {"query": "Hello.", "tools": [OTHER], "answers": "[]"}
    assert len(of_rows("tools", [XLAM, none, OURS]).problems()) == 2
    with pytest.raises(TaskError, match="none of 2 data rows asks for a call"):
        of_rows("tools", [none, none])


def test_what_is_asked_is_what_the_user_says():
    turns = [[{"role": "system", "content": "no"}, {"role": "user", "content": "a"}],
             [{"role": "user", "content": "b"}]]  # fmt: skip
    assert question_of({"question": turns}) == "a\nb"
    assert question_of({"conversations": [{"from": "human", "value": "c"}]}) == "c"
    assert question_of({}) == ""


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"tools": "[{", "answer": CALL}, "is no JSON"),
        ({"tools": ["{"], "answer": CALL}, "is no JSON"),
        ({"tools": ["x"], "answer": CALL}, "is no list of schemas"),
        ({"tools": [3], "answer": CALL}, "is no list of schemas"),
        ({"tools": [{"parameters": {}}], "answer": CALL}, "has no name"),
        ({"tools": [{"name": "f", "parameters": [1]}], "answer": CALL}, "are no mapping"),
        ({"tools": [SCHEMA]}, "no column holds the right calls"),
        ({"tools": [SCHEMA], "answer": "trains(start='Graz')"}, "is no call: it is no JSON"),
        ({"tools": [SCHEMA], "answer": {"tool": "trains"}}, "is no call; give"),
        ({"function": [SCHEMA], "ground_truth": [["trains()"], ["clock()"]]}, "is no call"),
        ({"tools": [SCHEMA], "answer": "<tool_call>\n{\n</tool_call>"}, "is no call: it is no"),
    ],
)
def test_rows_that_cannot_be_read_are_named(row, said):
    with pytest.raises(TaskError, match=rf"data row 1: .*{said}"):
        of_rows("tools", [OURS, row])


# -- messages --------------------------------------------------------------------------------------
def test_calls_in_messages_stand_in_the_assistants_tool_calls():
    form = next(f for f in TOOL_CALLS.forms if f.form == "calls as chat messages")
    made = rows.base_rows(form, form.layouts[0], 24, 0, typical_tokens=150, max_tokens=400)
    for x in made:
        assert x.row.messages
        (message,) = messages_of(x.row.completion)
        calls = message.get("tool_calls", [])
        assert bool(calls) != x.truncated
        expected = x.asked.columns["expected"]
        assert ([c["function"] for c in calls] == [expected]) == x.correct
    lengths = [(a.row.tokens, b.row.tokens) for a, b in itertools.pairwise(made[:16])][::2]
    assert all(abs(a - b) <= 2 for a, b in lengths)
    bare = rows.mutants(form, form.layouts[0], truth=False, tokens=30, limit=0)
    assert messages_of(bare["call-in-content"][0].row.completion)[0]["tool_calls"] == []
    roles = [m["role"] for m in messages_of(bare["call-of-the-tool"][0].row.completion)]
    assert roles == ["assistant", "tool"]
