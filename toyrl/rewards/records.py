"""Rewards of one record: `def score(self, input: RewardInput)`, as DeepScaleR and early rllm have.

The record's class stands in the annotation; its fields are filled by their names. Read inside the
sandboxed child: standard library only.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

FORM = "record"
CARRIERS = ("metadata", "info", "extra_info", "extra")


def record_class(function: Any, texts: Collection[str]) -> type | None:
    """The class of the function's one required parameter, if one of its fields is a completion.

    texts : names of fields that hold the completion
    """
    needed = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if len(needed) != 1:
        return None
    found = _annotation(function, needed[0])
    return found if found is not None and set(_fields(found)) & set(texts) else None


def filled(record: type, values: Mapping[str, Any]) -> Any:
    """An object of the record's class; fields that have no value here keep their default.

    An enumeration without a default is its first member. TypeError names fields that are left.
    """
    given = {}
    for name, parameter in _fields(record).items():
        note = parameter.annotation
        if name in values:
            given[name] = values[name]
        elif parameter.default is parameter.empty and _is(note, enum.Enum):
            given[name] = next(iter(note))
    return record(**given)


def _fields(record: type) -> Mapping[str, inspect.Parameter]:
    if not (dataclasses.is_dataclass(record) or hasattr(record, "__annotations__")):
        return {}
    try:
        found = inspect.signature(record).parameters
    except (TypeError, ValueError):
        return {}
    hints = _hints(record)
    return {n: p.replace(annotation=hints.get(n, p.annotation)) for n, p in found.items()}


def _annotation(function: Any, parameter: inspect.Parameter) -> type | None:
    """The class that a parameter is annotated with, also where annotations are text."""
    note = parameter.annotation
    if isinstance(note, str):
        owner: Any = function if inspect.isroutine(function) else type(function).__call__
        note = _hints(owner).get(parameter.name)
    return note if inspect.isclass(note) and not issubclass(note, (str, dict, list)) else None


def _hints(thing: Callable[..., Any] | type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(thing)
    except Exception:  # a name that exists for the type checker only
        return {}


def _is(note: Any, kind: type) -> bool:
    return inspect.isclass(note) and issubclass(note, kind)
