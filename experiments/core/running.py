"""Run an experiment with its mutants: which checks hold, and which of them are proven."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from toyrl.experiments.core.registry import Experiment, Mutant
from toyrl.experiments.core.results import Check, Result
from toyrl.experiments.core.work import counted


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    names = ("toyrl", "numpy", "scipy", "jax", "numba")
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


@functools.cache  # a package's whole description is parsed for it
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def to_jsonable(value: Any) -> Any:
    """NumPy scalars and arrays for `json.dumps(default=...)`."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    msg = f"{type(value).__name__} is not JSON-able"
    raise TypeError(msg)


@dataclass(frozen=True)
class Broken:
    """What a mutant did to the smoke run: the checks it must break, and those that failed."""

    name: str
    breaks: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def caught(self) -> bool:
        """Everything that it must break failed."""
        return set(self.breaks) <= set(self.failed)

    @property
    def proves(self) -> frozenset[str]:
        """The checks that it must break and did; one that fails by the way proves nothing."""
        return frozenset(self.breaks) & frozenset(self.failed)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"name": self.name, "breaks": list(self.breaks), "caught": self.caught}


@dataclass(frozen=True)
class Outcome:
    """A run of an experiment with its mutants.

    work : units of `toyrl.experiments.core.work` that the run took, without the mutants
    """

    experiment: Experiment
    result: Result
    mutants: tuple[Broken, ...] = ()
    seconds: float = 0.0
    seed: int = 0
    work: float = 0.0

    @property
    def holds(self) -> bool:
        """Every check holds and every mutant that was run is caught."""
        return self.result.holds and all(m.caught for m in self.mutants)

    @property
    def proven(self) -> tuple[str, ...]:
        """Names of checks that a mutant must break and did break."""
        broken = frozenset().union(*(m.proves for m in self.mutants))
        return tuple(c.name for c in self.result.checks if c.name in broken)

    def standing(self, check: Check) -> str:
        """ "proven", "unproven" or "support"; "" where no mutant was run.

        Support that a mutant breaks is "proven" too.
        """
        if not self.mutants:
            return ""
        if check.name in self.proven:
            return "proven"
        return "unproven" if check.claim else "support"

    @property
    def unproven(self) -> tuple[str, ...]:
        """Names of the other checks; all of them where no mutant was run."""
        proven = set(self.proven)
        return tuple(c.name for c in self.result.checks if c.name not in proven)

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
            "mutants": [m.to_dict() for m in self.mutants],
            "proven": list(self.proven),
            "unproven": list(self.unproven),
            "seconds": round(self.seconds, 3),
            "work": round(self.work),
            "seed": self.seed,
            "versions": versions(),
            "notes": list(self.result.notes),
        }


def run_mutant(e: Experiment, m: Mutant, *, seed: int = 0) -> Broken:
    """Run a mutant on top of the smoke configuration."""
    result = e.run(**{**e.smoke, **m.arguments, "seed": seed})
    return Broken(m.name, tuple(m.breaks), tuple(c.name for c in result.checks if not c.holds))


def execute(
    e: Experiment,
    *,
    seed: int = 0,
    mutants: bool = True,
    arguments: Mapping[str, Any] | None = None,
) -> Outcome:
    """Run an experiment, and each mutant on top of the smoke configuration."""
    start = time.perf_counter()
    with counted() as tally:
        result = e.run(**{**(arguments or {}), "seed": seed})
    work = tally.units
    broken = tuple(run_mutant(e, m, seed=seed) for m in e.mutants) if mutants else ()
    return Outcome(e, result, broken, time.perf_counter() - start, seed, work)


def shortfalls(outcome: Outcome) -> dict[str, list[str]]:
    """What a claim's checks lack, by kind: unproven ones, and ones of one route without a reason.

    outcome : with its mutants
    """
    unproven = set(outcome.unproven)
    claims = [c for c in outcome.result.checks if c.claim]
    return {
        "unproven": [c.name for c in claims if c.name in unproven],
        "one_route": [c.name for c in claims if not c.has_routes],
    }
