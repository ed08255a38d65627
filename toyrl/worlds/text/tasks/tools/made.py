"""Requests made up by toyrl: one call of four tools each."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from toyrl.graders.tools.texts import tool_text
from toyrl.worlds.text.tasks.base import Asked, Made, gold
from toyrl.worlds.text.tasks.tools import messages, texts
from toyrl.worlds.text.tasks.tools.calls import gold_of
from toyrl.worlds.text.tasks.tools.data import WORK
from toyrl.worlds.text.tasks.tools.schemas import tool_of
from toyrl.worlds.text.tasks.tools.variants import Facts

N = 24
TRIES = 32  # of a request that none before has asked


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
WORDS: dict[str, tuple[Any, ...]] = {
    "city": ("Oslo", "Lima", "Graz", "Bern"),
    "place": ("Luigi", "Anker", "Corte", "Linde"),
    "day": ("Monday", "Tuesday", "Friday", "Sunday"),
    "from": ("USD", "EUR"),
    "to": ("CHF", "NOK"),
    "subject": ("Minutes", "Invoice", "Welcome", "Agenda"),
    "people": tuple(range(2, 9)),
    "amount": tuple(range(20, 90, 5)),
}
PEOPLE = ("ann@example.org", "bob@example.org", "eve@example.org")
ASKS = {
    "get_weather": "What will the weather be in {city} on {day}?",
    "book_table": "Book a table at {place} for {people} on {day}.",
    "convert": "How much is {amount} {from} in {to}?",
    "send_mail": "Send {to} a mail with the subject {subject}.",
}
POOL = {
    (t["name"], k): PEOPLE if (t["name"], k) == ("send_mail", "to") else WORDS[k]
    for t in TOOLS
    for k in t["parameters"]["required"]
}


@dataclass(frozen=True)
class Written:
    """How calls are written, and gold answers: key, many : as of `calls.Gold`.

    form : in words, "" for the usual way; gold : a call -> the gold answer
    """

    gold: Callable[[dict[str, Any]], Any]
    form: str = ""
    key: str = "arguments"
    many: str = "one"


USUAL = Written(json.dumps)
OTHERS = (
    Written(lambda call: json.dumps([call]), "calls in a list", many="list"),
    Written(json.dumps, "arguments under `parameters`", "parameters"),
    Written(lambda call: tool_text([call], " ".join(WORK)),
            "arguments under `parameters`, gold as ToolRL's text", "parameters"),
)  # fmt: skip


@lru_cache(maxsize=8)
def problems(written: Written = USUAL, n: int = N, seed: int = 0) -> tuple[Asked, ...]:
    """n requests, the tools by turns.

    columns : the gold answer under every usual name; `tools`, the four schemas; `expected`, the
    call as a mapping
    """
    listed = "\n".join(json.dumps(t) for t in TOOLS)
    tools, out, seen = tuple(map(tool_of, TOOLS)), [], []
    for i in range(n):
        rng = random.Random(1009 * seed + i)
        schema = TOOLS[i % len(TOOLS)]
        name = schema["name"]
        given = {}
        for _ in range(TRIES):
            given = {k: rng.choice(POOL[name, k]) for k in schema["parameters"]["required"]}
            if (name, given) not in seen:
                break
        seen.append((name, given))
        call = {"name": name, written.key: given}
        prompt = f"{ASKS[name].format(**given)}\nTools:\n{listed}\nAnswer with one call as JSON."
        own = {**gold(written.gold(call)), "tools": [dict(t) for t in TOOLS], "expected": call}
        calls = gold_of(call).calls
        known = Facts(calls, tools, POOL, json.dumps(TOOLS), written.key, written.many)
        out.append(Asked(prompt, own, WORK, {"tools": known}))
    return tuple(out)


def _made() -> Made:
    usual = Made("tools", texts.LAYOUTS, problems(), texts.right, texts.wrong, texts.holds)
    others = [replace(usual, asked=problems(w), form=w.form) for w in OTHERS]
    return replace(usual, forms=(*others, messages.made(usual)))


TOOL_CALLS = _made()
