"""Writing expressions: rewards, estimators and objectives back to text, and rewards to JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from toyrl import registry, schemas
from toyrl.estimators.base import Estimator
from toyrl.expressions.read import number, parse, required
from toyrl.graders.parts import TaskReward
from toyrl.objectives import compose as objectives
from toyrl.objectives.base import Objective
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Scaled, Sum
from toyrl.shapers.schedules import SCHEDULES


def to_expression(thing: Shaper | Estimator | Objective | TaskReward) -> str:
    """The catalogue expression; `parse` or its sister for the kind of thing reads it back.

    Arguments at their defaults are left out; an estimator or objective is written as the preset
    that differs from it in the fewest fields. What is read back equals the thing, except that
    sums of objectives inside a sum of objectives become one flat sum. Raises ValueError for what
    is not in the catalogue and for weights that are arrays of more than one number.
    """
    if isinstance(thing, Sum) and len(thing.terms) > 1:
        head, *rest = thing.terms
        return _member(head) + "".join(_signed(t) for t in rest)
    if isinstance(thing, Shaper):
        return _member(thing)
    if isinstance(thing, TaskReward):
        return _call(_name("grader", thing), thing)
    if isinstance(thing, objectives.Sum):
        return " + ".join(map(to_expression, thing.terms))
    return _preset(thing, "estimator" if isinstance(thing, Estimator) else "objective")


def _signed(term: Shaper) -> str:
    """A later member of a sum with its sign before it."""
    if isinstance(term, Scaled) and number(term.weight):
        negative = term.weight < 0 or math.copysign(1.0, term.weight) < 0
        if negative and term.weight == -1.0 and not isinstance(term.term, Scaled):
            return f" - {_member(term.term)}"
        if negative and term.weight != -1.0:
            return f" - {_member(Scaled(term.term, -term.weight))}"
    return f" + {_member(term)}"


def _member(term: Shaper) -> str:
    if isinstance(term, Scaled):
        inner = _member(term.term)
        weight = plain(term.weight)
        if isinstance(term.term, Scaled):
            return f"{_text(weight)}*({inner})"
        return f"-{inner}" if weight == -1.0 else f"{_text(weight)}*{inner}"
    return _call(shaper_name(term), term)


def _preset(thing: Any, kind: str) -> str:
    """name(field=value, ...), changed from the nearest preset of the same class."""
    near = [e for e in registry.entries(kind) if type(e.target) is type(thing)]
    if not near:
        msg = f"{type(thing).__name__} is not in the catalogue, so it has no expression"
        raise ValueError(msg)
    base = min(near, key=lambda e: (len(_differences(thing, e.target)), e.name))
    shown = [f"{k}={_text(v)}" for k, v in _differences(thing, base.target).items()]
    return f"{base.name}({', '.join(shown)})"


def _differences(thing: Any, preset: Any) -> dict[str, Any]:
    return {
        f.name: getattr(thing, f.name)
        for f in fields(thing)
        if not _same(plain(getattr(thing, f.name)), getattr(preset, f.name))
    }


def _same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other


def _call(name: str, node: Any) -> str:
    first = [f.name for f in fields(node) if required(f)]  # these come first, without a name
    shown = [_text(v) if k in first else f"{k}={_text(v)}" for k, v in _changed(node).items()]
    return f"{name}({', '.join(shown)})"


def _text(value: Any) -> str:
    value = plain(value)
    if isinstance(value, (Shaper, Estimator, Objective)):
        return to_expression(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_text(v)}' for k, v in value.items())}}}"
    name = _schedule_name(value)
    return _call(name, value) if name else repr(value)


def plain(value: Any) -> Any:
    """Arrays of one number as Python numbers; everything else unchanged.

    Raises ValueError for an array of more than one number.
    """
    if hasattr(value, "dtype"):
        if math.prod(value.shape) != 1:
            msg = f"a weight of shape {tuple(value.shape)} has no expression; take one entry of it"
            raise ValueError(msg)
        return float(value)
    return value


def _changed(node: Any) -> dict[str, Any]:
    out = {}
    for f in fields(node):
        value = plain(getattr(node, f.name))
        if f.default is MISSING or not _same(value, f.default):
            out[f.name] = value
    return out


def shaper_name(shaper: Shaper) -> str:
    """The catalogue name of a shaper.

    Raises ValueError for a shaper that is not in the catalogue.
    """
    return _name("shaper", shaper)


def _name(kind: str, thing: Any) -> str:
    for e in registry.entries(kind):
        if e.target is type(thing):
            return e.name
    msg = f"{type(thing).__name__} is not in the catalogue, so it has no expression"
    raise ValueError(msg)


def _schedule_name(value: Any) -> str | None:
    return next((n for n, c in SCHEDULES.items() if type(value) is c), None)


def shown(thing: Any) -> str:
    """The repr of a shaper, estimator or objective: its expression, else its fields by name."""
    try:
        return to_expression(thing)
    except Exception:  # not in the catalogue, arrays, traced numbers: a repr must not fail
        own = fields(thing) if is_dataclass(thing) else ()
        inside = ", ".join(f"{f.name}={getattr(thing, f.name)!r}" for f in own)
        return f"{type(thing).__qualname__}({inside})"


# -- JSON --------------------------------------------------------------------------------------
def to_json(shaper: Shaper) -> str:
    """JSON with the expression (exact: numbers are written in full) and a schema name."""
    return json.dumps({"schema": schemas.tag("shaper"), "expression": to_expression(shaper)})


def from_json(text: str) -> Shaper:
    """Inverse of `to_json`; refuses other schemas.

    Raises `toyrl.schemas.SchemaError`, a ValueError, for another schema.
    """
    data = json.loads(text)
    schemas.check(data, "shaper", "the text")
    return parse(data["expression"])
