"""Emitters: small populations that climb the reward from where one was found.

Source: paper 24, code SERENE/core/evolvers/emitter_evolver.py, serene.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyrl.dynamics.population.members import Members

Array = Any


def improvement(values: Array, window: int = 3) -> float:
    """max(mean of the last rows - mean of the first rows, 0) of rewards (n, m): n generations.

    window : rows at each end; with fewer rows they overlap. 0 for constant rewards; a constant
        added to all leaves it unchanged.

    Raises ValueError for no rows, a window below 1 and NaN.
    """
    v = np.asarray(values, dtype=float)
    if not v.size or window < 1 or np.isnan(v).any():
        msg = f"values has shape {v.shape}, window={window}: one row or more, without NaN, and "
        raise ValueError(msg + "window at least 1")
    return max(float(v[-window:].mean() - v[:window].mean()), 0.0)


def emitter_sigma(genomes: Array, index: int, *, number_of_std: float = 3.0,
                  sigma_default: float = 0.05) -> float:  # fmt: skip
    """Distance of genome `index` to the nearest other of genomes (n, m), over number_of_std.

    The default where that distance is 0 (a copy) and where there is no other.

    Raises ValueError for an index that is not there.
    """
    g = np.asarray(genomes, dtype=float)
    if not 0 <= index < len(g):
        msg = f"index={index} is not one of the {len(g)} genomes"
        raise ValueError(msg)
    others = np.delete(g, index, axis=0)
    if not len(others):
        return sigma_default
    near = float(np.sqrt(((others - g[index]) ** 2).sum(-1)).min())
    return near / number_of_std if near > 0 else sigma_default


def stagnates(values: Array, genes: int, population: int = 6) -> bool:
    """Rewards (n, m) of n generations have stopped rising, by the released "custom" test.

    After b = 20 genes / population + 120 generations: over the last b rows the median or the
    maximum of the first 20 is not exceeded by that of the last 20.
    """
    v, b = np.asarray(values, dtype=float), int(20 * genes / population + 120)
    if len(v) <= b:
        return False
    first, last = v[-b:][:20], v[-20:]
    return bool(np.median(first) >= np.median(last) or first.max() >= last.max())


@dataclass(eq=False)
class Emitter:
    """One emitter.

    ancestor : the rewarded individual, as Members of one; sigma : of its mutations
    members : the present population, best first; values : its rewards (B,) by generation
    best : the highest reward that it has archived; novel : the highest novelty seen in it
    kept : members that were more novel than all before them
    """

    ancestor: Members
    sigma: float
    members: Members | None = None
    values: list[np.ndarray] = field(default_factory=list)
    best: float = -np.inf
    novel: float = -np.inf
    kept: list[Members] = field(default_factory=list)
    gain: float = 0.0

    @property
    def generations(self) -> int:
        """Generations so far, the first population not counted."""
        return max(len(self.values) - 1, 0)

    def parents(self, size: int, offspring: int) -> np.ndarray:
        """(n, genes) to be mutated: the ancestor `size` times at first, then each its offspring.

        The ancestor again where all that were born so far were rejected.
        """
        if self.members is None or not len(self.members):
            return np.repeat(self.ancestor.genome, size, axis=0)
        return np.repeat(self.members.genome, offspring, axis=0)

    def take_in(self, born: Members, size: int) -> Members:
        """Keep the best `size` by reward; what exceeds all that was archived is returned."""
        pool = born if self.members is None else self.members.join(born)
        self.members = pool.take(np.argsort(-pool.reward, kind="stable")[:size])
        row = np.full(size, self.members.reward.min() if len(self.members) else 0.0)
        row[: len(self.members)] = self.members.reward
        self.values.append(row)
        over = self.members.reward > max(self.best, 0.0)
        found = self.members.take(np.flatnonzero(over)[: 1 if self.best == -np.inf else None])
        if len(found):
            self.best = float(found.reward.max())
        return found
