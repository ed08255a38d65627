"""Tool calls as text: one call of four tools, as a JSON object with a name and arguments."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import Asked, Made, Said, TaskError, gold

N = 24
LAYOUTS = ("<think></think><tool_call>\n{}\n</tool_call>", "tag", "```json\n{}\n```", "{none}{}")
VALUES = "compare every argument's value, and the whole of it"
KEYS = "compare the sets of argument names: none missing, none added"
TOOL = "compare the tool's name too"
ONE = "compare the whole list of calls: as many as asked for, no more"
PARSED = "parse the marked call as JSON and compare what it says"
GATE = "pay format only where the call is right"


def _tool(name: str, about: str, kinds: Mapping[str, str]) -> dict[str, Any]:
    properties = {k: {"type": kind} for k, kind in kinds.items()}
    schema = {"type": "object", "properties": properties, "required": list(kinds)}
    return {"name": name, "description": about, "parameters": schema}


TOOLS = (
    _tool("get_weather", "Weather of a city on a day.", {"city": "string", "day": "string"}),
    _tool("book_table", "Book a table.", {"place": "string", "people": "integer", "day": "string"}),
    _tool("convert", "Convert money.", {"amount": "integer", "from": "string", "to": "string"}),
    _tool("send_mail", "Send a mail.", {"to": "string", "subject": "string"}),
)
SCHEMAS = ("tools", "available_tools")
WORDS = {
    "city": ("Oslo", "Lima", "Graz", "Bern"),
    "place": ("Luigi", "Anker", "Corte", "Linde"),
    "day": ("Monday", "Tuesday", "Friday", "Sunday"),
    "from": ("USD", "EUR"),
    "to": ("CHF", "NOK"),
    "subject": ("Minutes", "Invoice", "Welcome", "Agenda"),
}
PEOPLE = ("ann@example.org", "bob@example.org", "eve@example.org")
ASKS = {
    "get_weather": "What will the weather be in {city} on {day}?",
    "book_table": "Book a table at {place} for {people} on {day}.",
    "convert": "How much is {amount} {from} in {to}?",
    "send_mail": "Send {to} a mail with the subject {subject}.",
}


def _value(tool: str, name: str, rng: random.Random, but: Any = None) -> Any:
    """A value of an argument, another one than `but`."""
    if name in ("people", "amount"):
        pool: list[Any] = list(range(2, 9)) if name == "people" else list(range(20, 90, 5))
    elif tool == "send_mail" and name == "to":
        pool = list(PEOPLE)
    else:
        pool = list(WORDS[name])
    return rng.choice([x for x in pool if x != but])


@lru_cache(maxsize=4)
def problems(n: int = N, seed: int = 0) -> tuple[Asked, ...]:
    """n requests, the tools by turns.

    columns : the call as JSON under every usual name; `tools`, the four schemas; `expected`, the
    call as a mapping
    """
    out = []
    for i in range(n):
        rng = random.Random(1009 * seed + i)
        tool = TOOLS[i % len(TOOLS)]["name"]
        names = TOOLS[i % len(TOOLS)]["parameters"]["required"]
        arguments = {k: _value(tool, k, rng) for k in names}
        call = {"name": tool, "arguments": arguments}
        listed = "\n".join(json.dumps(t) for t in TOOLS)
        asked = ASKS[tool].format(**arguments)
        prompt = f"{asked}\nTools:\n{listed}\nAnswer with one call as JSON."
        columns = {**gold(json.dumps(call)), "tools": [dict(t) for t in TOOLS], "expected": call}
        work = ("The request names what is wanted.", "One tool is enough for it.")
        out.append(Asked(prompt, columns, work))
    return tuple(out)


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for schemas that can't be read, where a row has any."""
    for name in SCHEMAS:
        value = row.get(name)
        if value is None:
            continue
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as error:
                msg = f"{name}={shortened(value)} is no JSON ({error}); give a list of schemas"
                raise TaskError(msg) from error
        if not isinstance(value, list) or not all(isinstance(t, Mapping) for t in value):
            msg = f"{name}={shortened(value)} is no list of schemas, each a mapping with a name"
            raise TaskError(msg)


def call_of(asked: Asked) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the right call."""
    call = json.loads(asked.columns["answer"])
    return call["name"], call["arguments"]


def _say(name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps({"name": name, "arguments": dict(arguments)})


def right(asked: Asked) -> list[Said]:
    """The call, and other ways to write the same JSON."""
    name, arguments = call_of(asked)
    usual = {"name": name, "arguments": arguments}
    turned = {"arguments": arguments, "name": name}
    back = dict(reversed(arguments.items()))
    escaped = _say(name, arguments).replace("a", "\\u0061") if "a" in str(arguments) else ""
    escaped = escaped.replace('"n\\u0061me"', '"name"').replace('"\\u0061rguments"', '"arguments"')
    said = [
        Said(_say(name, arguments)),
        Said(json.dumps(usual, indent=2), "indented", fix=PARSED),
        Said(json.dumps(usual, separators=(",", ":")), "no-spaces", fix=PARSED),
        Said(json.dumps(turned), "keys-turned", fix=PARSED),
        Said(_say(name, back), "arguments-turned", fix=PARSED),
        Said(f"\n  {_say(name, arguments)}  \n", "spaces", fix="strip white space"),
    ]
    return [*said, Said(escaped, "escaped", fix=PARSED)] if escaped else said


def wrong(asked: Asked) -> list[Said]:
    """Another tool, another value, and what a policy may find in place of the right call."""
    name, arguments = call_of(asked)
    rng = random.Random(asked.prompt)
    keys = list(arguments)
    key = rng.choice(keys)
    text = next(k for k in keys if isinstance(arguments[k], str))
    other = next(t for t in TOOLS if t["name"] != name)
    fits = {k: _value(other["name"], k, rng) for k in other["parameters"]["required"]}
    off = {**arguments, key: _value(name, key, rng, arguments[key])}
    far = {k: _value(name, k, rng, v) for k, v in arguments.items()}
    within = {**arguments, text: f"not {arguments[text]}"}
    swapped = dict(zip(keys, [*list(arguments.values())[1:], arguments[keys[0]]], strict=True))
    good, bad = _say(name, arguments), _say(name, off)
    calls = "[" + ", ".join(_say(t["name"], arguments) for t in TOOLS) + "]"
    empty = "[" + ", ".join(_say(t["name"], {}) for t in TOOLS) + "]"
    prose = f"I would call {name} with {', '.join(f'{k} {v}' for k, v in arguments.items())}."
    return [
        Said(_say(other["name"], fits)),
        Said(_say(name, far)),
        Said(bad, "wrong-value", "the right tool with one argument of another value", fix=VALUES),
        Said(_say(name, {k: v for k, v in arguments.items() if k != key}), "missing-argument",
             "the right tool with an argument left out", fix=KEYS),
        Said(_say(name, {**arguments, "verbose": True}), "extra-argument",
             "the right tool with an argument that it doesn't have", fix=KEYS),
        Said(_say(name, {}), "no-arguments", "the right tool without arguments", fix=KEYS),
        Said(json.dumps({"name": name}), "name-alone", "the right tool's name alone", fix=KEYS),
        Said(_say(other["name"], arguments), "wrong-tool", "the right arguments to another tool",
             fix=TOOL),
        Said(_say(name, within), "value-within", "a value that holds the right one, denied",
             fix=VALUES),
        Said(_say(name, swapped), "values-swapped", "the right values under each other's names",
             fix=VALUES),
        Said(calls, "every-tool", "the right arguments to every tool", fix=ONE),
        Said(f"[{good}, {bad}]", "right-and-wrong", "the right call and a wrong one", fix=ONE),
        Said(good[:-2], "cut-off", "the right call without its end, which is no JSON", fix=PARSED),
        Said(prose, "in-prose", "the call told in words, none made", bare=True, fix=PARSED),
        Said(bad, "mentioned", "the right call is weighed, another one made",
             work=f"It could be {good} here. It is not.", fix="read the marked call alone"),
        Said(empty, "every-tool-empty", "every tool without arguments", free=True, fix=ONE),
        Said(json.dumps(TOOLS), "schemas-echoed", "the tools' schemas again", free=True,
             fix=PARSED),
        Said('{"name": "", "arguments": {}}', "no-tool", "a call of no tool", free=True, fix=TOOL),
        Said("{}", "empty-object", "an empty object", free=True, fix=GATE),
        Said("", "blank", "a mark without a call", free=True, fix="refuse an empty answer"),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=PARSED),
    ]  # fmt: skip


TOOL_CALLS = Made("tools", LAYOUTS, problems(), right, wrong)
