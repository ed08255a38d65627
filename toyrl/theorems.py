"""The index of theorems: what the decorators in `toyrl/theory/` say, read without an import.

Theory stands above the library and imports SciPy and more, so `toyrl` may know its names but not
load it. A theorem is a function under `@entry("name", kind="theorem", ...)` with literal arguments.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "theory"
PACKAGE = "toyrl.theory"


@dataclass(frozen=True)
class Theorem:
    """One decorated function, as text.

    parameters : (name, default as text or None where it must be given), in order
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

    Raises ValueError, with file and line, for a decorator whose arguments are not literals and
    for a name used twice.
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
    return Theorem(name, f"{module}:{node.name}", summary, _parameters(node.args), **facts)


def _parameters(a: ast.arguments) -> tuple[tuple[str, str | None], ...]:
    plain = [*a.posonlyargs, *a.args]
    first = len(plain) - len(a.defaults)
    pairs = [(p, None if i < first else a.defaults[i - first]) for i, p in enumerate(plain)]
    pairs += list(zip(a.kwonlyargs, a.kw_defaults, strict=True))
    return tuple((p.arg, None if d is None else ast.unparse(d)) for p, d in pairs)
