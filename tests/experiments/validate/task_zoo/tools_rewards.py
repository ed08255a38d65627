"""Rewards for tool calls as text: six sound, six flawed."""

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
