"""Results, checks and experiments.

An experiment is a pure function of JSON-able keywords that returns curves, tables and checks.
It registers a small `smoke` configuration and at least one mutant: an argument that breaks the
mechanism, with the names of the checks that must then fail.
"""

from __future__ import annotations

import importlib
import math
import operator
import pkgutil
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np

from toyrl.papers import cite

SCHEMA = "toyrl.reproduce/1"
OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Check:
    """One statement that can fail: `value op bound`, or |value - bound| <= tolerance for "~".

    stderr : standard error of `value` where it was sampled
    routes : the independent ways in which the number was found
    """

    name: str
    value: float
    bound: float
    op: str = "<="
    tolerance: float = 0.0
    stderr: float | None = None
    routes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """False for NaN, whatever the operator."""
        if math.isnan(self.value) or math.isnan(self.bound):
            return False
        if self.op == "~":
            return abs(self.value - self.bound) <= self.tolerance
        return bool(OPERATORS[self.op](self.value, self.bound))

    def to_dict(self) -> dict[str, Any]:
        """JSON form, `holds` included."""
        data = {**asdict(self), "holds": self.holds, "routes": list(self.routes)}
        for key in ("value", "bound", "stderr", "tolerance"):
            number = data[key]
            if isinstance(number, float) and not math.isfinite(number):
                data[key] = str(number)
        return data


@dataclass(frozen=True)
class Curve:
    """One line of a picture: y over x, with an optional band (low, high)."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    style: str = "line"  # line | points | dashed


@dataclass(frozen=True)
class Picture:
    """One panel: curves on shared axes, a heat map (`grid` with x, y edges), or bars.

    labels : names of the rows of horizontal bars; the first curve gives their values as x, rows as
        y, and further curves are marks on the same rows
    """

    name: str
    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    grid: Any = None  # (len(y), len(x)) values
    grid_x: Sequence[float] = ()
    grid_y: Sequence[float] = ()
    grid_label: str = ""
    log_x: bool = False
    log_y: bool = False
    caption: str = ""
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """A table with units in its headings."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


@dataclass(frozen=True)
class Result:
    """What an experiment found."""

    checks: tuple[Check, ...]
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """All checks hold, and there is at least one."""
        return bool(self.checks) and all(c.holds for c in self.checks)


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
            id, card, slug, claim, full, run, dict(smoke), tuple(mutants), provenance
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
    """Experiments by card number ("03"), slug ("drpo"), id, or "all"."""
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
            msg = f"no experiment is called {name!r}; there are: {ids}"
            raise KeyError(msg)
        chosen.update({e.id: e for e in hits})
    return list(chosen.values())


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    out = {"python": platform.python_version()}
    for name in ("toyrl", "numpy", "scipy", "jax", "numba"):
        try:
            out[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            out[name] = "not installed"
    return out


def to_jsonable(value: Any) -> Any:
    """NumPy scalars and arrays for `json.dumps(default=...)`."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    msg = f"{type(value).__name__} is not JSON-able"
    raise TypeError(msg)


@dataclass(frozen=True)
class Outcome:
    """A run of an experiment with its mutants."""

    experiment: Experiment
    result: Result
    mutants: tuple[dict[str, Any], ...] = ()
    seconds: float = 0.0
    seed: int = 0

    @property
    def holds(self) -> bool:
        """Every check holds and every mutant that was run is caught."""
        return self.result.holds and all(m["caught"] for m in self.mutants)

    def to_dict(self) -> dict[str, Any]:
        """One entry of the JSON file of `toyrl reproduce`."""
        e = self.experiment
        return {
            "id": e.id,
            "card": e.card,
            "claim": e.claim,
            "source": e.source,
            "provenance": e.provenance,
            "checks": [c.to_dict() for c in self.result.checks],
            "mutants": list(self.mutants),
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "versions": versions(),
            "notes": list(self.result.notes),
        }


def execute(
    e: Experiment,
    *,
    seed: int = 0,
    mutants: bool = True,
    arguments: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run an experiment, and each mutant on top of the smoke configuration."""
    start = time.perf_counter()
    result = e.run(**{**(arguments or {}), "seed": seed})
    answers = []
    for m in e.mutants if mutants else ():
        broken = e.run(**{**e.smoke, **m.arguments, "seed": seed})
        failed = {c.name for c in broken.checks if not c.holds}
        answers.append(
            {
                "name": m.name,
                "breaks": list(m.breaks),
                "caught": set(m.breaks) <= failed,
            }
        )
    return Outcome(e, result, tuple(answers), time.perf_counter() - start, seed)
