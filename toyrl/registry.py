"""The catalogue: every shaper, estimator, objective, environment, theorem and grader.

An entry is added where the thing is defined, by `@entry(...)`. Importing a module of the
catalogue registers what it holds; `load()` imports them all. Theorems live above the library: they
are found by reading the decorators of `toyrl/theory/` as text, and imported when used.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from toyrl import papers
from toyrl.messages import shortened
from toyrl.ranges import told
from toyrl.theorems import Theorem, index

KINDS = ("shaper", "estimator", "objective", "environment", "theorem", "grader")
CATALOGUE = (
    "shapers", "estimators", "objectives", "graders", "worlds.chain.gym", "worlds.mdp.gym",
    "worlds.search.driving", "worlds.search.lock", "worlds.search.maze_gym",
    "worlds.search.meta_bandits",
)  # fmt: skip
"""Packages, whose modules all count, and modules of environments: what is beside those may load
Numba, which the catalogue must not."""
SHOWN = 12
"""Names that a message lists where none is near."""
INSTANCES = ("estimator", "objective")  # kinds whose target is always an instance
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One catalogue line.

    name : the identifier used in expressions (`laser(...)`, `--estimator rloo`)
    kind : one of `KINDS`
    path : where its class or function is imported from, "toyrl.shapers.length.truncation:Laser"
    summary, formula : one line each; formula is "" where it has none
    cards : numbers of the papers whose idea this is ("05", ...); see `toyrl.papers`
    works : short names of the other works it comes from ("dapo", ...)
    section : where the formula stands in them
    provenance : "code", "text", "second-hand", "reconstructed" or "derived"
    loaded : the thing itself; None for a theorem that nobody has used yet
    theorem : what the decorator of such a theorem says
    """

    name: str
    kind: str
    path: str
    summary: str
    formula: str = ""
    cards: tuple[str, ...] = ()
    works: tuple[str, ...] = ()
    section: str = ""
    provenance: str = "text"
    loaded: Any = dataclasses.field(default=None, repr=False, compare=False)
    theorem: Theorem | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def target(self) -> Any:
        """A shaper's or environment's class, an estimator or objective, a theorem's function."""
        if self.loaded is not None:
            return self.loaded
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)

    @property
    def paper(self) -> str:
        """The work or paper it comes from, with its arXiv number; "" for none."""
        first = (*self.works, *self.cards)[:1]
        return papers.cite(first[0]) if first else ""

    @property
    def family(self) -> str:
        """One of `papers.FAMILIES`: its folder's, else its first paper's; "" for none."""
        places = self.path.partition(":")[0].split(".")[2:-1]
        folder = next((x for x in places if x in papers.FAMILIES), "")
        if folder or not self.cards:
            return folder
        return papers.paper(self.cards[0]).family

    @property
    def fields(self) -> dict[str, str | None]:
        """Fields (parameters of a function) with their defaults as text; None: must be given."""
        if self.theorem is not None and self.loaded is None:
            return dict(self.theorem.parameters)
        return fields_of(self.target)

    @property
    def ranges(self) -> dict[str, str]:
        """What each field may be, in words, where its class says so (`toyrl.ranges`)."""
        return {} if self.kind == "theorem" else told(self.target)

    def make(self, **fields: Any) -> Any:
        """The shaper, estimator, objective, grader or environment with these fields, others at
        default.

        Raises TypeError for a field that it does not have and for theorems, which are functions,
        ValueError for a value out of its range.
        """
        if self.kind == "theorem":
            msg = f"{self.name} is a function: call toyrl.get('theorem', {self.name!r}).target(...)"
            raise TypeError(msg)
        unknown = [name for name in fields if name not in self.fields]
        if unknown:
            allowed = ", ".join(self.fields) or "none"
            msg = f"{self.kind} {self.name} has no field {shortened(unknown[0])}; it has {allowed}"
            raise TypeError(msg)
        target = self.target
        if isinstance(target, type):
            return target(**fields)
        return dataclasses.replace(target, **fields)


_entries: dict[tuple[str, str], Entry] = {}


def entry(name: str, *, kind: str, **facts: Any) -> Callable[[T], T]:
    """Register the decorated object under `name`; the facts are those of `add`.

    In `toyrl/theory/` all arguments are literals, so that they can be read without an import.

    Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        msg = f"kind={shortened(kind)} is unknown; choose from {', '.join(KINDS)}"
        raise ValueError(msg)

    def decorate(target: T) -> T:
        add(name, target, kind=kind, **facts)
        return target

    return decorate


def add(
    name: str,
    target: Any,
    *,
    kind: str,
    cards: tuple[str, ...] = (),
    works: tuple[str, ...] = (),
    section: str = "",
    provenance: str = "text",
    summary: str | None = None,
    formula: str = "",
) -> None:
    """Register `target`; an estimator's or objective's class stands for its defaults.

    summary : None: the first line of its docstring
    formula : one line of plain text

    Raises ValueError for a second, different target of that name, and KeyError for a paper or
    work that `toyrl.papers` does not know.
    """
    for number in (*cards, *works):
        papers.paper(number)
    path = _path(target)
    if kind in INSTANCES and isinstance(target, type):
        target = target()
    known = _entries.get((kind, name))
    if known is not None and known.path != path:
        msg = f"{kind} {name!r} is registered twice; rename that of {known.path} or of {path}"
        raise ValueError(msg)
    told = summary or (target.__doc__ or "").strip().split("\n")[0]
    facts = (formula, cards, works, section, provenance)
    found = Entry(name, kind, path, told, *facts, loaded=target)
    if known is not None and known.loaded is not None and known.loaded != target:
        msg = f"{kind} {name!r} is registered twice, as {known.loaded!r} and {target!r}; rename one"
        raise ValueError(msg)
    _entries[kind, name] = found


@cache
def load() -> None:
    """Import every module under toyrl's catalogue packages and list the theorems, once."""
    for package in CATALOGUE:
        for name in _modules(package):
            importlib.import_module(name)
    for t in index():
        if ("theorem", t.name) not in _entries:
            facts = (t.formula, t.cards, t.works, t.section, t.provenance)
            found = Entry(t.name, "theorem", t.path, t.summary, *facts, theorem=t)
            _entries["theorem", t.name] = found


@cache
def _modules(package: str) -> tuple[str, ...]:
    """A catalogue package and the modules under it, which are looked for once a process."""
    parent = importlib.import_module(f"toyrl.{package}")
    found = pkgutil.walk_packages(getattr(parent, "__path__", []), f"toyrl.{package}.")
    return (f"toyrl.{package}", *(info.name for info in found))


def entries(kind: str | None = None) -> list[Entry]:
    """All entries (of one kind), sorted by kind and name."""
    _check(kind)
    load()
    found = [(key, e) for key, e in _entries.items() if kind in (None, key[0])]
    return [e for _, e in sorted(found, key=lambda x: x[0])]


def get(kind: str, name: str) -> Entry:
    """The entry of that kind and name.

    Raises KeyError that lists near names, of other kinds too, and ValueError for an unknown kind.
    """
    _check(kind)
    load()
    if (kind, name) in _entries:
        return _entries[kind, name]
    msg = (
        f"no {kind} is called {shortened(name)}; {suggestion(name, kind)} (`toyrl list` shows all)"
    )
    raise KeyError(msg)


def find(kind: str, name: str) -> Any:
    """The target of that kind and name, None for none."""
    load()
    found = _entries.get((kind, name))
    return None if found is None else found.target


def suggestion(name: str, kind: str, more: tuple[str, ...] = ()) -> str:
    """What the user may have meant: the same name of another kind, else near names.

    more : further names that are allowed where one of `kind` is
    """
    load()
    same = sorted(k for k, n in _entries if n == name and k != kind)
    own = sorted([*more, *(n for k, n in _entries if k == kind)])
    if same:
        near = difflib.get_close_matches(name, own, n=1, cutoff=0.7)
        meant = f"; did you mean the {kind} {near[0]}?" if near else ""
        there = f"toyrl.get({same[0]!r}, {shortened(name)})"
        return f"it is {_article(same[0])} {same[0]}: {there}{meant}"
    others = {n: k for k, n in _entries if k != kind and n not in own}
    found = difflib.get_close_matches(name, own, n=3, cutoff=0.5)
    found += difflib.get_close_matches(name, others, n=2, cutoff=0.8)
    found.sort(key=lambda n: -difflib.SequenceMatcher(None, n, name).ratio())
    near = [f"{n} ({_article(others[n])} {others[n]})" if n in others else n for n in found[:3]]
    if near:
        return f"did you mean {', '.join(near)}?"
    rest = f" and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
    return f"there are {', '.join(own[:SHOWN])}{rest}"


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeiou" else "a"


def _check(kind: str | None) -> None:
    if kind is not None and kind not in KINDS:
        msg = f"kind={shortened(kind)} is unknown; choose from {', '.join(KINDS)}"
        raise ValueError(msg)


def _path(target: Any) -> str:
    made = target if isinstance(target, type) or inspect.isroutine(target) else type(target)
    return f"{made.__module__}:{made.__qualname__}"


def fields_of(target: Any) -> dict[str, str | None]:
    """The fields of a dataclass or instance, else the parameters of a call."""
    if not dataclasses.is_dataclass(target):
        given = inspect.signature(target).parameters.values()
        return {p.name: None if p.default is p.empty else repr(p.default) for p in given}
    out: dict[str, str | None] = {}
    for f in dataclasses.fields(target):
        if not isinstance(target, type):
            out[f.name] = repr(getattr(target, f.name))
        elif f.default is not dataclasses.MISSING:
            out[f.name] = repr(f.default)
        else:
            factory = f.default_factory
            out[f.name] = None if factory is dataclasses.MISSING else repr(factory())
    return out
