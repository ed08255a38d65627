"""Experiments and their mutants, by id."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.experiments.core.results import Result
from toyrl.messages import shortened
from toyrl.papers import cite


@dataclass(frozen=True)
class Mutant:
    """A deliberately broken argument set and the checks that it must break."""

    name: str
    arguments: Mapping[str, Any]
    breaks: tuple[str, ...]


@dataclass(frozen=True)
class Experiment:
    """A registered experiment; `run(**arguments)` is pure."""

    id: str
    card: str
    slug: str
    claim: str
    source: str
    run: Callable[..., Result]
    smoke: Mapping[str, Any]
    mutants: tuple[Mutant, ...]
    provenance: str = "text"
    works: tuple[str, ...] = ()


_experiments: dict[str, Experiment] = {}


def experiment(
    id: str,
    *,
    card: str,
    slug: str,
    claim: str,
    source: str = "",
    smoke: Mapping[str, Any],
    mutants: Sequence[Mutant],
    provenance: str = "text",
    works: Sequence[str] = (),
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register the decorated function as an experiment.

    card : number of its paper, "" for none; works : short names of what it rests on instead (both
        as in `toyrl.papers`, which gives their titles)
    source : where in them, and what else; the experiment's `source` has the titles before it
    """
    if not mutants:
        msg = f"experiment {id!r} has no mutant; a check that cannot fail proves nothing"
        raise ValueError(msg)

    titles = "; ".join(cite(n) for n in works or filter(None, (card,)))
    full = ", ".join(filter(None, (titles, source)))

    def decorate(run: Callable[..., Result]) -> Callable[..., Result]:
        _experiments[id] = Experiment(
            id, card, slug, claim, full, run, dict(smoke), tuple(mutants), provenance, tuple(works)
        )
        return run

    return decorate


def load() -> dict[str, Experiment]:
    """All experiments, by id."""
    package = importlib.import_module("toyrl.experiments.papers")
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(info.name)
    return dict(sorted(_experiments.items()))


def select(names: Sequence[str]) -> list[Experiment]:
    """Experiments by number of the paper ("03"), slug ("drpo"), id, or "all"."""
    known = load()
    if list(names) == ["all"]:
        return list(known.values())
    chosen: dict[str, Experiment] = {}
    for name in names:
        hits = [e for e in known.values() if name in (e.id, e.slug) or name.zfill(2) == e.card]
        if not hits:
            ids = ", ".join(
                sorted({f"{e.card} ({e.slug})" if e.card else e.id for e in known.values()})
            )
            known_as = {n for e in known.values() for n in (e.id, e.slug)}
            near = difflib.get_close_matches(name, sorted(known_as), n=2, cutoff=0.6)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {ids}"
            msg = f"no experiment is called {shortened(name)}; {hint}"
            raise KeyError(msg)
        chosen.update({e.id: e for e in hits})
    return list(chosen.values())
