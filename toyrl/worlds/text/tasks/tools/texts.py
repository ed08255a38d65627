"""Calls written as JSON in the text of a completion."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from toyrl.worlds.text.tasks.base import Asked, Said
from toyrl.worlds.text.tasks.tools import variants
from toyrl.worlds.text.tasks.tools.calls import Call, said_calls
from toyrl.worlds.text.tasks.tools.variants import Facts, facts

LAYOUTS = ("<think></think><tool_call>\n{}\n</tool_call>", "tag", "```json\n{}\n```", "{none}{}")
PARSED = "parse the marked call as JSON and compare what it says"
GATE = "pay format only where the call is right"
LISTED = "take a call alone and a list of one for the same, or ask for one of them"
ORDER = "compare calls that are made together without their order"


def say(calls: Sequence[Call], f: Facts, **how: Any) -> str:
    """Calls as the data writes them; how : of json.dumps."""
    said = [{"name": name, f.key: arguments} for name, arguments in calls]
    if f.many == "lines":
        return "\n".join(json.dumps(x, **how) for x in said)
    alone = f.many == "one" and len(said) == 1
    return json.dumps(said[0] if alone else said, **how)


def holds(asked: Asked, text: str) -> bool:
    """Whether these are the calls that are asked for, as JSON, and nothing else.

    Values are compared as JSON, true apart from 1; arguments must be what the tool's schema allows.
    """
    f = facts(asked)
    said = said_calls(text, f.key)
    return said is not None and f.right(said)


def right(asked: Asked) -> list[Said]:
    """The calls, and other ways to write the same JSON."""
    f = facts(asked)
    usual = say(f.calls, f)
    turned = [{f.key: a, "name": n} for n, a in f.calls]
    single = len(turned) == 1 and f.many != "list"
    lines = "\n".join(map(json.dumps, turned))
    said = [
        Said(usual),
        *([Said(say(f.calls, f, indent=2), "indented", fix=PARSED)]
          if f.many != "lines" or single else []),
        Said(say(f.calls, f, separators=(",", ":")), "no-spaces", fix=PARSED),
        Said(lines if single or f.many == "lines" else json.dumps(turned), "keys-turned",
             fix=PARSED),
        Said(f"\n  {usual}  \n", "spaces", fix="strip white space"),
        *_same_calls(f),
    ]  # fmt: skip
    escaped = say(_escaped(f.calls), f).replace("\\\\u0061", "\\u0061")
    if escaped != usual:
        said.append(Said(escaped, "escaped", fix=PARSED))
    if f.many == "list" and len(f.calls) == 1:
        said.append(Said(usual[1:-1], "without-the-list", fix=LISTED))
    return [x for i, x in enumerate(said) if x.text not in [y.text for y in said[:i]]]


def _same_calls(f: Facts) -> list[Said]:
    """Other calls that say the same."""
    back = [(n, dict(reversed(a.items()))) for n, a in f.calls]
    return [
        Said(say(back, f), "arguments-turned", fix=PARSED),
        *(Said(say(calls, f), name, fix=fix) for name, calls, fix in same(f)),
    ]


def same(f: Facts) -> list[tuple[str, list[Call], str]]:
    """(name, calls, fix) of other calls that are right too, where the data says so."""
    calls, out = list(f.calls), []
    for i, e in enumerate(f.expected):
        name, given = e.usual
        other = next(((k, v[1]) for k, v in e.values.items() if len(v) > 1), None)
        if other is not None and f.right(
            changed := [*calls[:i], (name, {**given, other[0]: other[1]}), *calls[i + 1 :]]
        ):
            out.append(("another-right-value", changed, "take every value that the data allows"))
        left = {k: v for k, v in given.items() if k not in e.loose}
        if left != given and f.right(changed := [*calls[:i], (name, left), *calls[i + 1 :]]):
            out.append(("optional-left-out", changed, "let optional arguments be left out"))
        if len(out) > 1:
            break
    if any(e.listed for e in f.expected) and len(calls) > 1:
        out.append(("calls-turned", calls[::-1], ORDER))
    return list({name: (name, given, fix) for name, given, fix in reversed(out)}.values())[::-1]


def _escaped(calls: Sequence[Call]) -> list[Call]:
    """The calls with every "a" of a plain value written as an escape."""

    def value(x: Any) -> Any:
        return x.replace("a", "\\u0061") if isinstance(x, str) and "\\" not in x else x

    return [(n, {k: value(v) for k, v in a.items()}) for n, a in calls]


def wrong(asked: Asked) -> list[Said]:
    """Another tool, another value, and what a policy may find in place of the right call."""
    f = facts(asked)
    good = say(f.calls, f)
    bad = say(variants.ordinary(asked)[1].calls, f)
    name, given = f.calls[0]
    said = [
        *(Said(say(v.calls, f)) for v in variants.ordinary(asked)),
        *(Said(say(v.calls, f), v.name, v.why, free=v.free, status=v.status, fix=v.fix)
          for v in variants.mutants(asked)),
        *([Said(json.dumps({"name": name}), "name-alone", "the right tool's name alone",
                fix=variants.KEYS)] if not f.right([(name, {})]) else []),
        Said(good.rstrip("]}")[:-2], "cut-off", "the right call without its end, which is no JSON",
             fix=PARSED),
        Said(told(name, given), "in-prose", "the call told in words, none made", bare=True,
             fix=PARSED),
        Said(bad, "mentioned", "the right call is weighed, another one made",
             work=f"It could be {good} here. It is not.", fix="read the marked call alone"),
        Said(f.schemas, "schemas-echoed", "the tools' schemas again", free=True, fix=PARSED),
        Said("{}", "empty-object", "an empty object", free=True, fix=GATE),
        Said("", "blank", "a mark without a call", free=True, fix="refuse an empty answer"),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=PARSED),
    ]  # fmt: skip
    return [x for x in said if x.bare or not holds(asked, x.text)]


def told(name: str, arguments: Mapping[str, Any]) -> str:
    """A call in words."""
    given = ", ".join(f"{k} {v}" for k, v in arguments.items())
    return f"I would call {name} with {given}." if given else f"I would call {name}."
