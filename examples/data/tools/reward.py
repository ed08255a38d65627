"""Rewards for tool calls, as xLAM's rows have them: `answers` is a JSON list of calls."""

import json
import re


def sound(completions, answers, **kwargs):
    """1 where the calls between the tags are the gold ones, in any order."""
    return [
        float(_same(_marked(c), json.loads(a))) for c, a in zip(completions, answers, strict=True)
    ]


def flawed(completions, answers, **kwargs):
    """1 where the tools of the gold calls are called: nobody looks at their arguments."""
    out = []
    for c, a in zip(completions, answers, strict=True):
        named = [call.get("name") for call in _marked(c)]
        out.append(float(all(call["name"] in named for call in json.loads(a))))
    return out


def sound_messages(completions, answers, **kwargs):
    """The same for an agent's messages: all tool calls of the assistant are the gold ones."""
    return [
        float(_same(_called(m), json.loads(a))) for m, a in zip(completions, answers, strict=True)
    ]


def flawed_messages(completions, answers, **kwargs):
    """1 where every gold call is made: others may be made beside them."""
    out = []
    for m, a in zip(completions, answers, strict=True):
        called = _called(m)
        out.append(float(all(call in called for call in json.loads(a))))
    return out


def _same(said, gold):
    key = [json.dumps(call, sort_keys=True) for call in said]
    return sorted(key) == sorted(json.dumps(call, sort_keys=True) for call in gold)


def _marked(text):
    marked = re.findall(r"<tool_call>(.*?)</tool_call>", text, re.S)
    try:
        found = json.loads(marked[0]) if len(marked) == 1 else []
    except ValueError:
        return []
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def _called(messages):
    calls = [c for m in messages if m["role"] == "assistant" for c in m.get("tool_calls") or []]
    return [_plain(c["function"]) for c in calls]


def _plain(function):
    arguments = function.get("arguments")
    try:
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        arguments = None
    return {"name": function.get("name"), "arguments": arguments}
