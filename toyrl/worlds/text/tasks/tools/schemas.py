"""Schemas of tools as public data sets write them, and what of a call they don't allow.

    {"name", "description", "parameters": {"type": "object", "properties", "required"}}
    {"type": "function", "function": {...}}       as OpenAI and TRL have them
    {"name", "parameters": {"city": {"type": "str", "default": ""}}}        as xLAM has them

An argument without a type takes any value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import TaskError

COLUMNS = ("tools", "available_tools", "functions", "function", "tool_schemas")
"""Columns that may hold the schemas, a list of them, one of them, or either as JSON."""
INNER = ("parameters", "input_schema", "inputSchema", "arguments")
KINDS = {
    **dict.fromkeys(("string", "str", "text"), "string"),
    **dict.fromkeys(("integer", "int", "long"), "integer"),
    **dict.fromkeys(("number", "float", "double"), "number"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("array", "list", "tuple", "set"), "array"),
    **dict.fromkeys(("object", "dict", "hashmap", "mapping"), "object"),
}
"""Names of types -> those of JSON; any other allows everything."""


@dataclass(frozen=True)
class Tool:
    """One tool.

    properties : argument -> its schema; required : arguments that a call must have
    """

    name: str
    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def fault(self, arguments: Any) -> str:
        """What a call with these arguments does wrong, or ""."""
        if not isinstance(arguments, Mapping):
            return "its arguments are no object"
        for name in self.required:
            if name not in arguments:
                return f"it lacks the argument {shortened(name)}"
        for name, value in arguments.items():
            if name not in self.properties:
                return f"it has no argument {shortened(name)}"
            schema = self.properties[name]
            if not has_kind(value, kinds_of(schema)):
                return f"{name}={shortened(value)} is no {' or '.join(kinds_of(schema))}"
            allowed = schema.get("enum")
            if isinstance(allowed, list) and not any(equal(value, x) for x in allowed):
                return f"{name}={shortened(value)} is not one of {shortened(allowed)}"
        return ""


def equal(a: Any, b: Any) -> bool:
    """Whether two JSON values are one: true is not 1, and 1.0 is."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(equal(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def kinds_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """JSON types that a property may have; () for any."""
    given = schema.get("type")
    if isinstance(given, list):
        named = [str(x) for x in given]
    else:
        inner = re.sub(r"^Optional\[(.*)\]$", r"\1", str(given or "").split(",")[0].strip())
        named = [re.split(r"[\[<(]", inner)[0].strip()]
    found = [KINDS.get(x.lower(), "" if x.lower() != "null" else "null") for x in named]
    return tuple(found) if all(found) else ()


def has_kind(value: Any, kinds: Sequence[str]) -> bool:
    """Whether a JSON value is of one of these types; none: of any."""
    return not kinds or any(_is(value, kind) for kind in kinds)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or kind == "boolean":
        return isinstance(value, bool) and kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types = {"string": str, "number": int | float, "array": list, "object": Mapping}
    return value is None if kind == "null" else isinstance(value, types[kind])


# -- reading ---------------------------------------------------------------------------------------
def schemas_of(row: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """(column, schemas as they are) of a row; ("", []) without any.

    Raises TaskError for what is no JSON, no list, or no schema.
    """
    name = next((n for n in COLUMNS if row.get(n) is not None), "")
    if not name:
        return "", []
    value = _json(name, row[name])
    many = [value] if isinstance(value, Mapping) else value
    if isinstance(many, list):
        many = [_json(name, x) if str(x)[:1] == "{" else x for x in many]
    if not isinstance(many, list) or not all(isinstance(t, Mapping) for t in many):
        msg = f"{name}={shortened(value)} is no list of schemas, each a mapping with a name"
        raise TaskError(msg)
    return name, many


def tools_of(row: Mapping[str, Any]) -> tuple[Tool, ...]:
    """The tools that a row's schemas describe. Raises TaskError as `schemas_of`, and for a schema
    without a name."""
    column, found = schemas_of(row)
    return tuple(tool_of(x, column) for x in found)


def tool_of(schema: Mapping[str, Any], column: str = "tools") -> Tool:
    """One tool. Raises TaskError for a schema without a name."""
    own = schema.get("function", schema)
    name = own.get("name") if isinstance(own, Mapping) else None
    if not isinstance(name, str) or not name:
        msg = (
            f"{column}: the schema {shortened(schema)} has no name; write "
            '{"name", "parameters"}, alone or as {"type": "function", "function": ...}'
        )
        raise TaskError(msg)
    given = _json(column, next((own[k] for k in INNER if own.get(k) is not None), {}))
    if not isinstance(given, Mapping):
        msg = f"{column}: the parameters of {name}, {shortened(given)}, are no mapping"
        raise TaskError(msg)
    inner = given.get("properties")
    if isinstance(inner, Mapping):
        properties = {k: v for k, v in inner.items() if isinstance(v, Mapping)}
        asked = given.get("required")
        named = [k for k in asked if isinstance(k, str)] if isinstance(asked, list) else []
        required = [k for k in named if k in properties]
    else:  # xLAM: the properties themselves
        properties = {k: v for k, v in given.items() if isinstance(v, Mapping)}
        required = [k for k, v in properties.items() if not _optional(v)]
    return Tool(name, properties, tuple(required))


def _optional(schema: Mapping[str, Any]) -> bool:
    return "default" in schema or "optional" in str(schema.get("type", "")).lower()


def _json(column: str, value: Any) -> Any:
    """JSON as text as what it says. Raises TaskError for text that is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        msg = f"{column}={shortened(value)} is no JSON ({error}); give a list of schemas"
        raise TaskError(msg) from error
