"""Two bases under the families of `pareto_families`, each run trained once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from functools import lru_cache
from typing import Any

from toyrl.estimators.group import PRESETS
from toyrl.experiments.lab import behaviour
from toyrl.experiments.lab.behaviour import Base, Size, factor
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.shared import shared, sharing
from toyrl.experiments.papers.length.pareto_families import FAMILIES, Family
from toyrl.shapers.length.relative import GrpoLambda
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour.training import Path
from toyrl.worlds.behaviour.worlds import Worlds

BASES: Mapping[str, Base] = {
    "short": Base("short", 0.5, 600.0, 2048.0),
    "thinking": Base("thinking", 0.569, 10177.0, 16384.0),
}
"""The second is what is published of R1-Distill-Qwen-1.5B; the first is such as are common."""


class LeastSolved(GrpoLambda):
    """Mutant: the penalty goes to the prompts that are solved least."""

    def marked(self, r: Any) -> Any:
        return GrpoLambda.marked(self, r.with_(correct=1 - r.correct))


MUTANTS: Mapping[str, Family] = {
    "least solved": Family(lambda a, _: LeastSolved(0.2, a), 0.2, "right ones of hard prompts"),
}


@lru_cache(maxsize=8)
def built(base: str, size: tuple[Any, ...]) -> Worlds:
    """The worlds of a base, of `size` as a tuple."""
    return behaviour.worlds_of(BASES[base], Size(*size))


@shared
def worlds_at(base: str, size: Sequence[Any]) -> Worlds:
    """`built`, as work that each lab counts once and its runs don't."""
    return built(base, tuple(size))


@sharing(256)
def trained_at(base: str, reward: str, number: float, estimator: str, size: Sequence[Any]) -> Path:
    """A run with a family of rewards at a number; "" is correctness alone."""
    b = BASES[base]
    shaper = pick({**FAMILIES, **MUTANTS}, reward).make(number, b) if reward else Outcome()
    return behaviour.run(built(base, tuple(size)), shaper, PRESETS[estimator], Size(*size))


@dataclass(frozen=True)
class Lab:
    """One size of all worlds, and its runs, each trained once.

    swaps : family -> the one that stands in its place, for mutants
    """

    size: Size
    swaps: Mapping[str, str] = field(default_factory=dict)
    kept: dict[Any, Any] = field(default_factory=dict)

    def family(self, name: str) -> Family:
        """The family, or its stand-in."""
        return pick({**FAMILIES, **MUTANTS}, self.swaps.get(name, name))

    def trained(self, base: str, reward: str, number: float, estimator: str) -> Path:
        """A run; a mutant has nearly all of them in common with the smoke run."""
        if base not in self.kept:
            self.kept[base] = worlds_at(base, astuple(self.size))
        where = (base, reward, number, estimator)
        if where not in self.kept:
            self.kept[where] = trained_at(*where, astuple(self.size))
        return self.kept[where]

    def outcome(self, base: str, estimator: str) -> Path:
        """Correctness alone."""
        return self.trained(base, "", 0.0, estimator)

    def plain(self, base: str, estimator: str) -> float:
        """Length factor of correctness alone."""
        return factor(self.outcome(base, estimator))

    def at(self, name: str, base: str, estimator: str, number: float | None = None) -> Path:
        """A family at its number (None: as published)."""
        x = self.family(name).published if number is None else number
        return self.trained(base, self.swaps.get(name, name), x, estimator)
