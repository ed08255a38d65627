"""The catalogue: every shaper, estimator, objective, environment, theorem and experiment.

An entry is added where the thing is defined, by `@entry(...)`. Importing a module of the
catalogue registers what it holds; `load()` imports them all.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

KINDS = ("shaper", "estimator", "objective", "environment", "theorem", "grader")
CATALOGUE = ("shapers", "estimators", "objectives", "worlds.chain.gym")
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One catalogue line.

    name : the identifier used in expressions (`laser(...)`, `--estimator rloo`)
    kind : one of `KINDS`
    cards : paper numbers whose idea this is ("05", ...)
    paper, section : where the formula stands
    provenance : "code", "text", "second-hand", "reconstructed" or "derived"
    """

    name: str
    kind: str
    target: Any
    summary: str
    cards: tuple[str, ...] = ()
    paper: str = ""
    section: str = ""
    provenance: str = "text"


_entries: dict[tuple[str, str], Entry] = {}


def entry(
    name: str,
    *,
    kind: str,
    cards: tuple[str, ...] = (),
    paper: str = "",
    section: str = "",
    provenance: str = "text",
    summary: str | None = None,
) -> Callable[[T], T]:
    """Register the decorated object; its docstring's first line is the summary."""
    if kind not in KINDS:
        msg = f"kind={kind!r} is unknown; choose from {', '.join(KINDS)}"
        raise ValueError(msg)

    def decorate(target: T) -> T:
        add(
            name,
            target,
            kind=kind,
            cards=cards,
            paper=paper,
            section=section,
            provenance=provenance,
            summary=summary,
        )
        return target

    return decorate


def add(
    name: str,
    target: Any,
    *,
    kind: str,
    cards: tuple[str, ...] = (),
    paper: str = "",
    section: str = "",
    provenance: str = "text",
    summary: str | None = None,
) -> None:
    """Register `target` under `name`; a second, different target of that name is refused."""
    known = _entries.get((kind, name))
    if known is not None and known.target is not target and known.target != target:
        msg = f"{kind} {name!r} is registered twice; rename one of {known.target!r}, {target!r}"
        raise ValueError(msg)
    text = summary or (target.__doc__ or "").strip().split("\n")[0]
    _entries[kind, name] = Entry(name, kind, target, text, cards, paper, section, provenance)


def load() -> None:
    """Import every module under toyrl's catalogue packages, so that their entries exist."""
    for package in CATALOGUE:
        parent = importlib.import_module(f"toyrl.{package}")
        for info in pkgutil.walk_packages(getattr(parent, "__path__", []), f"toyrl.{package}."):
            importlib.import_module(info.name)


def entries(kind: str | None = None) -> list[Entry]:
    """All entries (of one kind), sorted by kind and name."""
    load()
    return [e for (k, _), e in sorted(_entries.items()) if kind in (None, k)]


def get(kind: str, name: str) -> Entry:
    """The entry of that kind and name, or an error that lists near names."""
    load()
    if (kind, name) in _entries:
        return _entries[kind, name]
    import difflib

    names = [n for k, n in _entries if k == kind]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or sorted(names)
    msg = f"no {kind} is called {name!r}; did you mean {', '.join(near)}? (`toyrl list` shows all)"
    raise KeyError(msg)
