"""Wrong calls in place of the right ones, made from the schemas of the tools that were offered.

They are calls, not texts: `texts` and `messages` write them out in their own ways.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.worlds.text.tasks.base import Asked
from toyrl.worlds.text.tasks.tools.calls import Call, Expected, same_calls
from toyrl.worlds.text.tasks.tools.schemas import Tool, equal, has_kind, kinds_of

VALUES = "compare every argument's value, and the whole of it"
KEYS = "compare the sets of argument names: none missing, none added"
TOOL = "compare the tool's name too"
ONE = "compare the whole list of calls: as many as asked for, no more"
TYPES = "compare values as JSON has them, not their texts"
UNKNOWN = "no_such_tool"
MORE = "verbose"
OTHERS = {
    "string": "something else",
    "integer": 7,
    "number": 7.5,
    "boolean": True,
    "array": ["something else"],
    "object": {"other": 1},
}


@dataclass(frozen=True)
class Variant:
    """Calls that are not the right ones; fields as of `base.Said`."""

    calls: tuple[Call, ...]
    name: str = ""
    why: str = ""
    fix: str = ""
    free: bool = False
    status: str = "fail"


@dataclass(frozen=True)
class Facts:
    """What the task knows of a problem.

    expected : the right calls; tools : what was offered; pool : (tool, argument) -> values seen
    schemas : the tools' schemas as text; key, many : how answers are written (`calls.Gold`)
    """

    expected: tuple[Expected, ...]
    tools: tuple[Tool, ...]
    pool: Mapping[tuple[str, str], tuple[Any, ...]]
    schemas: str
    key: str = "arguments"
    many: str = "one"

    @property
    def calls(self) -> tuple[Call, ...]:
        """The right calls as usually written."""
        return tuple(e.usual for e in self.expected)

    def right(self, calls: Sequence[Call]) -> bool:
        """Whether these calls are the right ones."""
        return same_calls(self.expected, calls, self.tools)

    def tool(self, name: str) -> Tool:
        """The tool of a name; one without a schema where it wasn't offered."""
        return next((t for t in self.tools if t.name == name), Tool(name))


def facts(asked: Asked) -> Facts:
    """The facts of one of our problems."""
    return asked.facts["tools"]


# -- values ----------------------------------------------------------------------------------------
def fitting(f: Facts, tool: Tool, rng: random.Random) -> dict[str, Any]:
    """Arguments that the tool takes."""
    wanted = tool.required or tuple(tool.properties)[:1]
    return {k: _other(f, tool, k, None, rng) for k in wanted}


def _other(f: Facts, tool: Tool, argument: str, value: Any, rng: random.Random) -> Any:
    """A value of an argument, of its type and another one."""
    schema = tool.properties.get(argument, {})
    kinds = kinds_of(schema)
    seen = f.pool.get((tool.name, argument), ())
    known = schema["enum"] if isinstance(schema.get("enum"), list) else seen
    fits = [x for x in known if not equal(x, value) and has_kind(x, kinds)]
    if fits:
        return rng.choice(fits)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, list) and len(value) > 1:
        return value[:-1]
    if isinstance(value, Mapping) and value:
        first = next(iter(value))
        return {**value, first: _changed(value[first])}
    kind = kinds[0] if kinds else "string"
    kind = "array" if isinstance(value, list) else kind
    return OTHERS.get(kind)


def _changed(value: Any) -> Any:
    """Another value of the same type, where there is one."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else OTHERS["string"]


def _other_type(value: Any) -> Any:
    """What looks like the value, of another JSON type."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        return ", ".join(value)
    return json.dumps(value)


# -- calls -----------------------------------------------------------------------------------------
def ordinary(asked: Asked) -> list[Variant]:
    """Two mistakes of an honest policy: another tool, and the right one with other values."""
    f, rng = facts(asked), random.Random(asked.prompt)
    name = f.expected[0].name
    others = [t for t in f.tools if t.name != name] or [Tool(UNKNOWN)]
    one = others[0]
    first = Variant(((one.name, fitting(f, one, rng)), *f.calls[1:]))
    far = tuple((n, _all_other(f, n, a, rng)) for n, a in f.calls)
    if f.right(far) or far == first.calls:  # no argument that could be another
        far = ((UNKNOWN, f.calls[0][1]), *f.calls[1:]) if one.name != UNKNOWN else ()
    return [first, Variant(far or (*f.calls, (UNKNOWN, {})))]


def _all_other(f: Facts, name: str, arguments: Mapping[str, Any], rng: random.Random) -> Any:
    tool = f.tool(name)
    return {k: _other(f, tool, k, v, rng) for k, v in arguments.items()}


def mutants(asked: Asked) -> list[Variant]:
    """Wrong calls with a name; those that a row's own schema or values make right are left out."""
    f = facts(asked)
    return [v for v in (*_arguments(asked), *_whole(asked)) if not f.right(v.calls)]


def _arguments(asked: Asked) -> Iterator[Variant]:
    """One call's arguments changed: of the last call that has some."""
    f, rng = facts(asked), random.Random(asked.prompt)
    at = max((i for i, (_, a) in enumerate(f.calls) if a), default=0)
    name, given = f.calls[at]
    tool = f.tool(name)

    def put(arguments: Any) -> tuple[Call, ...]:
        return (*f.calls[:at], (name, arguments), *f.calls[at + 1 :])

    yield Variant(put({**given, MORE: True}), "extra-argument",
                  "the right tool with an argument that it doesn't have", KEYS)  # fmt: skip
    if not given:
        return
    key = rng.choice(list(given))
    asked_for = [k for k in given if k in tool.required] or [key]
    off = asked_for[rng.randrange(len(asked_for))]
    yield Variant(put({**given, key: _other(f, tool, key, given[key], rng)}), "wrong-value",
                  "the right tool with one argument of another value", VALUES)  # fmt: skip
    yield Variant(put({k: v for k, v in given.items() if k != off}), "missing-argument",
                  "the right tool with an argument left out", KEYS)  # fmt: skip
    yield Variant(put({}), "no-arguments", "the right tool without arguments", KEYS)
    yield Variant(put({**given, key: _other_type(given[key])}), "wrong-type",
                  "a value of another type that reads the same", TYPES)  # fmt: skip
    enum = [k for k in given if isinstance(tool.properties.get(k, {}).get("enum"), list)]
    if enum:
        yield Variant(put({**given, enum[0]: OTHERS["string"]}), "not-in-the-list",
                      "a value that the schema doesn't list", VALUES)  # fmt: skip
    text = [k for k in given if isinstance(given[k], str)]
    if text:
        yield Variant(put({**given, text[0]: f"not {given[text[0]]}"}), "value-within",
                      "a value that holds the right one, denied", VALUES)  # fmt: skip
    turned = dict(zip(given, [*list(given.values())[1:], given[next(iter(given))]], strict=True))
    if len(given) > 1:
        yield Variant(put(turned), "values-swapped",
                      "the right values under each other's names", VALUES)  # fmt: skip


def _whole(asked: Asked) -> Iterator[Variant]:
    """Other tools, and another number of calls."""
    f, rng = facts(asked), random.Random(f"{asked.prompt} ")
    (name, given), rest = f.calls[0], f.calls[1:]
    others = [t.name for t in f.tools if t.name != name] or [UNKNOWN]
    wrong = (others[0], given) if not given else (name, _all_other(f, name, given, rng))
    yield Variant(((others[0], given), *rest), "wrong-tool",
                  "the right arguments to another tool", TOOL)  # fmt: skip
    every = tuple((t.name, given) for t in f.tools)
    if len(every) > 1:
        yield Variant(every, "every-tool", "the right arguments to every tool", ONE)
        yield Variant(tuple((t.name, {}) for t in f.tools), "every-tool-empty",
                      "every tool without arguments", ONE, free=True)  # fmt: skip
    yield Variant((*f.calls, wrong), "right-and-wrong", "the right call and a wrong one", ONE)
    yield Variant((*f.calls, f.calls[0]), "repeated", "the right call, twice", ONE, status="warn")
    if rest:
        yield Variant(f.calls[:1], "call-left-out", "the first of several calls alone", ONE)
    yield Variant((("", {}),), "no-tool", "a call of no tool", TOOL, free=True)
