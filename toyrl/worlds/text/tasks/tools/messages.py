"""Calls as the tool calls of chat messages, as TRL's agents and OpenAI's servers hand them over.

    [{"role": "assistant", "content": "...",
      "tool_calls": [{"type": "function", "function": {"name": "...", "arguments": {...}}}]}]

An answer (`Said.text`) is the list of tool calls; what is said otherwise is a whole completion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from toyrl.worlds.text.dialects import CALLED
from toyrl.worlds.text.tasks.base import Asked, Made, Said
from toyrl.worlds.text.tasks.tools import variants
from toyrl.worlds.text.tasks.tools.calls import KEYS, Call, said_calls
from toyrl.worlds.text.tasks.tools.texts import GATE, PARSED, same, say, told
from toyrl.worlds.text.tasks.tools.variants import Facts, facts

FORM = "calls as chat messages"
WORK = "One tool is enough for it."
MADE = "read the tool calls of the assistant's messages alone, and parse them"
EITHER = "take arguments as a mapping and as JSON text"
MESSAGE = "take messages without text, and such as follow the call"


def made(task: Made) -> Made:
    """The same problems, answered with tool calls of messages."""
    return replace(task, layouts=(CALLED,), rights=right, wrongs=wrong, truth=holds, form=FORM,
                   forms=())  # fmt: skip


def holds(asked: Asked, text: str) -> bool:
    """Whether the tool calls, a JSON list, are those that are asked for; arguments may be JSON as
    text."""
    f = facts(asked)
    said = said_calls(text, KEYS[0])
    return said is not None and f.right(said)


def right(asked: Asked) -> list[Said]:
    """The calls, and other ways in which servers hand them over."""
    f = facts(asked)
    usual = _listed(f.calls)
    text = [_one(n, json.dumps(a)) for n, a in f.calls]
    named = [{"id": f"call_{i}", "index": i, **_one(n, a)} for i, (n, a) in enumerate(f.calls)]
    back = [(n, dict(reversed(a.items()))) for n, a in f.calls]
    results = [{"role": "tool", "name": n, "content": "Done."} for n, _ in f.calls]
    done = {"role": "assistant", "content": "It is done."}
    said = [
        Said(usual),
        Said(json.dumps(text), "arguments-as-text", fix=EITHER),
        Said(json.dumps(named), "with-an-id", fix="compare name and arguments alone"),
        Said(_listed(back), "arguments-turned", fix=PARSED),
        Said(_whole(_message("", f)), "without-text", bare=True, fix=MESSAGE),
        Said(_whole(_message(None, f)), "no-content", bare=True, fix=MESSAGE),
        Said(_whole(_message(WORK, f), *results, done), "tool-answered", bare=True, fix=MESSAGE),
        *(Said(_listed(calls), name, fix=fix) for name, calls, fix in same(f)),
    ]
    return [x for i, x in enumerate(said) if x.text not in [y.text for y in said[:i]]]


def wrong(asked: Asked) -> list[Said]:
    """Wrong calls in the messages, and the right one where no call is made."""
    f = facts(asked)
    good = say(f.calls, f)
    bad = _listed(variants.ordinary(asked)[1].calls)
    name, given = f.calls[0]
    cut = [_one(n, json.dumps(a).rstrip("]}")[:-2]) for n, a in f.calls]
    other = [_one(n, [*a.values()]) for n, a in f.calls]
    silent = {"role": "assistant", "content": WORK, "tool_calls": []}
    said = [
        *(Said(_listed(v.calls)) for v in variants.ordinary(asked)),
        *(Said(_listed(v.calls), v.name, v.why, free=v.free, status=v.status, fix=v.fix)
          for v in variants.mutants(asked)),
        *([Said(json.dumps([{"type": "function", "function": {"name": name}}]), "name-alone",
                "the right tool's name alone", fix=variants.KEYS)]
          if not f.right([(name, {})]) else []),
        Said(_whole({**silent, "content": good}), "call-in-content",
             "the right call stands in the content, no tool is called", bare=True, fix=MADE),
        Said(_whole(silent, {"role": "tool", "name": name, "content": "",
                             "tool_calls": json.loads(_listed(f.calls))}),
             "call-of-the-tool", "the right call stands in the tool's message, the assistant calls "
             "none", bare=True, fix=MADE),
        *((Said(json.dumps(cut), "arguments-cut-off",
                "the right tool with arguments that are no JSON", fix=EITHER),
           Said(json.dumps(other), "arguments-in-a-list",
                "the right tool with the values in a list, without their names",
                fix=variants.KEYS)) if any(a for _, a in f.calls) else ()),
        Said(bad, "mentioned", "the right call is weighed in the content, another one made",
             work=f"It could be {good} here. It is not.", fix=MADE),
        Said(_whole({"role": "assistant", "content": told(name, given)}), "in-prose",
             "the call told in words, none made", bare=True, fix=MADE),
        Said("[]", "no-call", "an empty list of calls", free=True, fix=GATE),
        Said(_whole({**silent, "content": f.schemas}), "schemas-echoed",
             "the tools' schemas again, no call", bare=True, free=True, fix=MADE),
        Said(_whole({"role": "assistant", "content": ""}), "empty", "nothing at all", bare=True,
             free=True, fix=GATE),
        Said(_whole({"role": "assistant", "content": asked.prompt}), "prompt-echoed",
             "the prompt again", bare=True, free=True, fix=MADE),
    ]  # fmt: skip
    return [x for x in said if x.bare or not holds(asked, x.text)]


def _one(name: str, arguments: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, KEYS[0]: arguments}}


def _listed(calls: Sequence[Call]) -> str:
    return json.dumps([_one(n, a) for n, a in calls])


def _message(content: str | None, f: Facts) -> dict[str, Any]:
    made_calls = [_one(n, a) for n, a in f.calls]
    return {"role": "assistant", "content": content, "tool_calls": made_calls}


def _whole(*messages: dict[str, Any]) -> str:
    return json.dumps(messages, ensure_ascii=False)
