"""Which form of gold answer a reward function wants, read from its source.

`ground_truth["target"]` wants a record, `for a in gold` a list, `json.loads(gold)` JSON text,
`gold.strip()` a text, `abs(x - gold)` a number. Values are followed through assignments, loops,
`zip`, `enumerate` and the helpers of the same module. Read inside the sandboxed child: standard
library only.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .source import plain_function

COLUMN, GOLD, PIECE = "column", "gold", "piece"
TEXT_METHODS = {
    *("strip", "lstrip", "rstrip", "lower", "upper", "casefold", "replace", "split", "rsplit"),
    *("splitlines", "startswith", "endswith", "removeprefix", "removesuffix", "isdigit", "find"),
    *("partition", "rpartition", "encode", "isnumeric", "isdecimal", "title", "translate"),
}
READS_JSON = {"loads", "literal_eval"}
DEPTH = 3  # helpers of helpers that are followed


@dataclass
class Wanted:
    """What the source does with the gold answer.

    keys : read from it as from a dict, in the order met
    does : of "list" (iterated or indexed), "json" (parsed), "text" (text methods), "number"
        (arithmetic)
    """

    keys: list[str] = field(default_factory=list)
    does: set[str] = field(default_factory=set)


def wanted(function: Any, gold: Iterable[str], known: Iterable[str], *, batch: bool) -> Wanted:
    """What the function's source does with its gold parameters; nothing where none can be read.

    gold : parameters that hold it; known : names under which kwargs, states and records hold it
    batch : the parameters are lists, one gold answer a row
    """
    found = Wanted()
    target = plain_function(function)
    tree = _tree(target)
    if tree is not None:
        start = dict.fromkeys(gold, COLUMN if batch else GOLD)
        scope = getattr(target, "__globals__", {})
        _Reader(found, frozenset(known), batch, scope, DEPTH).read(tree, start)
    return found


def _tree(function: Any) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return next((n for n in ast.walk(tree) if isinstance(n, kinds)), None)


class _Reader:
    """Follows the gold answer through one function."""

    def __init__(
        self, found: Wanted, known: frozenset[str], batch: bool, scope: dict[str, Any], depth: int
    ) -> None:
        self.found, self.known, self.batch = found, known, batch
        self.scope, self.depth = scope, depth
        self.names: dict[str, str] = {}
        self.extra = ""

    def read(self, tree: Any, names: dict[str, str]) -> None:
        """Note what the body does; twice, since names may be bound below their use in loops."""
        self.names = dict(names)
        self.extra = tree.args.kwarg.arg if tree.args.kwarg else ""
        for _ in range(2):
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign):
                    for target in node.targets:
                        self._bind(target, node.value)
                elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                    self._bind(node.target, node.value)
                elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                    self._loop(node.target, node.iter)
        for node in ast.walk(tree):
            self._note(node)

    # -- which expressions hold it -------------------------------------------------------------
    def _kind(self, node: ast.expr) -> str:
        """column | gold | piece | "" of an expression."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.BoolOp):  # `gold or ""`
            return next(filter(None, map(self._kind, node.values)), "")
        read = _read_key(node)
        if read is not None:
            base, key = read
            held = self._kind(base)
            if held == GOLD:
                return PIECE
            if held == COLUMN:
                return "" if isinstance(key, str) else GOLD
            if isinstance(key, str) and key in self.known and isinstance(base, ast.Name):
                return COLUMN if self.batch and base.id == self.extra else GOLD
        if isinstance(node, ast.Call) and _called(node) in READS_JSON and node.args:
            return self._kind(node.args[0])
        return ""

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            if kind := self._kind(value):
                self.names[target.id] = kind
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, other in zip(target.elts, value.elts, strict=False):
                self._bind(one, other)

    def _loop(self, target: ast.expr, source: ast.expr) -> None:
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Name):
            inside = target.elts if isinstance(target, ast.Tuple) else [target]
            if source.func.id == "zip":
                for one, other in zip(inside, source.args, strict=False):
                    self._loop(one, other)
            elif source.func.id == "enumerate" and len(inside) == 2 and source.args:
                self._loop(inside[1], source.args[0])
            return
        kind = self._kind(source)
        if isinstance(target, ast.Name) and kind:
            self.names[target.id] = GOLD if kind == COLUMN else PIECE

    # -- what is done with it ------------------------------------------------------------------
    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.For | ast.comprehension) and self._kind(node.iter) in (GOLD, PIECE):
            self.found.does.add("list")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div | ast.Mult):
            if GOLD in (self._kind(node.left), self._kind(node.right)):
                self.found.does.add("number")
        elif isinstance(node, ast.expr) and (read := _read_key(node)) is not None:
            self._note_key(*read)
        if isinstance(node, ast.Call):
            self._note_call(node)

    def _note_key(self, base: ast.expr, key: Any) -> None:
        kind = self._kind(base)
        if kind == GOLD and isinstance(key, str):
            if key not in self.found.keys:
                self.found.keys.append(key)
        elif kind in (GOLD, PIECE) and isinstance(key, int):
            self.found.does.add("list")

    def _note_call(self, node: ast.Call) -> None:
        name = _called(node)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if owner is not None and name in TEXT_METHODS and self._kind(owner) == GOLD:
            self.found.does.add("text")
        given = [self._kind(a) for a in node.args]
        if name in READS_JSON and GOLD in given:
            self.found.does.add("json")
        named = {k.arg: self._kind(k.value) for k in node.keywords if k.arg}
        if self.depth and isinstance(node.func, ast.Name) and any([*given, *named.values()]):
            self._follow(self.scope.get(name), given, named)

    def _follow(self, helper: Any, given: list[str], named: dict[str, str]) -> None:
        """Into a helper of the same module that is handed the gold answer."""
        if not inspect.isfunction(helper) or helper.__globals__ is not self.scope:
            return
        tree = _tree(helper)
        if tree is None:
            return
        places = [a.arg for a in (*tree.args.posonlyargs, *tree.args.args)]
        start = {n: k for n, k in zip(places, given, strict=False) if k} | {
            n: k for n, k in named.items() if k
        }
        inner = _Reader(self.found, self.known, self.batch, self.scope, self.depth - 1)
        inner.read(tree, start)


def _read_key(node: ast.expr) -> tuple[ast.expr, Any] | None:
    """(base, key) of `base[key]` and `base.get(key)`; key None where it is no literal."""
    if isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Slice):
            return None
        return node.value, node.slice.value if isinstance(node.slice, ast.Constant) else None
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("get", "pop")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ):
        return node.func.value, node.args[0].value
    return None


def _called(node: ast.Call) -> str:
    """Last name of what is called."""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")
