"""What a reward's source says about its format: the strings and regular expressions in it.

Read with `ast`, never run. From the function on, whatever of its module (and of modules beside it)
it names is read first, the rest of the module after it.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from toyrl.experiments.validate.formats.constants import (
    Values,
    constants,
    evaluate,
    every_text,
    names_in,
    words_of,
)
from toyrl.rewards.source import plain_function
from toyrl.rewards.specs import Term
from toyrl.worlds.text.dialects import PLACE

REGEX_CALLS = ("compile", "search", "match", "fullmatch", "findall", "finditer", "sub", "split")
REGEX_MODULES = ("re", "regex")
LOOKS_REGEX = re.compile(r"\\[sdwS]|\.\*|\.\+|\[\^|\(\?|\)\?")
FLAGS = {
    **dict.fromkeys(("S", "DOTALL"), re.DOTALL),
    **dict.fromkeys(("I", "IGNORECASE"), re.IGNORECASE),
    **dict.fromkeys(("M", "MULTILINE"), re.MULTILINE),
    **dict.fromkeys(("X", "VERBOSE"), re.VERBOSE),
}
DEPTH = 3  # modules followed from the function's own


@dataclass(frozen=True)
class Literal:
    """A string of the source.

    kind : "pattern" (a regular expression), "text", "template" (a text with one value put in,
        {} in its place), "key" (subscript or `.get`), or "json" (a parser of JSON or literals)
    flags : of a pattern; line : in its file, from 1; near : named by the function itself
    """

    kind: str
    text: str
    line: int
    flags: int = 0
    near: bool = True


# -- the text of the source ------------------------------------------------------------------------
def source_of(term: Term) -> tuple[str, str, Path | None] | None:
    """(source, name of the function, folder of the file) of a term; None where there is none."""
    if term.function is not None:
        return _live_source(term.function)
    if term.target is None:
        return None
    name = term.target.name.partition(".")[0]
    path = Path(term.target.path) if term.target.path else find_module(term.target.module)
    if path is None or path.suffix != ".py":
        return None
    try:
        return path.read_text(encoding="utf-8"), name, path.parent
    except (OSError, UnicodeDecodeError):
        return None


def _live_source(function: Any) -> tuple[str, str, Path | None] | None:
    target = plain_function(function)
    name = getattr(target, "__qualname__", "").partition(".")[0]
    try:
        file = inspect.getsourcefile(target)
        if file is not None and Path(file).is_file():
            return Path(file).read_text(encoding="utf-8"), name, Path(file).parent
        return inspect.getsource(target), name, None
    except (OSError, TypeError, UnicodeDecodeError):
        return None


def find_module(name: str, folder: Path | None = None) -> Path | None:
    """The file of a module, found without importing anything; None where there is no such file.

    Packages that are on no path, as editable installations may be, are found by their finders.
    """
    parts = [p for p in name.split(".") if p]
    if not parts:
        return None
    places = [*([folder] if folder is not None else []), *map(Path, sys.path)]
    for base in (*(p.joinpath(*parts) for p in places), *_installed(parts)):
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _installed(parts: list[str]) -> Iterator[Path]:
    """Where the finders of Python would look for a module; only its top-level package is asked
    for, which imports nothing."""
    try:
        spec = find_spec(parts[0])
    except (ImportError, ValueError, AttributeError):
        return
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(place).joinpath(*parts[1:])


# -- what is read ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Module:
    """A parsed source: its tree, constants, words and imports of names."""

    tree: ast.Module
    values: Values
    words: list[str]
    imports: list[ast.ImportFrom]


def literals(source: str, name: str = "", folder: Path | None = None) -> list[Literal]:
    """Strings and patterns, those that the function `name` reaches first, in order of the source.

    Source that can't be parsed has none.
    """
    own = _reached(source, name, folder, DEPTH)
    near = own if own is not None else []
    rest = _others(source, name, own is None)  # all may be the function's own where nothing is
    out: dict[tuple[str, str, int], Literal] = {}
    flagged = {x.text for x in (*near, *rest) if x.kind == "pattern" and x.flags}
    for found in (*near, *rest):
        if not (found.kind == "pattern" and not found.flags and found.text in flagged):
            out.setdefault((found.kind, found.text, found.flags), found)
    return list(out.values())


@lru_cache(maxsize=64)
def _module(source: str) -> _Module | None:
    """None for what can't be parsed. Kept, as the functions of a file share what they import."""
    try:
        tree = ast.parse(inspect.cleandoc(source) if source[:1].isspace() else source)
    except (SyntaxError, ValueError):
        return None
    every = list(ast.walk(tree))
    imports = [n for n in every if isinstance(n, ast.ImportFrom)]
    return _Module(tree, constants(every), words_of(every), imports)


def _reached(source: str, name: str, folder: Path | None, depth: int) -> list[Literal] | None:
    """Literals of what `name` reaches, here and in what is imported; None where that is nothing."""
    module = _module(source)
    if module is None:
        return None
    nodes, asked, own = _own(source, name)
    near = list(own)
    if depth:
        near += _imported(module.imports, asked, folder, depth)
    return near if nodes or near else None


@lru_cache(maxsize=256)
def _own(source: str, name: str) -> tuple[tuple[ast.stmt, ...], set[str], tuple[Literal, ...]]:
    """What `name` reaches in its module: statements, the names in them, their literals."""
    module = _module(source)
    if module is None:
        return (), {name}, ()
    nodes = tuple(reached(module.tree, name))
    asked = {n for node in nodes for n in names_in(node)} | {name}
    found = (x for n in nodes for x in _read(n, module.values, module.words, True))
    return nodes, asked, tuple(found)


def _others(source: str, name: str, near: bool) -> list[Literal]:
    """Literals of the statements that `name` doesn't reach."""
    module = _module(source)
    if module is None:
        return []
    own = {id(n) for n in reached(module.tree, name)}
    others = [node for node in module.tree.body if id(node) not in own]
    return [x for node in others for x in _read(node, module.values, module.words, near)]


def reached(tree: ast.Module, name: str) -> list[ast.stmt]:
    """Statements of a module that define `name` and whatever of it that names, in order; none where
    the module defines no such name."""
    known = {n: node for node in tree.body for n in _defined(node)}
    todo = [name] if name in known else []
    found: dict[str, ast.stmt] = {}
    while todo:
        current = todo.pop(0)
        if current in found:
            continue
        found[current] = known[current]
        todo += [n for n in names_in(known[current]) if n in known]
    return sorted({id(n): n for n in found.values()}.values(), key=lambda n: n.lineno)


def _imported(
    imports: list[ast.ImportFrom], asked: set[str], folder: Path | None, depth: int
) -> list[Literal]:
    """Literals of functions that come from files beside this one."""
    out: list[Literal] = []
    for node in imports:
        place = folder
        for _ in range(max(0, node.level - 1)):
            place = place.parent if place is not None else None
        names = [(a.asname or a.name, a.name) for a in node.names]
        used = [real for shown, real in names if shown in asked]
        if not used or (place is None and node.level):
            continue
        path = _beside(node.module or "", place)
        if path is None:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        for real in used:
            found = _reached(text, real, path.parent, depth - 1)
            out += _others(text, real, True) if found is None else found
    return out


def _beside(module: str, folder: Path | None) -> Path | None:
    """A module's file in the folder or one above it: what ships with the reward."""
    for place in itertools.islice((folder, *folder.parents), 5) if folder else ():
        base = place.joinpath(*[p for p in module.split(".") if p])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
    return None


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return []


# -- one statement ---------------------------------------------------------------------------------
def _read(node: ast.AST, values: Values, words: list[str], near: bool) -> list[Literal]:
    """Its literals in order; docstrings are none."""
    every = list(ast.walk(node))
    skipped = {id(d) for n in every if (d := _docstring(n)) is not None}
    out: list[Literal] = []
    for part in sorted(every, key=_place):
        if id(part) in skipped:
            continue
        line = getattr(part, "lineno", 1)
        if isinstance(part, ast.Call):
            out += _of_call(part, values, words, near)
        elif isinstance(part, ast.Subscript):
            key = evaluate(part.slice, values)
            if key is not None:
                out.append(Literal("key", key, line, near=near))
        elif isinstance(part, (ast.JoinedStr, ast.Constant, ast.BinOp)):
            written = _with_place(part)
            if written is not None:
                out.append(Literal("template", written, line, near=near))
            for text in every_text(part, values, words):
                kind = "pattern" if LOOKS_REGEX.search(text) and _compiles(text) else "text"
                out.append(Literal(kind, text, line, near=near))
    return out


def _with_place(node: ast.AST) -> str | None:
    """f"Result: {x}", "Result: {}" or "Result: %s" with {} for the one value in it; else None."""
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else PLACE for p in node.values]
        text = "".join(str(p) for p in parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value if PLACE in node.value else node.value.replace("%s", PLACE, 1)
    else:
        return None
    plain = text.count(PLACE) == 1 and text.strip() != PLACE and not LOOKS_REGEX.search(text)
    return text if plain else None


def _place(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _docstring(node: ast.AST) -> ast.AST | None:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value
    return (
        node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
    )


def _of_call(node: ast.Call, values: Values, words: list[str], near: bool) -> list[Literal]:
    function = node.func
    if getattr(function, "attr", getattr(function, "id", "")) in ("loads", "literal_eval"):
        return [Literal("json", "", node.lineno, near=near)]
    if not isinstance(function, ast.Attribute) or not node.args:
        return []
    owner = function.value.id if isinstance(function.value, ast.Name) else ""
    first = node.args[0]
    if function.attr in REGEX_CALLS and owner in REGEX_MODULES:
        flags = _flags([*node.args[1:], *(k.value for k in node.keywords)])
        texts = [t for t in every_text(first, values, words) if _compiles(t)]
        return [Literal("pattern", t, node.lineno, flags, near) for t in texts]
    if function.attr == "join":
        text = evaluate(node, values)
        kind = "pattern" if text and LOOKS_REGEX.search(text) and _compiles(text) else "text"
        return [] if text is None else [Literal(kind, text, node.lineno, near=near)]
    if function.attr in ("get", "pop") and (key := evaluate(first, values)) is not None:
        return [Literal("key", key, node.lineno, near=near)]
    return []


def _flags(nodes: list[ast.expr]) -> int:
    found = [n.attr for node in nodes for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    total = 0
    for name in found:
        total |= FLAGS.get(name, 0)
    return total


def _compiles(text: str) -> bool:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True
