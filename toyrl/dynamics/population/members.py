"""Individuals of a search, as arrays side by side, and archives that only grow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np

Array = np.ndarray


class World(Protocol):
    """What is searched: genomes (n, genes) become behaviours, observations and rewards.

    `evaluate` returns (behaviour (n, p) for judging coverage, seen (n, ...) for the descriptor,
    reward (n,)). A behaviour, observation or reward that is NaN rejects its individual.
    """

    @property
    def genes(self) -> int:
        """Length of a genome."""
        ...

    def evaluate(self, genomes: Array, rng: Any, /) -> tuple[Array, Array, Array]:
        """(behaviour, seen, reward) of genomes (n, genes)."""
        ...


@dataclass
class Members:
    """genome (n, m), seen (n, ...), bd (n, p), reward (n,), marked (n,): has become a candidate."""

    genome: Array
    seen: Array
    bd: Array
    reward: Array
    marked: Array

    def __len__(self) -> int:
        return len(self.reward)

    def take(self, index: Any) -> Members:
        """Those of an index."""
        return Members(*(getattr(self, f.name)[index] for f in fields(self)))

    def join(self, other: Members) -> Members:
        """These, then the other; nobody adds nothing, whatever the length of its descriptors."""
        if not len(self) or not len(other):
            return self if len(self) else other
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Members(*(np.concatenate(pair) for pair in pairs))


class Archive:
    """Members that were stored, in order; it never shrinks. `bd` is theirs by the last code."""

    def __init__(self) -> None:
        self.parts: list[Members] = []

    def __len__(self) -> int:
        return sum(len(p) for p in self.parts)

    def add(self, more: Members) -> None:
        """Store members."""
        if len(more):
            self.parts.append(more)

    def all(self) -> Members | None:
        """Everything stored; None while it is empty."""
        if len(self.parts) > 1:
            first = self.parts[0]
            joined = (np.concatenate([getattr(p, f.name) for p in self.parts])
                      for f in fields(first))  # fmt: skip
            self.parts = [Members(*joined)]
        return self.parts[0] if self.parts else None

    def bd(self) -> list[Array]:
        """Descriptors as a list of arrays, to be put together with others."""
        return [p.bd for p in self.parts]

    def describe(self, descriptor: Any) -> None:
        """Compute all descriptors anew: the code has changed."""
        for p in self.parts:
            p.bd = descriptor.describe(p.seen)
