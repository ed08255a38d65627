"""Catalogue expressions: rewards written as text, and back.

Grammar (a subset of Python's, read with `ast`, never evaluated)::

    reward   := term (("+" | "-") term)*
    term     := number "*" factor | schedule "*" factor | factor ("*" | "/") number | factor
    factor   := name "(" arguments ")" | "-" factor | "(" reward ")"
    argument := number | schedule | reward | None | True | False | "text" | (argument, ...)
    schedule := constant(v) | linear(start, end, steps) | cosine_anneal(start, end, steps)
              | step_at(before, after, at)

Names and arguments are those of the catalogue (`toyrl list`). Examples: ``laser(target=0.5)``,
``outcome() - 0.3*linear_length()``, ``clipped(outcome() + overlong(), 0, 1)``,
``crf(s=linear(1, 0, 300))``.
"""

from __future__ import annotations

import ast
import difflib
import json
import math
import operator
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

from toyrl import registry, schemas
from toyrl.estimators.base import Estimator
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Scaled, Sum
from toyrl.shapers.schedules import SCHEDULES

MAX_LENGTH = 10_000
_ARITHMETIC: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_CONSTANT_NAMES = {"inf": math.inf, "pi": math.pi}


class ExpressionError(ValueError):
    """A catalogue expression that cannot be read; the message names the column (from 1)."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        self.text, self.column, self.problem = text, column, problem
        shown = text if len(text) <= 120 else text[:117] + "..."
        super().__init__(f"{problem} (column {column} of {shown!r})")


def parse(text: str) -> Shaper:
    """The shaper that a catalogue expression denotes.

    Raises ExpressionError, which names the column, the unknown name with near names, and the
    arguments that are allowed. Nothing in the text is executed.
    """
    if len(text) > MAX_LENGTH:
        problem = f"the expression has {len(text)} characters, more than {MAX_LENGTH}"
        raise ExpressionError(text[:40] + "...", 1, problem)
    stripped = text.strip()
    try:
        tree = ast.parse(stripped, mode="eval").body
        value = _Reader(stripped).value(tree)
    except SyntaxError as error:
        message = f"not an expression: {error.msg}"
        raise ExpressionError(stripped, error.offset or 1, message) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(stripped, 1, "the expression is nested too deeply") from None
    except ExpressionError:
        raise
    except ValueError as error:  # null bytes, numbers with thousands of digits
        raise ExpressionError(stripped, 1, str(error)) from None
    if not isinstance(value, Shaper):
        problem = f"this is {value!r}, not a reward; write for example outcome()"
        raise ExpressionError(stripped, 1, problem)
    return value


def parse_estimator(text: str) -> Estimator:
    """The estimator written as `name` or `name(field=value, ...)`; its named preset, changed.

    Raises KeyError for an unknown name (with near ones), ExpressionError for anything else.
    """
    stripped = text.strip()
    try:
        tree = ast.parse(stripped, mode="eval").body
    except (SyntaxError, ValueError):
        raise ExpressionError(stripped, 1, "write an estimator as name or name(field=1)") from None
    call = tree if isinstance(tree, ast.Call) else None
    head = call.func if call else tree
    plain_call = call is None or not (call.args or any(not k.arg for k in call.keywords))
    if not isinstance(head, ast.Name) or not plain_call:
        raise ExpressionError(stripped, 1, "write an estimator as name or name(field=1)")
    target = registry.get("estimator", head.id).target
    reader = _Reader(stripped)
    values = {str(k.arg): reader.value(k.value) for k in call.keywords} if call else {}
    known = [f.name for f in fields(target)]
    unknown = [n for n in values if n not in known]
    if unknown:
        problem = f"{head.id} has no field {unknown[0]!r}; it has {', '.join(known) or 'none'}"
        raise ExpressionError(stripped, 1, problem)
    try:
        return target(**values) if isinstance(target, type) else replace(target, **values)
    except (TypeError, ValueError) as error:
        raise ExpressionError(stripped, 1, str(error)) from None


class _Reader:
    """Turns syntax nodes into numbers, schedules and shapers."""

    def __init__(self, text: str) -> None:
        self.text = text

    def fail(self, node: ast.AST, problem: str) -> ExpressionError:
        return ExpressionError(self.text, getattr(node, "col_offset", 0) + 1, problem)

    def value(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, (bool, int, float, str)):
                return node.value
            raise self.fail(node, f"{node.value!r} is no number, text, True, False or None")
        if isinstance(node, (ast.Tuple, ast.List)):
            return tuple(self.value(item) for item in node.elts)
        if isinstance(node, ast.UnaryOp):
            return self.unary(node)
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Name):
            return self.name(node)
        kind = type(node).__name__
        raise self.fail(node, f"{kind} is not allowed; use names, numbers, +, -, *, / and calls")

    def name(self, node: ast.Name) -> Any:
        if node.id in _CONSTANT_NAMES:
            return _CONSTANT_NAMES[node.id]
        if node.id in SCHEDULES or ("shaper", node.id) in _shapers():
            raise self.fail(node, f"{node.id} is called with brackets: write {node.id}()")
        raise self.fail(node, _unknown(node.id))

    def unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.UAdd) and (_number(value) or isinstance(value, Shaper)):
            return value
        if isinstance(node.op, ast.USub) and _number(value):
            return -value
        if isinstance(node.op, ast.USub) and isinstance(value, Shaper):
            return _negated(value)
        raise self.fail(node, "a sign stands before a number or a reward only")

    def binary(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            spine = self.sum(node)
            if spine is not None:
                return spine
        left, right = self.value(node.left), self.value(node.right)
        if _number(left) and _number(right) and type(node.op) in _ARITHMETIC:
            return self.arithmetic(node, left, right)
        if isinstance(node.op, ast.Mult):
            for term, weight in ((right, left), (left, right)):
                if isinstance(term, Shaper) and _weight(weight):
                    return Scaled(term, weight)
        if isinstance(node.op, ast.Div) and isinstance(left, Shaper) and _number(right):
            return Scaled(left, self.arithmetic(node, 1.0, right))
        if isinstance(left, Shaper) and isinstance(right, Shaper):
            raise self.fail(node, "rewards are added, subtracted or times a number; to pay one only"
                                  " for right answers write gated(...)")  # fmt: skip
        raise self.fail(node, f"cannot combine {_kind(left)} and {_kind(right)} like this")

    def sum(self, node: ast.BinOp) -> Sum | None:
        """A chain of + and - of rewards as one flat sum; None if it is arithmetic on numbers."""
        signed: list[tuple[ast.AST, bool]] = []
        spine: ast.AST = node
        while isinstance(spine, ast.BinOp) and isinstance(spine.op, (ast.Add, ast.Sub)):
            signed.append((spine.right, isinstance(spine.op, ast.Sub)))
            spine = spine.left
        signed.append((spine, False))
        terms = [(item, self.value(item), minus) for item, minus in reversed(signed)]
        if all(_number(value) for _, value, _ in terms):
            return None
        for item, value, _ in terms:
            if not isinstance(value, Shaper):
                raise self.fail(
                    item, f"{_kind(value)} cannot be added to a reward; give it a weight"
                )
        return Sum(tuple(_negated(v) if minus else v for _, v, minus in terms))

    def arithmetic(self, node: ast.BinOp, left: float, right: float) -> float:
        try:
            return _ARITHMETIC[type(node.op)](left, right)
        except (ZeroDivisionError, OverflowError) as error:
            raise self.fail(node, f"{left} and {right}: {error}") from None

    def call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "only catalogue names are called, without dots")
        name = node.func.id
        if name in SCHEDULES:
            target: Any = SCHEDULES[name]
        else:
            target = _shapers().get(("shaper", name))
            if target is None:
                raise self.fail(node, _unknown(name))
        arguments = self.arguments(node, name, target)
        try:
            if not isinstance(target, type):
                return replace(target, **arguments) if arguments else target
            return target(**arguments)
        except (TypeError, ValueError) as error:
            raise self.fail(node, f"{name}: {error}") from None

    def arguments(self, node: ast.Call, name: str, target: Any) -> dict[str, Any]:
        known = {f.name: f for f in fields(target)}
        allowed = f"allowed: {', '.join(known) or 'none'}"
        if len(node.args) > len(known):
            extra = node.args[len(known)]
            raise self.fail(extra, f"{name} takes at most {len(known)} arguments; {allowed}")
        pairs = [(n, a, a) for n, a in zip(known, node.args, strict=False)]
        pairs += [(k.arg, k.value, k) for k in node.keywords]
        out: dict[str, Any] = {}
        for key, value, where in pairs:
            if key is None:
                raise self.fail(where, "** is not allowed; write name=value")
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise self.fail(where, f"{name} has no argument {key!r}; {hint}{allowed}")
            if key in out:
                raise self.fail(where, f"{name} got {key!r} twice")
            out[key] = self.typed(value, name, known[key])
        missing = [n for n, f in known.items() if _required(f) and n not in out]
        if missing and isinstance(target, type):
            raise self.fail(node, f"{name} needs {', '.join(missing)}; {allowed}")
        return out

    def typed(self, node: ast.AST, name: str, field: Any) -> Any:
        """An argument's value, refused where a reward stands for a number or the reverse."""
        value = self.value(node)
        wants = str(field.type)
        if wants == "Shaper" and not isinstance(value, Shaper):
            raise self.fail(node, f"{name}({field.name}=...) is a reward, not {_kind(value)}")
        if wants.startswith("tuple[Shaper") and not (
            isinstance(value, tuple) and all(isinstance(v, Shaper) for v in value)
        ):
            raise self.fail(node, f"{name}({field.name}=...) is a list of rewards")
        if isinstance(value, Shaper) and _number(field.default):
            raise self.fail(node, f"{name}({field.name}=...) is a number, not a reward")
        if isinstance(value, bool | str) and _number(field.default):
            raise self.fail(node, f"{name}({field.name}=...) is a number, not {value!r}")
        return value


def _shapers() -> dict[tuple[str, str], Any]:
    return {("shaper", e.name): e.target for e in registry.entries("shaper")}


def _unknown(name: str) -> str:
    names = sorted([*SCHEDULES, *(n for _, n in _shapers())])
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(names)}"
    return f"no reward is called {name!r}; {hint}"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _weight(value: Any) -> bool:
    return _number(value) or isinstance(value, tuple(SCHEDULES.values()))


def _kind(value: Any) -> str:
    if isinstance(value, Shaper):
        return "a reward"
    return "a schedule" if _weight(value) and not _number(value) else repr(value)


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _negated(term: Shaper) -> Shaper:
    """-term; a numeric weight changes its sign instead of being wrapped again."""
    if isinstance(term, Scaled) and _number(term.weight):
        return Scaled(term.term, -term.weight)
    return Scaled(term, -1.0)


# -- back to text ------------------------------------------------------------------------------
def to_expression(shaper: Shaper) -> str:
    """The catalogue expression of a shaper; `parse` gives back an equal one.

    Arguments at their defaults are left out. Raises ValueError for shapers that are not in the
    catalogue and for weights that are arrays of more than one number.
    """
    if isinstance(shaper, Sum) and len(shaper.terms) > 1:
        head, *rest = shaper.terms
        return _member(head) + "".join(_signed(t) for t in rest)
    return _member(shaper)


def _signed(term: Shaper) -> str:
    """A later member of a sum with its sign before it."""
    if isinstance(term, Scaled) and _number(term.weight):
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


def _call(name: str, node: Any) -> str:
    required = [f.name for f in fields(node) if _required(f)]  # these come first, without a name
    shown = [_text(v) if k in required else f"{k}={_text(v)}" for k, v in _changed(node).items()]
    return f"{name}({', '.join(shown)})"


def _text(value: Any) -> str:
    value = plain(value)
    if isinstance(value, Shaper):
        return to_expression(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    name = _schedule_name(value)
    return _call(name, value) if name else repr(value)


def plain(value: Any) -> Any:
    """Arrays of one number as Python numbers; everything else unchanged."""
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
        if f.default is MISSING or type(value) is not type(f.default) or value != f.default:
            out[f.name] = value
    return out


def shaper_name(shaper: Shaper) -> str:
    """The catalogue name of a shaper."""
    for e in registry.entries("shaper"):
        if e.target is type(shaper) or e.target == shaper:
            return e.name
    msg = f"{type(shaper).__name__} is not in the catalogue, so it has no expression"
    raise ValueError(msg)


def _schedule_name(value: Any) -> str | None:
    return next((n for n, c in SCHEDULES.items() if type(value) is c), None)


# -- JSON --------------------------------------------------------------------------------------
def to_json(shaper: Shaper) -> str:
    """JSON with the expression (exact: numbers are written in full) and a schema name."""
    return json.dumps({"schema": schemas.tag("shaper"), "expression": to_expression(shaper)})


def from_json(text: str) -> Shaper:
    """Inverse of `to_json`; `toyrl.schemas.SchemaError` (a ValueError) for another schema."""
    data = json.loads(text)
    schemas.check(data, "shaper", "the text")
    return parse(data["expression"])
