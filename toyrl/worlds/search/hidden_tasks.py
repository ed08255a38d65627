"""Priors of hidden tasks: the arms' chances of success, drawn anew for each block of pulls.

    BetaArms(arms, a0, b0)      independent Beta(a0, b0)
    SafeArm(lam, a0, b0)        arm 0 pays lam surely, arm 1 is Beta(a0, b0)
    HiddenBoxes(boxes)          one arm pays always, the others never

`toyrl.worlds.search.meta_bandits` plays them, `toyrl.worlds.search.beliefs` has their exact values.

Source: E1 to E3 of our notes on paper 48, derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from toyrl.stats import picked


class Prior(Protocol):
    """What a prior of tasks has; one of your own needs no more. Counts are (..., K, 2), successes
    and failures of each arm in a block."""

    @property
    def arms(self) -> int:
        """K."""
        ...

    @property
    def most(self) -> int | None:
        """The largest count that tells something; None: every one does."""
        ...

    @property
    def pay(self) -> np.ndarray:
        """(K,) what a success of each arm pays; a failure pays nothing."""
        ...

    @property
    def learns(self) -> np.ndarray:
        """(K,) bool, whether pulls of the arm are counted."""
        ...

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, K) chances of success."""
        ...

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., K) posterior means of the chances."""
        ...

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., K) chances drawn from the posterior."""
        ...


@dataclass(frozen=True)
class BetaArms:
    """K arms with independent Beta(a0, b0) chances of paying 1.

    Raises ValueError for fewer than one arm or a prior that isn't above 0.
    """

    arms: int = 2
    a0: float = 1.0
    b0: float = 1.0

    def __post_init__(self) -> None:
        if not int(self.arms) == self.arms >= 1:
            msg = f"arms={self.arms} must be a whole number from 1 on"
            raise ValueError(msg)
        _beta(self.a0, self.b0)

    @property
    def most(self) -> None:
        """Every count tells something."""

    @property
    def pay(self) -> np.ndarray:
        """(K,) what a success of each arm pays."""
        return np.ones(self.arms)

    @property
    def learns(self) -> np.ndarray:
        """(K,) whether a pull of the arm tells anything."""
        return np.ones(self.arms, dtype=bool)

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, K) chances of success."""
        return rng.beta(self.a0, self.b0, size=(tasks, self.arms))

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., K) posterior means of the chances, of counts (..., K, 2): successes, failures."""
        return (self.a0 + counts[..., 0]) / (self.a0 + self.b0 + counts.sum(-1))

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., K) chances drawn from the posterior of counts (..., K, 2)."""
        return rng.beta(self.a0 + counts[..., 0], self.b0 + counts[..., 1])


@dataclass(frozen=True)
class SafeArm:
    """Arm 0 pays lam surely; arm 1 pays 1 with a chance from Beta(a0, b0).

    Raises ValueError for a pay that isn't finite or a prior that isn't above 0.
    """

    lam: float = 0.6
    a0: float = 1.0
    b0: float = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.lam):
            msg = f"lam={self.lam} must be finite: it is the safe arm's pay"
            raise ValueError(msg)
        _beta(self.a0, self.b0)

    @property
    def arms(self) -> int:
        """2."""
        return 2

    @property
    def most(self) -> None:
        """Every count tells something."""

    @property
    def pay(self) -> np.ndarray:
        """(2,) lam and 1."""
        return np.array([self.lam, 1.0])

    @property
    def learns(self) -> np.ndarray:
        """(2,) the safe arm tells nothing."""
        return np.array([False, True])

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, 2) chances, the safe arm's 1."""
        theta = np.ones((tasks, 2))
        theta[:, 1] = rng.beta(self.a0, self.b0, size=tasks)
        return theta

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., 2) posterior means of the chances, of counts (..., 2, 2)."""
        known = (self.a0 + counts[..., 1, 0]) / (self.a0 + self.b0 + counts[..., 1, :].sum(-1))
        return np.stack([np.ones_like(known), known], -1)

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., 2) chances drawn from the posterior of counts (..., 2, 2)."""
        drawn = rng.beta(self.a0 + counts[..., 1, 0], self.b0 + counts[..., 1, 1])
        return np.stack([np.ones_like(drawn), drawn], -1)


@dataclass(frozen=True)
class HiddenBoxes:
    """One of G boxes holds the prize for the whole block; opening it pays 1, the others 0.

    Raises ValueError for fewer than one box.
    """

    boxes: int = 5

    def __post_init__(self) -> None:
        if not int(self.boxes) == self.boxes >= 1:
            msg = f"boxes={self.boxes} must be a whole number from 1 on"
            raise ValueError(msg)

    @property
    def arms(self) -> int:
        """G."""
        return self.boxes

    @property
    def most(self) -> int:
        """1: a box that was opened tells nothing more."""
        return 1

    @property
    def pay(self) -> np.ndarray:
        """(G,) ones."""
        return np.ones(self.boxes)

    @property
    def learns(self) -> np.ndarray:
        """(G,) every box tells something."""
        return np.ones(self.boxes, dtype=bool)

    def draw(self, rng: np.random.Generator, tasks: int) -> np.ndarray:
        """(tasks, G) chances, 1 for the box with the prize."""
        return np.eye(self.boxes)[rng.integers(self.boxes, size=tasks)]

    def mean(self, counts: np.ndarray) -> np.ndarray:
        """(..., G) chances that a box holds the prize, of counts (..., G, 2).

        Counts that no block can show, all boxes empty, give the prior.
        """
        found, empty = counts[..., 0] > 0, counts[..., 1] > 0
        closed = (~empty).sum(-1, keepdims=True)
        search = np.where(closed > 0, ~empty / np.maximum(closed, 1), 1 / self.boxes)
        return np.where(found.any(-1, keepdims=True), found, search)

    def sample(self, rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
        """(..., G) chances drawn from the posterior: 1 for one box, of counts (..., G, 2)."""
        law = self.mean(counts)
        return np.eye(self.boxes)[picked(law, rng.random(law.shape[:-1]))]


def noted(prior: Prior, counts: np.ndarray, arm: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Counts (N, K, 2) after a pull of arms (N,) that won (N,) bool or not; what tells nothing is
    not counted."""
    out = counts.copy()
    out[np.arange(len(arm)), arm, np.where(won, 0, 1)] += prior.learns[arm]
    return out if prior.most is None else np.minimum(out, prior.most)


def _beta(a: float, b: float) -> None:
    if not (0 < a < np.inf and 0 < b < np.inf):
        msg = f"a0={a}, b0={b} must be finite and above 0: they are a Beta prior"
        raise ValueError(msg)
