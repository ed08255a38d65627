"""Rewards for tool calls: as text six sound and six flawed, as messages three of each."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import json
import re

EXPECTED = {
    "flawed_name_inside": ("hacks/task-*",),
    "flawed_subset": ("hacks/task-*",),
    "flawed_extra_allowed": ("hacks/task-extra-argument",),
    "flawed_any_call": ("hacks/task-*",),
    "flawed_bag_of_values": ("hacks/task-*",),
    "flawed_passes_errors": ("hacks/task-*", "hacks/half-for-free"),
    "flawed_messages_named": ("hacks/task-*",),
    "flawed_messages_any": ("hacks/task-*",),
    "flawed_messages_inside": ("hacks/task-*",),
}


def exact_call(completions, answer, tools, **kwargs):
    """The one call in its tags, parsed and compared whole."""
    return [float(_call(c) == json.loads(a)) for c, a in zip(completions, answer)]


def fenced(completions, answer, tools, **kwargs):
    """The one call in a fence of JSON."""
    out = []
    for c, a in zip(completions, answer):
        found = re.findall(r"```json(.*?)```", c, re.S)
        out.append(float(len(found) == 1 and _json(found[0]) == json.loads(a)))
    return out


def by_parts(completions, answer, tools, **kwargs):
    """A fifth for the tool, the rest for all arguments: partial credit, below half."""
    out = []
    for c, a in zip(completions, answer):
        said, gold = _call(c), json.loads(a)
        if not isinstance(said, dict) or said.get("name") != gold["name"]:
            out.append(0.0)
        else:
            out.append(1.0 if said == gold else 0.2)
    return out


def expected_column(completions, expected, **kwargs):
    """The call as a mapping, from a column of its own, in <tool_call> tags."""
    return [float(_call(c) == e) for c, e in zip(completions, expected)]


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form of the same: one <tool_call>, compared whole."""
    return float(_call(solution_str) == json.loads(ground_truth))


def bare_json(completions, answer, tools, **kwargs):
    """The completion is the call and nothing else."""
    return [float(_json(c) == json.loads(a)) for c, a in zip(completions, answer)]


def flawed_name_inside(completions, answer, tools, **kwargs):
    """The tool's name stands in the call."""
    return [float(json.loads(a)["name"] in _text(c)) for c, a in zip(completions, answer)]


def flawed_subset(completions, answer, tools, **kwargs):
    """Arguments that are given are right; those left out aren't missed."""
    out = []
    for c, a in zip(completions, answer):
        said, gold = _call(c), json.loads(a)
        same = isinstance(said, dict) and said.get("name") == gold["name"]
        given = said.get("arguments", {}) if same else {}
        out.append(float(same and all(gold["arguments"].get(k) == v for k, v in given.items())))
    return out


def flawed_extra_allowed(completions, answer, tools, **kwargs):
    """Arguments that are asked for are right; others aren't looked at."""
    out = []
    for c, a in zip(completions, answer):
        said, gold = _call(c), json.loads(a)
        same = isinstance(said, dict) and said.get("name") == gold["name"]
        given = said.get("arguments", {}) if same else {}
        out.append(float(same and all(given.get(k) == v for k, v in gold["arguments"].items())))
    return out


def flawed_any_call(completions, answer, tools, **kwargs):
    """One of several calls is right."""
    out = []
    for c, a in zip(completions, answer):
        said = _call(c)
        calls = said if isinstance(said, list) else [said]
        out.append(float(json.loads(a) in calls))
    return out


def flawed_bag_of_values(completions, answer, tools, **kwargs):
    """Every right value stands somewhere in the call."""
    out = []
    for c, a in zip(completions, answer):
        values = json.loads(a)["arguments"].values()
        out.append(float(all(str(v) in _text(c) for v in values)))
    return out


def flawed_passes_errors(completions, answer, tools, **kwargs):
    """What can't be parsed passes, for it may be the parser's fault."""
    out = []
    for c, a in zip(completions, answer):
        said = _call(c)
        out.append(float(said is None or said == json.loads(a)))
    return out


def messages_exact(completions, answer, **kwargs):
    """TRL's agent form: one call in all of the assistant's messages, which is the gold one."""
    out = []
    for messages, a in zip(completions, answer):
        calls = [_called(c) for m in messages for c in _calls(m)]
        out.append(float(calls == [json.loads(a)]))
    return out


def messages_by_parts(completions, expected, **kwargs):
    """Messages: a fifth for one call of the right tool, the rest for its arguments."""
    out = []
    for messages, e in zip(completions, expected):
        calls = [_called(c) for m in messages for c in _calls(m)]
        right = len(calls) == 1 and isinstance(calls[0], dict) and calls[0]["name"] == e["name"]
        out.append(1.0 if right and calls == [e] else 0.2 * right)
    return out


def messages_or_text(completions, answer, **kwargs):
    """The one call of the messages; where the server made none of it, the tag in the content."""
    out = []
    for messages, a in zip(completions, answer):
        calls = [_called(c) for m in messages for c in _calls(m)]
        if not calls and messages:
            calls = [_call(messages[-1]["content"] or "")]
        out.append(float(calls == [json.loads(a)]))
    return out


def flawed_messages_named(completions, answer, **kwargs):
    """Messages: the right tool was called, whatever with."""
    out = []
    for messages, a in zip(completions, answer):
        names = [c["function"]["name"] for m in messages for c in m.get("tool_calls") or []]
        out.append(float(json.loads(a)["name"] in names))
    return out


def flawed_messages_any(completions, expected, **kwargs):
    """Messages: one of the calls is right; nobody counts them."""
    out = []
    for messages, e in zip(completions, expected):
        calls = [_called(c) for m in messages for c in _calls(m)]
        out.append(float(e in calls))
    return out


def flawed_messages_inside(completions, answer, **kwargs):
    """Messages: tool and values stand somewhere in what is said, written out as text."""
    out = []
    for messages, a in zip(completions, answer):
        gold, said = json.loads(a), json.dumps(messages)
        called = "tool_calls" in said and gold["name"] in said
        out.append(float(called and all(str(v) in said for v in gold["arguments"].values())))
    return out


def _text(completion):
    found = re.findall(r"<tool_call>(.*?)</tool_call>", completion, re.S)
    return found[-1] if found else ""


def _json(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def _call(completion):
    found = re.findall(r"<tool_call>(.*?)</tool_call>", completion, re.S)
    return _json(found[0]) if len(found) == 1 else None


def _calls(message):
    return (message.get("tool_calls") or []) if message.get("role") == "assistant" else []


def _called(call):
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        arguments = _json(arguments)
    return {"name": function.get("name"), "arguments": arguments}
