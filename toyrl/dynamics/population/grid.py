"""A grid over behaviours: which cells were reached, and one member of each.

Coverage is the share of cells that were ever reached. `ribs` has richer archives; this one needs no
extra, and `toyrl.testing` uses it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Grid:
    """Equal cells over a box; what lies outside counts for the cell nearest to it.

    bins : cells along each coordinate (p of them); low, high : the box, numbers or (p,)

    Raises ValueError for no cell and for an empty box.
    """

    bins: tuple[int, ...] = (20, 20)
    low: float | Sequence[float] = -1.0
    high: float | Sequence[float] = 1.0

    def __post_init__(self) -> None:
        low, high = np.asarray(self.low, dtype=float), np.asarray(self.high, dtype=float)
        if not self.bins or min(self.bins) < 1 or not np.all(low < high):
            msg = f"bins={self.bins} must be 1 or more each, low={self.low} below high={self.high}"
            raise ValueError(msg)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.bins))

    def cells(self, behaviour: Array) -> np.ndarray:
        """(n,) number of the cell, row by row, of behaviours (n, p); -1 where one is NaN."""
        x = np.atleast_2d(np.asarray(behaviour, dtype=float))
        bins = np.array(self.bins)
        low, high = np.asarray(self.low, dtype=float), np.asarray(self.high, dtype=float)
        there: Any = np.isfinite(x).all(-1)
        share = np.where(there[:, None], np.clip((x - low) / (high - low), 0.0, 1.0), 0.0)
        place = np.minimum((share * bins).astype(int), bins - 1)
        return np.where(there, np.ravel_multi_index(tuple(place.T), self.bins), -1)

    def coverage(self, behaviour: Array) -> float:
        """Share of cells in which one of the behaviours (n, p) lies; none: 0."""
        if not np.size(behaviour):
            return 0.0
        cell = self.cells(behaviour)
        return len(np.unique(cell[cell >= 0])) / self.size

    def growth(self, behaviour: Array) -> np.ndarray:
        """(n,) coverage of the first 1, 2, ..., n behaviours (n, p)."""
        cell = self.cells(behaviour)
        _, first = np.unique(cell, return_index=True)
        new = np.zeros(len(cell))
        new[first] = 1.0
        new[cell < 0] = 0.0
        return new.cumsum() / self.size

    def members(self, behaviour: Array, quality: Array | None = None) -> dict[int, int]:
        """The member of each reached cell: its first, or the one of highest quality (n,).

        A quality of NaN is below every number.
        """
        cell = self.cells(behaviour)
        q = np.zeros(len(cell)) if quality is None else np.asarray(quality, dtype=float)
        out: dict[int, int] = {}
        for i in np.argsort(-np.where(np.isnan(q), -np.inf, q), kind="stable"):
            if cell[i] >= 0:
                out.setdefault(int(cell[i]), int(i))
        return out
