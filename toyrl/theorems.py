"""The index of theorems: what the decorators in `toyrl/theory/` say, read without an import.

Theory stands above the library and imports SciPy and more, so `toyrl` may know its names but not
load it. A theorem is a function under `@entry("name", kind="theorem", ...)` with literal arguments.
"""

from __future__ import annotations

import ast
import contextlib
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "theory"
PACKAGE = "toyrl.theory"
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
"""Arithmetic that the default of a parameter may hold."""


@dataclass(frozen=True)
class Theorem:
    """One decorated function, as text.

    parameters : (name, default as text or None where it must be given), in order; a default that
        names a constant is told by the constant's value
    """

    name: str
    path: str
    summary: str
    parameters: tuple[tuple[str, str | None], ...]
    formula: str = ""
    cards: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    section: str = ""
    provenance: str = "text"


@cache
def index() -> tuple[Theorem, ...]:
    """Every theorem, by file and line.

    Raises ValueError, with file and line, for a decorator whose arguments are not literals, for a
    default that can't be read without an import, and for a name used twice.
    """
    found: dict[str, Theorem] = {}
    for file in sorted(FOLDER.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if "@entry(" not in text:
            continue
        module = ".".join((PACKAGE, *file.relative_to(FOLDER).with_suffix("").parts))
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                for call in filter(_is_entry, node.decorator_list):
                    t = _theorem(module, node, call)
                    if t.name in found:
                        msg = f"theorem {t.name!r} stands twice: {found[t.name].path}, {t.path}"
                        raise ValueError(msg)
                    found[t.name] = t
    return tuple(found.values())


def _is_entry(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "entry"


def constants(module: str) -> Mapping[str, Any]:
    """Numbers and other literals that a module of theory names, imported ones too, by name."""
    file = FOLDER.joinpath(*module.split(".")[PACKAGE.count(".") + 1 :]).with_suffix(".py")
    known: dict[str, Any] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file.exists() else ():
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            there = constants(str(node.module))
            own = {a.asname or a.name: there[a.name] for a in node.names if a.name in there}
            known.update(own)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            with contextlib.suppress(ValueError):
                known[node.targets[0].id] = _value(node.value, known)
    return known


def _value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """A literal, a known constant, infinity or arithmetic of these; ValueError for all else."""
    match node:
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Attribute(value=ast.Name(id="np" | "math"), attr="inf"):
            return math.inf
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(left, known), _value(right, known))
    return ast.literal_eval(node)


def _theorem(module: str, node: ast.FunctionDef, call: Any) -> Theorem:
    try:
        (name,) = map(ast.literal_eval, call.args)
        facts = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    except ValueError:
        msg = (
            f"{module}, line {call.lineno}: @entry of {node.name} takes one name and literal "
            "keywords only, because it is read without importing the module"
        )
        raise ValueError(msg) from None
    del facts["kind"]
    doc = ast.get_docstring(node) or ""
    summary = facts.pop("summary", None) or doc.split("\n")[0]
    try:
        parameters = _parameters(node.args, module)
    except ValueError:
        msg = (
            f"{module}, line {node.lineno}: a default of {node.name} is neither a literal nor a "
            "constant of its file or another of toyrl.theory; it is read without an import"
        )
        raise ValueError(msg) from None
    return Theorem(name, f"{module}:{node.name}", summary, parameters, **facts)


def _parameters(a: ast.arguments, module: str) -> tuple[tuple[str, str | None], ...]:
    plain = [*a.posonlyargs, *a.args]
    first = len(plain) - len(a.defaults)
    pairs = [(p, None if i < first else a.defaults[i - first]) for i, p in enumerate(plain)]
    pairs += list(zip(a.kwonlyargs, a.kw_defaults, strict=True))
    return tuple((p.arg, None if d is None else repr(_default(d, module))) for p, d in pairs)


def _default(node: ast.expr, module: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _value(node, constants(module))
