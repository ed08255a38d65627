"""The gate of the API reference: does every public name say what a user must know?

Public are functions and classes without a leading underscore at the top of a module of
`modules.folders()`, and what `toyrl.__all__` exports. The rule, by what stands in the source:

documented  it has a docstring
shapes      for every argument, field or answer annotated as an array its docstring, its module's or
            (for a class) that of a base in the same file states a shape: (B, K), (..., G), (K,),
            "scalar", "broadcast", "same shape", "last axis"
errors      every exception class that its own body raises by name is named in its docstring;
            helpers it calls are not followed
source      in shapers, estimators, objectives and theory: the docstring, the module's docstring, or
            an entry that the module gives to the catalogue names where the formula comes from: a
            paper (number, arXiv, authors and year, section, equation, theorem), released code, or
            "derived". Modules of `PLUMBING` hold protocols and no formula of anybody's

`unfinished.txt` lists what violates the rule today. It may only become shorter: a new violation
fails the test, and so does a listed one that has been mended. `python -m docs.generate.gate`
prints the present list and counts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generate.modules import Module, folders, top_modules

UNFINISHED = Path(__file__).with_name("unfinished.txt")
ARRAY = re.compile(r"\b(Array|ndarray|NDArray|ArrayLike|Tensor|Parts)\b")
_SIZE = r"(?:\.\.\.|[A-Z]\w{0,4}(?: ?[+*-] ?\w+)?|\d+|len\(\w+\)|[a-z]\w* [+*-] \w+|n|phases)"
_NEXT = r"(?: ?\*?(?:len\(\w+\)|[\w.]+)(?: ?[+*-] ?\w+)?,?)*"
SHAPE = re.compile(
    rf"\({_SIZE},{_NEXT}\)|\[B\b|\b[Ss]calars?\b|\b[Bb]roadcasts?\b|\b[Ss]ame shape|"
    r"\b[Aa]ny shape|\b[Ss]hape of\b|\blast axis\b"
)
SOURCE = re.compile(
    r"arXiv|[Ss]ource:|\bpaper \d\d\b|\b[Dd]erived|\b[Ee]qs?\.? ?\d|\b[Ss]ections? \d|\bTheorem \d|"
    r"\b(TRL|verl|OpenRLHF|NeMo-RL|verifiers)\b|[A-Z][a-z]+(?: et al\.)?,? \(?(?:19|20)\d\d|"
    r"[Tt]extbook|[Dd]efinition of the field"
)
PLUMBING = tuple(
    f"toyrl.{name}"
    for name in (
        "shapers.base",
        "shapers.compose",
        "shapers.schedules",
        "estimators.base",
        "estimators.participants",
        "objectives.base",
        "objectives.compose",
    )
)
SOURCED = ("toyrl.shapers", "toyrl.estimators", "toyrl.objectives", "toyrl.theory")
RULES = ("documented", "shapes", "errors", "source")


@dataclass(frozen=True)
class Public:
    """A public name: where it stands, and its syntax."""

    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    context: str  # the module's docstring, and a class's bases' in the same file
    registered: bool  # its module cites papers in an entry of the catalogue

    @property
    def name(self) -> str:
        """Dotted name, as it is imported."""
        return f"{self.module.name}.{self.node.name}"

    @property
    def docstring(self) -> str:
        """Its own docstring, "" without one."""
        return ast.get_docstring(self.node) or ""


def public() -> Iterator[Public]:
    """All public functions and classes."""
    for folder in (top_modules(), *folders()):
        for module in folder.modules:
            yield from read(module)


def read(module: Module, text: str | None = None) -> Iterator[Public]:
    """The public functions and classes of one module (or of another text in its place)."""
    tree = ast.parse(module.path.read_text(encoding="utf-8") if text is None else text)
    said = ast.get_docstring(tree) or ""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {n.name: n for n in tree.body if isinstance(n, kinds)}
    registers = any(_paper(n) for n in ast.walk(tree))
    for node in defined.values():
        if node.name.startswith("_"):
            continue
        context = said
        if isinstance(node, ast.ClassDef):
            bases = [b.id for b in node.bases if isinstance(b, ast.Name) and b.id in defined]
            context += "".join("\n" + (ast.get_docstring(defined[b]) or "") for b in bases)
        yield Public(module, node, context, registers)


def violations(item: Public) -> tuple[str, ...]:
    """The parts of the rule that a public name breaks."""
    said = item.docstring
    everything = f"{said}\n{item.context}"
    broken = []
    if not said:
        broken.append("documented")
    if _has_arrays(item.node) and not SHAPE.search(everything):
        broken.append("shapes")
    if any(name not in said for name in raised(item.node)):
        broken.append("errors")
    needs_source = item.module.name.startswith(SOURCED) and item.module.name not in PLUMBING
    if needs_source and not (item.registered or SOURCE.search(everything)):
        broken.append("source")
    return tuple(broken)


def found() -> list[str]:
    """Every present violation, as lines "name: rule"."""
    return sorted(f"{p.name}: {rule}" for p in public() for rule in violations(p))


def listed() -> list[str]:
    """The violations that `unfinished.txt` admits."""
    lines = UNFINISHED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def raised(node: ast.AST) -> set[str]:
    """Names of the exceptions that the body raises; of a class, those of its construction."""
    if isinstance(node, ast.ClassDef):
        built = [n for n in node.body if isinstance(n, ast.FunctionDef)]
        return set().union(
            *(raised(n) for n in built if n.name in ("__init__", "__post_init__", "__new__")), set()
        )
    names = set()
    for part in _own(node):
        if isinstance(part, ast.Raise) and part.exc is not None:
            called = part.exc.func if isinstance(part.exc, ast.Call) else part.exc
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name[:1].isupper():  # an error that was caught and is raised again has no new name
                names.add(name)
    return names


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """Everything inside a function but not inside functions nested in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _own(child)


def _has_arrays(node: ast.AST) -> bool:
    if isinstance(node, ast.ClassDef):
        kinds = [n.annotation for n in node.body if isinstance(n, ast.AnnAssign)]
    else:
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        a = node.args
        kinds = [x.annotation for x in (*a.posonlyargs, *a.args, *a.kwonlyargs) if x.annotation]
        kinds += [node.returns] if node.returns is not None else []
    return any(ARRAY.search(ast.unparse(k)) for k in kinds if k is not None)


def _paper(node: ast.AST) -> bool:
    """A call `entry(..., cards=...)` or `add(..., paper=...)` to the catalogue."""
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("entry", "add", "registry.entry", "registry.add")
        and any(k.arg in ("paper", "papers", "card", "cards") for k in node.keywords)
    )


def main() -> None:
    """Print the present violations, and on stderr how many there are."""
    names = list(public())
    lines = found()
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    counts = Counter(line.rpartition(": ")[2] for line in lines)
    sys.stderr.write(
        f"{len(names)} public names; " + ", ".join(f"{counts[r]} {r}" for r in RULES) + "\n"
    )


if __name__ == "__main__":
    main()
