"""Completions that are chat messages: handed over as such, kept apart from equal texts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from toyrl.graders.base import TextRow
from toyrl.rewards.chats import calls_are_sound, messages_of, written_messages
from toyrl.rewards.signatures import recognise
from toyrl.rewards.user import load

CALLS = [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]
SAID = [
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "name": "f", "content": "2"},
    {"role": "assistant", "content": "It is 2."},
]
ROW = TextRow("Call f.", json.dumps(SAID), {"answer": "f"}, 9, messages=True)
SOURCE = """
seen = []

def reward(completions, prompts, answer, **kwargs):
    out = []
    for c, p in zip(completions, prompts):
        if isinstance(c, str):
            out.append(-1.0)
            continue
        assert p == [{"role": "user", "content": "Call f."}], p
        calls = [t for m in c for t in m.get("tool_calls") or []]
        for t in calls:
            t["function"].clear()
        out.append(float(len(calls)))
    return out

def text(completion, answer):
    return float(len(completion)) if isinstance(completion, str) else -float(len(completion))

def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    return float(solution_str.count("tool_calls"))
"""


@pytest.mark.parametrize(
    "text", ["", "It is 2.", "[]", "{}", "[3]", '[{"content": ""}]', "[" * 4000, "null"]
)
def test_text_that_is_no_list_of_messages_is_what_one_says(text):
    assert messages_of(text) == [{"role": "assistant", "content": text}]
    assert written_messages(text) is None
    assert messages_of(json.dumps(SAID)) == SAID


@pytest.mark.parametrize(
    ("calls", "sound"),
    [(None, True), ([], True), (CALLS, True), ([{"function": {"name": "f"}}], True),
     ([CALLS], False), ([{"name": "f"}], False), ([{"function": {"name": 3}}], False),
     (["f"], False), ("f", False)],
)  # fmt: skip
def test_calls_have_the_form_in_which_servers_hand_them_over(calls, sound):
    assert calls_are_sound([{"role": "assistant", "content": "", "tool_calls": calls}]) is sound


def test_a_row_of_messages_is_handed_over_as_messages_and_a_text_as_text(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(SOURCE)
    plain = replace(ROW, messages=False)
    with load(f"{file}:reward") as reward:
        for chat in (False, True):
            assert reward.grade([ROW, ROW], chat=chat) == [1.0, 1.0]  # made anew for each row
        assert reward.grade([plain], chat=False) == [-1.0]
        assert reward.score([ROW, plain, ROW], chat=False) == [1.0, -1.0, 1.0]
        assert reward.grade([replace(ROW, completion="no call")], chat=False) == [0.0]
    with load(f"{file}:text") as reward:
        assert reward.grade([ROW], chat=False) == [-3.0]
        assert reward.grade([plain], chat=False) == [float(len(ROW.completion))]
    with load(f"{file}:compute_score") as reward:  # takes texts alone
        assert reward.grade([ROW]) == [1.0]


def test_the_catalogue_reads_calls_of_messages():
    gold = '<tool_call>\n{"name": "f", "parameters": {"x": 1}}\n</tool_call>'
    right = replace(ROW, completion=json.dumps(SAID[:1]), columns={"ground_truth": gold})
    wrong = replace(right, completion=right.completion.replace("1}", "2}"))
    with load("tool_calls()") as reward:
        high, low = reward.grade([right, wrong])
    assert high is not None
    assert low is not None
    assert high > low


def test_code_that_names_tool_calls_is_told_from_other_code():
    def agent(completions, **kwargs):
        return [len(c[0]["tool_calls"]) for c in completions]

    def plain(completions, **kwargs):
        return [len(c[0]["content"]) for c in completions]

    assert recognise(agent, "f").calls_hint
    assert not recognise(plain, "f").calls_hint
