"""Reading expressions: text -> rewards, estimators, objectives. Nothing is executed."""

from __future__ import annotations

import ast
import difflib
import math
import operator
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

from toyrl import ranges, registry
from toyrl.estimators.base import Estimator
from toyrl.graders.parts import TaskReward
from toyrl.messages import shortened
from toyrl.objectives import compose as objectives
from toyrl.objectives.base import Objective
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
_TYPES: dict[str, type] = {
    "shaper": Shaper, "estimator": Estimator, "objective": Objective, "grader": TaskReward,
}  # fmt: skip
_SAID = {
    "shaper": "reward", "estimator": "estimator", "objective": "objective",
    "grader": "reward of a task",
}  # fmt: skip
_EXAMPLES = {
    "shaper": "outcome()", "estimator": "grpo(eps=0)", "objective": "dapo()",
    "grader": "tool_calls()",
}  # fmt: skip


class ExpressionError(ValueError):
    """A catalogue expression that cannot be read; the message names the column (from 1)."""

    def __init__(self, text: str, column: int, problem: str) -> None:
        self.text, self.column, self.problem = text, column, problem
        super().__init__(f"{problem} (column {column} of {shortened(text, 120)})")


def parse(text: str) -> Shaper:
    """The shaper that a catalogue expression denotes.

    Raises ExpressionError, which names the column, the unknown name with near names, and the
    arguments that are allowed. Nothing in the text is executed.
    """
    return _parsed(text, "shaper")


def parse_estimator(text: str) -> Estimator:
    """The estimator written as `name` or `name(field=value, ...)`; its named preset, changed.

    A field that is an estimator is written in the same way: `averaged(inner=grpo_population())`.
    Raises ExpressionError as `parse` does.
    """
    return _parsed(text, "estimator")


def parse_objective(text: str) -> Objective:
    """The objective written as `name` or `name(field=value, ...)`, or a sum: `grpo() + kl_k3()`.

    Raises ExpressionError as `parse` does.
    """
    return _parsed(text, "objective")


def parse_grader(text: str) -> TaskReward:
    """The reward of a task written as `name` or `name(field=value, ...)`.

    Raises ExpressionError as `parse` does.
    """
    return _parsed(text, "grader")


def _parsed(text: str, kind: str) -> Any:
    if len(text) > MAX_LENGTH:
        problem = f"the expression has {len(text)} characters, more than {MAX_LENGTH}"
        raise ExpressionError(text, 1, problem)
    stripped = text.strip()
    try:
        tree = ast.parse(stripped, mode="eval").body
        value = _Reader(stripped, kind).value(tree)
        if kind == "grader" and isinstance(value, type):
            value = value()
    except SyntaxError as error:
        digits = "integer string conversion" in str(error.msg)
        message = "a number has too many digits" if digits else f"not an expression: {error.msg}"
        raise ExpressionError(stripped, error.offset or 1, message) from None
    except (RecursionError, MemoryError):
        raise ExpressionError(stripped, 1, "the expression is nested too deeply") from None
    except ExpressionError:
        raise
    except ValueError as error:  # null bytes
        raise ExpressionError(stripped, 1, str(error)) from None
    if not isinstance(value, _TYPES[kind]):
        said = f"this is {shortened(value)}, not {_a(_SAID[kind])}"
        problem = f"{said}; write for example {_EXAMPLES[kind]}"
        raise ExpressionError(stripped, 1, problem)
    return value


class _Reader:
    """Turns syntax nodes into numbers, schedules and things of one kind."""

    def __init__(self, text: str, kind: str) -> None:
        self.text, self.kind = text, kind

    def fail(self, node: ast.AST, problem: str) -> ExpressionError:
        return ExpressionError(self.text, getattr(node, "col_offset", 0) + 1, problem)

    def value(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, (bool, int, float, str)):
                return node.value
            raise self.fail(
                node, f"{shortened(node.value)} is no number, text, True, False or None"
            )
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
        known = self.known(node.id)
        if known is not None and self.kind != "shaper":
            return known
        if node.id in SCHEDULES or known is not None:
            raise self.fail(node, f"{node.id} is called with brackets: write {node.id}()")
        raise self.fail(node, self.unknown(node.id))

    def known(self, name: str) -> Any:
        """The target of that name and of this reader's kind, or None."""
        return registry.find(self.kind, name)

    def unknown(self, name: str) -> str:
        near = registry.suggestion(name, self.kind, tuple(SCHEDULES))
        return f"no {_SAID[self.kind]} is called {shortened(name)}; {near}"

    def unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.UAdd) and (number(value) or isinstance(value, Shaper)):
            return value
        if isinstance(node.op, ast.USub) and number(value):
            return -value
        if isinstance(node.op, ast.USub) and isinstance(value, Shaper):
            return negated(value)
        raise self.fail(node, "a sign stands before a number or a reward only")

    def binary(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, (ast.Add, ast.Sub)) and self.kind == "shaper":
            spine = self.sum(node)
            if spine is not None:
                return spine
        left, right = self.value(node.left), self.value(node.right)
        if number(left) and number(right) and type(node.op) in _ARITHMETIC:
            return self.arithmetic(node, left, right)
        if isinstance(node.op, ast.Mult):
            for term, weight in ((right, left), (left, right)):
                if isinstance(term, Shaper) and _weight(weight):
                    return self.scaled(node, term, weight)
        if isinstance(node.op, ast.Div) and isinstance(left, Shaper) and number(right):
            return self.scaled(node, left, self.arithmetic(node, 1.0, right))
        if isinstance(left, Shaper) and isinstance(right, Shaper):
            raise self.fail(node, "rewards are added, subtracted or times a number; to pay one only"
                                  " for right answers write gated(...)")  # fmt: skip
        if isinstance(left, Objective) and isinstance(right, Objective):
            if isinstance(node.op, ast.Add):
                return objectives.Sum((*_terms(left), *_terms(right)))
            raise self.fail(node, "objectives are added only; their weights are fields")
        raise self.fail(node, f"cannot combine {_kind(left)} and {_kind(right)} like this")

    def scaled(self, node: ast.AST, term: Shaper, weight: Any) -> Scaled:
        """The term times a weight; one that isn't finite (times an inner one) is refused."""
        if isinstance(term, Scaled) and number(weight) and number(term.weight):
            self.finite(node, weight * term.weight)
        try:
            return Scaled(term, weight)
        except ValueError as error:
            raise self.fail(node, str(error)) from None

    def finite(self, node: ast.AST, weight: float) -> None:
        if not math.isfinite(weight):
            raise self.fail(node, f"weight={weight} is not a finite number")

    def sum(self, node: ast.BinOp) -> Sum | None:
        """A chain of + and - of rewards as one flat sum; None if it is arithmetic on numbers."""
        signed: list[tuple[ast.AST, bool]] = []
        spine: ast.AST = node
        while isinstance(spine, ast.BinOp) and isinstance(spine.op, (ast.Add, ast.Sub)):
            signed.append((spine.right, isinstance(spine.op, ast.Sub)))
            spine = spine.left
        signed.append((spine, False))
        terms = [(item, self.value(item), minus) for item, minus in reversed(signed)]
        if all(number(value) for _, value, _ in terms):
            return None
        for item, value, _ in terms:
            if not isinstance(value, Shaper):
                raise self.fail(
                    item, f"{_kind(value)} cannot be added to a reward; give it a weight"
                )
        return Sum(tuple(negated(v) if minus else v for _, v, minus in terms))

    def arithmetic(self, node: ast.BinOp, left: float, right: float) -> float:
        try:
            return _ARITHMETIC[type(node.op)](left, right)
        except (ZeroDivisionError, OverflowError) as error:
            said = f"{shortened(left)} and {shortened(right)}: {error}"
            raise self.fail(node, said) from None

    def call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "only catalogue names are called, without dots")
        name = node.func.id
        if name in SCHEDULES:
            target: Any = SCHEDULES[name]
        else:
            target = self.known(name)
            if target is None:
                raise self.fail(node, self.unknown(name))
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
        if node.args and not isinstance(target, type):
            first = next(iter(known), "field")
            problem = f"{name} is a preset: write its fields by name, {name}({first}=...)"
            raise self.fail(node.args[0], problem)
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
                raise self.fail(where, f"{name} has no argument {shortened(key)}; {hint}{allowed}")
            if key in out:
                raise self.fail(where, f"{name} got {shortened(key)} twice")
            problem = ranges.fault(
                target, key, worth := self.typed(value, name, known[key], target)
            )
            if problem:
                raise self.fail(value, f"{name}: {problem}")
            out[key] = worth
        missing = [n for n, f in known.items() if required(f) and n not in out]
        if missing and isinstance(target, type):
            raise self.fail(node, f"{name} needs {', '.join(missing)}; {allowed}")
        return out

    def typed(self, node: ast.AST, name: str, field: Any, target: Any) -> Any:
        """An argument's value, refused where a reward stands for a number or the reverse."""
        wants = str(field.type)
        kind = _child_kind(wants)
        if kind not in (None, self.kind):
            return _Reader(self.text, kind).typed(node, name, field, target)
        if isinstance(node, ast.Dict) and wants.startswith("Mapping"):
            return self.mapping(node)
        value = self.value(node)
        if kind in ("estimator", "objective"):
            return self.member(node, value, name, field)
        if wants == "Shaper" and not isinstance(value, Shaper):
            raise self.fail(node, f"{name}({field.name}=...) is a reward, not {_kind(value)}")
        if wants.startswith("tuple[Shaper") and not (
            isinstance(value, tuple) and all(isinstance(v, Shaper) for v in value)
        ):
            raise self.fail(node, f"{name}({field.name}=...) is a list of rewards")
        if isinstance(value, Shaper) and number(field.default):
            said = f"{name}({field.name}=...) is a number, not a reward"
            raise self.fail(node, f"{said}; schedules are {', '.join(SCHEDULES)}")
        word = isinstance(value, bool | str) and number(field.default)
        if word and ranges.fault(target, field.name, value):
            raise self.fail(node, f"{name}({field.name}=...) is a number, not {shortened(value)}")
        if isinstance(value, tuple(_TYPES.values())) and kind is None and self.kind != "shaper":
            raise self.fail(node, f"{name}({field.name}=...) is no {_SAID[self.kind]}")
        return value

    def member(self, node: ast.AST, value: Any, name: str, field: Any) -> Any:
        """An estimator or objective inside another, of the type that its field holds."""
        kind = _SAID[self.kind]
        if str(field.type).startswith("tuple["):
            if isinstance(value, tuple) and all(isinstance(v, _TYPES[self.kind]) for v in value):
                return value
            raise self.fail(node, f"{name}({field.name}=...) is a list of {kind}s")
        exact = str(field.type) == self.kind.capitalize()
        holds = _TYPES[self.kind] if exact else type(field.default)
        if isinstance(value, holds):
            return value
        if not isinstance(value, _TYPES[self.kind]):
            raise self.fail(node, f"{name}({field.name}=...) is {_a(kind)}, not {_kind(value)}")
        able = [e.name for e in registry.entries(self.kind) if isinstance(e.target, holds)]
        raise self.fail(node, f"{name}({field.name}=...) is one of {', '.join(able)}")

    def mapping(self, node: ast.Dict) -> dict[str, Any]:
        """{"name": number, ...}."""
        pairs = [(k and self.value(k), self.value(v)) for k, v in zip(node.keys, node.values,
                                                                      strict=True)]  # fmt: skip
        if not all(isinstance(k, str) and number(v) for k, v in pairs):
            raise self.fail(node, 'a mapping is written {"name": number, ...}')
        return dict(pairs)  # pyright: ignore[reportReturnType]


def _child_kind(wants: str) -> str | None:
    """The kind that a field of this annotation holds: "tuple[Shaper, ...]" -> "shaper"."""
    head = wants.removeprefix("tuple[").partition(",")[0].partition("[")[0].strip()
    return next((k for k, t in _TYPES.items() if head.endswith(t.__name__)), None)


def _terms(value: Objective) -> tuple[Objective, ...]:
    return value.terms if isinstance(value, objectives.Sum) else (value,)


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def number(value: Any) -> bool:
    """True for a Python number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _weight(value: Any) -> bool:
    return number(value) or isinstance(value, tuple(SCHEDULES.values()))


def _kind(value: Any) -> str:
    for kind, made in _TYPES.items():
        if isinstance(value, made):
            return _a(_SAID[kind])
    return "a schedule" if _weight(value) and not number(value) else shortened(value)


def required(field: Any) -> bool:
    """True for a dataclass field without a default."""
    return field.default is MISSING and field.default_factory is MISSING


def negated(term: Shaper) -> Shaper:
    """-term; a numeric weight changes its sign instead of being wrapped again."""
    if isinstance(term, Scaled) and number(term.weight):
        return Scaled(term.term, -term.weight)
    return Scaled(term, -1.0)
