"""Calls of tools: read from gold columns and from answers, and compared.

A gold call is written as `{"name", "arguments"}` (or "parameters", or under "function"), as
`{tool: {argument: [values that are right]}}` in BFCL's possible answers, alone, in a list, as JSON,
one a line between <tool_call> tags, or in the last message of an assistant.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.tools.schemas import Tool, equal

Call = tuple[str, Any]
"""Name and arguments, a mapping where nothing is wrong."""
KEYS = ("arguments", "parameters")
LEFT_OUT = ""
"""Among BFCL's values of an argument: it may be left out."""
TAGS = re.compile(r"<tool_calls?>(.*?)</tool_calls?>", re.DOTALL)
MOST = 16  # calls of one answer that are matched
UNREADABLE = (
    'give {"name", "arguments"}, a list of such calls, or {tool: {argument: [values]}}, each as '
    "it is or as JSON"
)


@dataclass(frozen=True)
class Expected:
    """A call that is asked for.

    values : argument -> values that are right, the usual one first; none: to be left out
    loose : arguments that may be left out; listed : values inside of mappings are lists of right
        ones too, as in BFCL
    """

    name: str
    values: Mapping[str, tuple[Any, ...]]
    loose: frozenset[str] = frozenset()
    listed: bool = False

    @property
    def usual(self) -> Call:
        """The call as it is usually written."""
        given = {k: _plain(v[0]) if self.listed else v[0] for k, v in self.values.items() if v}
        return self.name, given

    def allows(self, argument: str, value: Any) -> bool:
        """Whether a value of an argument is right."""
        right = self.values.get(argument, ())
        same = _listed if self.listed else equal
        return any(same(x, value) for x in right)

    def fits(self, call: Call, tools: Sequence[Tool]) -> bool:
        """Whether a call is this one.

        An argument that has its default by the schema counts as left out, and one left out as its
        default. What the schema doesn't allow is wrong, unless the gold call does that itself.
        """
        name, said = call
        if name != self.name or not isinstance(said, Mapping):
            return False
        tool = next((t for t in tools if t.name == name), None)
        default = {k: v["default"] for k, v in tool.properties.items() if "default" in v} if (
            tool is not None) else {}  # fmt: skip
        for argument, value in said.items():
            at_default = argument in default and equal(default[argument], value)
            if not self.allows(argument, value) and not (
                at_default and argument not in self.values
            ):
                return False
        for argument in self.values.keys() - said.keys() - self.loose:
            if not (argument in default and self.allows(argument, default[argument])):
                return False
        return tool is None or not tool.fault(said) or bool(tool.fault(self.usual[1]))


def _listed(right: Any, value: Any) -> bool:
    """BFCL: whether a value is right where mappings hold lists of right values."""
    if isinstance(right, Mapping) and isinstance(value, Mapping):
        missing = [k for k in right.keys() - value.keys() if LEFT_OUT not in _many(right[k])]
        return not missing and all(
            k in right and any(_listed(x, v) for x in _many(right[k])) for k, v in value.items()
        )
    if isinstance(right, list) and isinstance(value, list):
        return len(right) == len(value) and all(map(_listed, right, value))
    return equal(right, value)


def _plain(right: Any) -> Any:
    """BFCL: the usual value where mappings hold lists of right ones."""
    if isinstance(right, Mapping):
        told = {k: [x for x in _many(v) if x != LEFT_OUT] for k, v in right.items()}
        return {k: _plain(v[0]) for k, v in told.items() if v}
    return [_plain(x) for x in right] if isinstance(right, list) else right


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def same_calls(expected: Sequence[Expected], said: Sequence[Call], tools: Sequence[Tool]) -> bool:
    """Whether these are the calls that are asked for, each once, in any order: they are made
    together."""
    if len(expected) != len(said) or len(said) > MOST:
        return False
    if not expected:
        return True
    first, rest = expected[0], expected[1:]
    for i, call in enumerate(said):
        if first.fits(call, tools) and same_calls(rest, [*said[:i], *said[i + 1 :]], tools):
            return True
    return False


# -- answers ---------------------------------------------------------------------------------------
def said_calls(text: str, key: str) -> list[Call] | None:
    """The calls that an answer makes, as JSON; None where it makes none that can be read.

    text : an object, a list of them, or one a line; key : "arguments" or "parameters"
    """
    found = _values(text)
    if not found:
        return None
    calls = [_said(x, key) for x in found]
    return None if any(c is None for c in calls) else [c for c in calls if c is not None]


def _values(text: str) -> list[Any]:
    """The objects of an answer; [] for what is no JSON."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        try:
            found = [json.loads(line) for line in text.strip().splitlines()]
        except (ValueError, RecursionError):
            return []
    return found if isinstance(found, list) else [found]


def _said(value: Any, key: str) -> Call | None:
    if not isinstance(value, dict):
        return None
    if isinstance(value.get("function"), dict):  # of a message: a server may have read it or not
        value = value["function"]
        arguments = value.get(key)
        if isinstance(arguments, str):
            try:
                value = {**value, key: json.loads(arguments)}
            except (ValueError, RecursionError):
                return None
    if set(value) != {"name", key} or not isinstance(value["name"], str):
        return None
    return value["name"], value[key]


# -- gold ------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Gold:
    """Gold calls, and how they are written: under which key, "one", in a "list", or as "lines"."""

    calls: tuple[Expected, ...]
    key: str = "arguments"
    many: str = "one"


def gold_of(value: Any) -> Gold:
    """The gold calls of a column's value, none for an empty list.

    Raises TaskError for what is no call.
    """
    given, many = value, "one"
    if isinstance(value, str):
        blocks = TAGS.findall(value)
        given = _lines("\n".join(blocks), value) if blocks else _json(value)
        many = "lines" if blocks else many
    if isinstance(given, list):
        many = many if many == "lines" else "list"
        listed = [_json(x) if isinstance(x, str) else x for x in given]
    else:
        listed = [given]
    found = [_gold_call(x) for x in listed]
    keys = [key for _, key in found if key]
    return Gold(tuple(c for c, _ in found), keys[0] if keys else KEYS[0], many)


def _lines(text: str, value: Any) -> list[Any]:
    """Calls between tags: one a line, or JSON over several."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return [_json(x, value) for x in text.splitlines() if x.strip()]
    return found if isinstance(found, list) else [found]


def _json(text: str, whole: Any = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = shortened(text if whole is None else whole)
        msg = f"{shown} is no call: it is no JSON ({error}); {UNREADABLE}"
        raise TaskError(msg) from error


def _gold_call(value: Any) -> tuple[Expected, str]:
    """A call, and the key of its arguments ("" where the form has none)."""
    own = value.get("function", value) if isinstance(value, Mapping) else value
    if isinstance(own, Mapping) and isinstance(own.get("name"), str):
        key = next((k for k in KEYS if own.get(k) is not None), KEYS[0])
        given = own.get(key) or {}
        given = _json(given) if isinstance(given, str) else given
        if isinstance(given, Mapping):
            return Expected(own["name"], {k: (v,) for k, v in given.items()}), key
    elif isinstance(own, Mapping) and len(own) == 1:
        name, given = next(iter(own.items()))
        if isinstance(given, Mapping) and all(isinstance(v, list) for v in given.values()):
            values = {k: tuple(x for x in v if x != LEFT_OUT) for k, v in given.items()}
            loose = frozenset(k for k, v in given.items() if LEFT_OUT in v or not v)
            return Expected(str(name), values, loose, listed=True), ""
    msg = f"{shortened(value)} is no call; {UNREADABLE}"
    raise TaskError(msg)
