"""Tool calls graded: the released numbers, its oddities, sound variants, texts of any form."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toyrl
from benchmarks.graders_tools import compare, released
from toyrl.expressions import parse_grader, to_expression
from toyrl.graders.base import TextRow
from toyrl.graders.tools.calls import (
    GRANULARITIES,
    SoundToolCalls,
    ToolCalls,
    call_score,
    jaccard,
    tool_scales,
)
from toyrl.graders.tools.texts import (
    gold_text,
    read_calls,
    thinking_words,
    tool_text,
    written_calls,
)
from toyrl.serving import bare_text, text_of
from toyrl.testing.laws import tools as laws

FINE, SOUND = ToolCalls(), SoundToolCalls()
PARIS = {"name": "weather", "parameters": {"city": "Paris", "day": 3}}
ROME = {"name": "weather", "parameters": {"city": "Rome", "day": 3}}
TIME = {"name": "time", "parameters": {}}
BLOCK = "<think>so</think>\n<tool_call>\n{}\n</tool_call>"


def graded(text, gold, reward=FINE, step=0.0):
    return reward.grade_parts([TextRow("", text, {"ground_truth": gold})], step)[0]


def correct(said, gold, **fields):
    """What lists of calls are paid for correctness by a reward of these fields."""
    return laws.paid(ToolCalls(**fields), gold, said)


# -- the released numbers --------------------------------------------------------------------------
@given(laws.calls(), laws.calls(least=0), st.sampled_from(GRANULARITIES))
def test_calls_are_scored_as_the_released_code_does(gold, said, granularity):
    want = compare(gold, said, 3.0, -3.0, granularity)
    score = call_score(gold, said, granularity=granularity)
    assert 6 * score.share - 3 == pytest.approx(want, abs=1e-12)
    best = call_score(gold, said, granularity=granularity, matching="optimal")
    assert best.share >= score.share - 1e-12
    if granularity == "fine" and len(gold) * len(said) <= 9:
        assert best.share == pytest.approx(max(slow_shares(gold, said)), abs=1e-12) or best.equal


def slow_shares(gold, said):
    """S / S_max of every assignment, by definition."""
    for order in itertools.permutations([*range(len(said)), *[None] * len(gold)], len(gold)):
        total = jaccard([c["name"] for c in gold], [c["name"] for c in said])
        for g, i in zip(gold, order, strict=True):
            if i is not None and said[i]["name"] == g["name"]:
                a, b = g["parameters"], said[i]["parameters"]
                total += jaccard(sorted(a), sorted(b)) + sum(k in b and a[k] == b[k] for k in a)
        yield total / (1 + sum(1 + len(c["parameters"]) for c in gold))


PIECES = st.sampled_from([
    "<think>", "</think>", "\n", "<tool_call>", "</tool_call>", "<response>", "</response>", " ",
    "so", json.dumps(PARIS), json.dumps(ROME), '{"name": "weather"}', '"name"', "[]", "NaN", "{",
    "1e999", '{"name": "weather", "parameters": [1]}',
    '{"name": "weather", "parameters": {"city": NaN}}',
])  # fmt: skip
GOLDS = [
    tool_text([PARIS]), tool_text([PARIS, TIME], response="ok"), tool_text([], response="ok"),
    "<think></think>", "18",
]  # fmt: skip


@given(st.lists(PIECES, max_size=9).map("".join), st.sampled_from(GOLDS))
def test_texts_of_any_form_are_paid_as_the_released_code_does(text, gold):
    for whole in (text, BLOCK.format(text), tool_text([], response=text)):
        assert graded(whole, gold).total == pytest.approx(released(whole, gold), abs=1e-12)


def test_edge_cases_of_the_paper():
    two = [PARIS, TIME]
    assert correct(two[::-1], two) == correct(two[::-1], two, granularity="intermediate") == 3
    assert correct(two[::-1], two, granularity="coarse") == -3
    # Refined loses the names' 1 of 1 + 3 + 1.
    assert correct(two[::-1], two, granularity="refined") == pytest.approx(3 - 6 / 5)
    assert correct([TIME], [TIME]) == 3
    # Extra calls shrink the names' term alone, to 1/3.
    assert correct([PARIS, TIME, TIME], [PARIS]) == pytest.approx(3 - 6 * (2 / 3) / 4)
    swapped = {"name": "weather", "parameters": {"day": 3, "city": "Paris"}}
    assert correct([swapped], [PARIS], granularity="refined") == 3
    swapped = {"name": "weather", "parameters": {"day": 3, "city": "Rome"}}
    assert correct([swapped], [PARIS], granularity="refined") == 0  # names and one value, 2 of 4
    assert correct([swapped], [PARIS], granularity="refined", key_order="free") == 1.5
    free = {"call_order": "free"}
    assert correct(two[::-1], two, granularity="coarse", **free) == 3
    assert correct([*two[::-1], TIME], [*two, PARIS], granularity="coarse", **free) == -3
    assert correct([ROME, TIME], two[::-1], granularity="refined", **free) == pytest.approx(1.8)
    cut = tool_text([PARIS])[:-3]
    assert dict(graded(cut, tool_text([PARIS])).parts) == {
        "format": 0, "correct": -3, "length": 0,
    }  # fmt: skip


def test_greedy_takes_the_first_largest_and_the_assignment_is_better():
    f = [{"name": "f", "parameters": dict(zip("ab", x, strict=True))}
         for x in ((0, 0), (0, 1), (1, 0))]  # fmt: skip
    pairs = [call_score(f[:2], f[1:], matching=m) for m in ("greedy", "optimal")]
    assert [p.keys + p.values for p in pairs] == [3, 5]


def test_a_nan_is_right_only_where_all_is():
    one, other = (BLOCK.format(f'{{"name": "f", "parameters": {{"a": NaN, "b": {b}}}}}')
                  for b in (1, 2))  # fmt: skip
    assert graded(one, one).parts["correct"] == 3
    assert graded(other, one).parts["correct"] == 0  # names and keys, 2 of 4
    assert graded(one.replace("1}", "1.0}").replace("NaN", "0"),
                  one.replace("1}", "true}").replace("NaN", "0")).parts["correct"] == 3  # fmt: skip


def test_scales_by_step():
    assert tool_scales("max3") == (0, 1, -3, 3)
    assert tool_scales("max1", 99) == (0, 1, -1, 1)
    assert tool_scales("two_stage", 29) == (0, 1, -1, 1)
    assert tool_scales("two_stage", 30) == (0, 0.5, -3, 3)
    lows = [sum(tool_scales("smooth", t)[::2]) for t in (0, 75, 150, 300)]
    assert lows == [-4, -3.5, -4, -4]
    assert tool_scales("smooth", 30) == pytest.approx((-1.6, 1.8, -2.2, 2.2))
    assert tool_scales("smooth_paper", 30) == pytest.approx((-1.8, 1.8, -2.2, 2.2))
    with pytest.raises(ValueError, match="scale='slow' is not one of"):
        tool_scales("slow")
    with pytest.raises(ValueError, match="granularity='finer' is not one of"):
        ToolCalls(granularity="finer")
    assert not FINE.by_step
    assert ToolCalls(length="dynamic").by_step
    wrong = graded(tool_text([TIME]), tool_text([PARIS]), ToolCalls(scale="smooth"), 75)
    assert dict(wrong.parts) == {"format": 1.5, "correct": -2.5, "length": 0}


@pytest.mark.parametrize(("words", "paid"), [(0, 0), (32, 0.06), (509, 0.99), (510, 1), (600, 1)])
def test_the_length_of_a_thought(words, paid):
    text = tool_text([PARIS], " ".join(["w"] * words))
    assert thinking_words(text) == words
    assert graded(text, "18", ToolCalls(length="fixed")).parts["length"] == paid
    assert graded("<think>" + text, "18", ToolCalls(length="fixed")).parts["length"] == paid
    grown = graded(text, "18", ToolCalls(length="dynamic"), 105).parts["length"]
    assert grown == min(1.0, round(words / 640, 2))
    assert graded("no thought", "18", ToolCalls(length="fixed")).parts["length"] == 0


# -- messages, sound reading -----------------------------------------------------------------------
def test_calls_in_messages_are_read():
    said = {"role": "assistant", "content": "<think>so</think>", "tool_calls": [
        {"type": "function", "function": {"name": "weather", "arguments": PARIS["parameters"]}},
        {"type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]}  # fmt: skip
    broken = {"role": "assistant", "content": None, "tool_calls": [
        {"function": {"name": "weather", "arguments": '{"city":\n "Paris"'}}]}  # fmt: skip
    want = [PARIS, TIME]
    assert text_of([said]) == tool_text(want, "so")
    assert FINE([""] * 2, [[said], [broken]], ground_truth=[want, want]) == [4.0, -3.0]
    assert toyrl.grade(FINE, [{"completion": [said], "answer": [said]}]).total.tolist() == [4.0]
    assert gold_text(PARIS) == gold_text([PARIS]) == tool_text([PARIS]).split("\n", 1)[1]
    assert gold_text([]) == ""
    with pytest.raises(ValueError, match="ground truth 18 is neither text nor tool calls"):
        gold_text(18)
    loop = {}
    loop["a"] = loop
    odd = [json.dumps(said["tool_calls"][0]), SimpleNamespace(name="time", arguments=None), 3,
           {"name": "f", "arguments": loop}]  # fmt: skip
    assert written_calls(odd).split("\n")[1:-1] == [
        json.dumps(PARIS), json.dumps(TIME), '{"name": null, "parameters": {}}',
        "a call that JSON can't hold",
    ]  # fmt: skip


MENDED = [
    '{"name": "weather", "parameters": {"city": "Paris", "day": 3,}}',
    "{'name': 'weather', 'parameters': {'city': 'Paris', 'day': 3}}",
    '{"name": "weather", "parameters": {"city": "Paris", "day": 3}',
    json.dumps(PARIS, indent=2),
    json.dumps([PARIS]),
    '{"name": "weather", "arguments": {"city": "Paris", "day": 3}}',
    '{"function": {"name": "weather", "arguments": "{\\"city\\": \\"Paris\\", \\"day\\": 3}"}}',
]


@pytest.mark.parametrize("block", MENDED)
def test_nearly_right_calls_are_mended_on_demand(block):
    pytest.importorskip("json_repair", reason="needs the extra tasks")
    gold = tool_text([PARIS])
    assert graded(BLOCK.format(block), gold).parts["correct"] == -3
    assert graded(BLOCK.format(block), gold, SOUND).parts["correct"] == 3
    # Two calls of one form stay two.
    twice = block + "\n" + block.replace("Paris", "Rome")
    assert read_calls(twice, parsing="repair") == [PARIS, ROME]


def test_the_sound_variant_by_name():
    want = SoundToolCalls(granularity="coarse", matching="optimal", call_order="free")
    assert parse_grader("tool_calls_sound(granularity='coarse')") == want
    assert to_expression(SoundToolCalls(scale="max1")) == "tool_calls_sound(scale='max1')"
    assert to_expression(ToolCalls(matching="optimal")) == "tool_calls(matching='optimal')"


# -- texts and gold that nobody wants --------------------------------------------------------------
@pytest.mark.parametrize(
    ("block", "why"),
    [
        ("", "a line is no JSON"),
        ("[" * 100_000, "calls are nested too deeply"),
        ('{"name": "weather", "parameters": ' + '{"a": ' * 9000, "calls are nested too deeply"),
        ("9" * 5000, "Exceeds the limit"),
        ("3", "a call is no object"),
        ('{"name": "weather"}', "a call has no parameters"),
        ('{"parameters": {}}', "a call has no name"),
        ('{"name": "weather", "parameters": "Paris"}', "a call is no object"),
        ('{"name": ["weather"], "parameters": {}}', "a call is no object"),
        ("__import__('os').abort()", "a line is no JSON"),
        ("\x00\ud800" + "東" * 200_000, "a line is no JSON"),
    ],
)
def test_unreadable_calls_are_paid_the_least(block, why):
    found = graded(BLOCK.format(block), tool_text([PARIS]))
    assert dict(found.parts) == {"format": 1, "correct": -3, "length": 0}
    assert found.problem.startswith(why)
    assert graded(BLOCK.format(block), tool_text([PARIS]), SOUND).parts["correct"] <= 0


def test_many_tags_and_long_runs_of_space_end():
    gold = tool_text([PARIS], response="x")
    for text in ("<think>" * 200_000, "</think>\n<tool_call>\n" * 50_000, " " * 300_000 + "x",
                 "<think>" + "</think>\n<response>" * 50_000, "<pad>" * 100_000):  # fmt: skip
        assert graded(text, gold).total == -3
    many = tool_text([PARIS] * 20_000)
    found = graded(many, tool_text([PARIS, TIME, ROME]), SOUND)
    assert found.facts["extra"] == 19_997
    assert bare_text(" a <|im_end|>\n</s> ") == " a"
    assert bare_text("<|a <|b|>") == "<|a"


def test_gold_that_cannot_be_read_leaves_correctness_open():
    for gold in (
        BLOCK.format("no"),
        BLOCK.format("3"),
        BLOCK.format('{"name": "f"}'),
        "<tool_call>",
    ):
        found = graded(tool_text([PARIS]), gold)
        assert math.isnan(found.parts["correct"])
        assert found.problem.startswith("ground truth: ")
    bare = graded("<think></think>", json.dumps([PARIS]))
    assert (bare.parts["correct"], bare.problem) == (
        0, "ground truth: calls without <tool_call> are not compared",
    )  # fmt: skip
    assert graded("x", "").total == 0
    with pytest.raises(KeyError, match="tool_calls reads the column 'ground_truth'"):
        FINE.grade([TextRow("", "x", {})])
