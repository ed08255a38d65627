"""Who hacks what: which of several texts each reward likes best, and what those are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.core import Picture, Table
from toyrl.theory.policies import tilt

Array = Any
SHOWN = 24
TIE = 1e-12


@dataclass(frozen=True)
class Hacked:
    """Rewards of K texts, held against what the texts are worth.

    arms : K names of texts
    rewards : R names of rewards
    values : (R, K)
    utility : (K,) what a text is truly worth, 1 at most by custom
    best : (R, K) bool, the maximisers of each reward
    """

    arms: tuple[str, ...]
    rewards: tuple[str, ...]
    values: np.ndarray
    utility: np.ndarray
    best: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """(R,) how many texts maximise each reward."""
        return self.best.sum(-1)

    @property
    def worst(self) -> np.ndarray:
        """(R,) utility of the worst maximiser: what optimising the reward may come to."""
        return np.where(self.best, self.utility, np.inf).min(-1)

    @property
    def luckiest(self) -> np.ndarray:
        """(R,) utility of the best maximiser."""
        return np.where(self.best, self.utility, -np.inf).max(-1)

    def example(self, luckiest: bool = False) -> np.ndarray:
        """(R,) index of the worst maximiser, the first of its like; or of the best one."""
        if luckiest:
            return np.where(self.best, self.utility, -np.inf).argmax(-1)
        return np.where(self.best, self.utility, np.inf).argmin(-1)

    def who(self, reward: str) -> tuple[str, ...]:
        """Names of the texts that maximise a reward."""
        row = self.best[self.rewards.index(reward)]
        return tuple(name for name, best in zip(self.arms, row, strict=True) if best)

    def tilted(self, beta: float, base: Array | None = None) -> np.ndarray:
        """(R,) expected utility under the policies base exp(reward/beta)/Z.

        beta : in units of the reward; base : (K,) probabilities, None: uniform
        """
        base = np.full(len(self.arms), 1 / len(self.arms)) if base is None else base
        return tilt(base, self.values, np.array(1 / beta)) @ self.utility

    def table(self, name: str = "maximisers", caption: str = "") -> Table:
        """A row a reward: its maximisers, their worst utility, the text that has it."""
        rows = [
            [reward, int(count), float(worst), self.arms[i]]
            for reward, count, worst, i in zip(
                self.rewards, self.count, self.worst, self.example(), strict=True
            )
        ]
        columns = ("reward", "maximisers", "worst utility among them", "that text")
        return Table(name, columns, rows, caption)

    def picture(self, name: str, title: str, caption: str = "", *,
                shown: Sequence[str] = ()) -> Picture:  # fmt: skip
        """A heat map: each reward as a column, scaled to its own range, beside the utility.

        shown : names of the texts drawn, none: all; at most `SHOWN`
        """
        names = tuple(shown) or self.arms
        if len(names) > SHOWN:
            msg = f"{len(names)} texts are more than the {SHOWN} a picture holds: name those shown"
            raise ValueError(msg)
        rows = [self.arms.index(n) for n in names]
        every = np.vstack([self.values, self.utility])
        low, span = every.min(-1, keepdims=True), np.ptp(every, -1, keepdims=True)
        scaled = (every - low) / np.where(span > 0, span, 1.0)
        return Picture(
            name, title, "", "", grid=scaled[:, rows].T, grid_label="from its least to its most",
            labels=names, columns=(*self.rewards, "true utility"), caption=caption,
        )  # fmt: skip


def who_hacks_what(
    arms: Sequence[str], rewards: Mapping[str, Array], utility: Array, *, tie: float = TIE
) -> Hacked:
    """Every reward's maximisers among K texts, and what those are worth.

    rewards : name -> (K,); utility : (K,); values within `tie` of the largest are maximisers

    Raises ValueError for numbers that are not finite, or another number of texts.
    """
    values = np.array([np.asarray(v, dtype=float) for v in rewards.values()])
    worth = np.asarray(utility, dtype=float)
    if values.shape != (len(rewards), len(arms)) or worth.shape != (len(arms),):
        msg = f"{len(arms)} texts need as many values of every reward and of the utility"
        raise ValueError(msg)
    if not (np.isfinite(values).all() and np.isfinite(worth).all()):
        msg = "rewards and utility must be finite: a text without a value has no place in the order"
        raise ValueError(msg)
    best = values >= values.max(-1, keepdims=True) - tie
    return Hacked(tuple(arms), tuple(rewards), values, worth, best)
