"""Texts that expressions of a source have, known without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

SUBSTITUTES = 6  # words tried for a name inside an f-string
IDENTIFIER = re.compile(r"[A-Za-z_][\w-]{0,30}")
Values = Mapping[str, str]
"""Names that stand for a text -> the text."""


def names_in(node: ast.AST) -> list[str]:
    """Names that a node reads or sets."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]


def constants(every: list[ast.AST]) -> dict[str, str]:
    """Names that are given a text once: at the top, inside functions, as a default."""
    out: dict[str, str] = {}
    for node in every:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            text = evaluate(value, out) if isinstance(target, ast.Name) else None
            if isinstance(target, ast.Name) and text is not None:
                out.setdefault(target.id, text)
        elif isinstance(node, ast.arguments):
            given = node.defaults
            for arg, value in zip(node.args[len(node.args) - len(given) :], given, strict=True):
                text = evaluate(value, out)
                if text is not None:
                    out.setdefault(arg.arg, text)
    return out


def words_of(every: list[ast.AST]) -> list[str]:
    """Short words of the source, which may stand for a name inside an f-string."""
    found = (n.value for n in every if isinstance(n, ast.Constant))
    return list(dict.fromkeys(w for w in found if isinstance(w, str) and IDENTIFIER.fullmatch(w)))


def evaluate(node: ast.AST, values: Values) -> str | None:
    """The text that an expression of texts has, or None where that isn't known without running."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return values.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _joined("", [evaluate(node.left, values), evaluate(node.right, values)])
    if isinstance(node, ast.JoinedStr):
        return _joined("", [evaluate(part, values) for part in node.values])
    if isinstance(node, ast.FormattedValue):
        return evaluate(node.value, values)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        return _called(node, values)
    return None


def _called(node: ast.Call, values: Values) -> str | None:
    """`"x".join([...])` and `re.escape("x")`."""
    assert isinstance(node.func, ast.Attribute)
    first = node.args[0]
    if node.func.attr == "join" and isinstance(first, (ast.List, ast.Tuple)):
        between = evaluate(node.func.value, values)
        parts = [evaluate(part, values) for part in first.elts]
        return None if between is None else _joined(between, parts)
    if node.func.attr == "escape":
        text = evaluate(first, values)
        return None if text is None else re.escape(text)
    return None


def _joined(between: str, parts: list[str | None]) -> str | None:
    known = [p for p in parts if p is not None]
    return between.join(known) if len(known) == len(parts) else None


def every_text(node: ast.AST, values: Values, words: list[str]) -> Iterator[str]:
    """The texts of an expression; unknown names of an f-string become words of the source."""
    text = evaluate(node, values)
    if text is not None:
        yield text
        return
    if isinstance(node, ast.JoinedStr):
        unknown = [n for n in dict.fromkeys(names_in(node)) if n not in values]
        for word in words[:SUBSTITUTES] if len(unknown) == 1 else ():
            filled = evaluate(node, {**values, unknown[0]: word})
            if filled is not None:
                yield filled
