"""A base's own rollouts under a reward, as the sealed file of a study keeps them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.evidence import Evidence, Sample
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper
from toyrl.worlds.behaviour.groups import GroupReward
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.behaviour.texts import TextReward
from toyrl.worlds.logged import conditioning

FIELDS = ("answered", "answer")
"""What a study keeps of each rollout where it was read: whether it can be, and which it is."""


@dataclass(frozen=True)
class Logged(Evidence):
    """Groups that a model sampled, with the reward of each rollout.

    rollouts : (1, B, G); values : (1, B, G) the reward, NaN where unscorable
    estimator : as trained
    shaper : the reward if it can be computed from correctness and length, else None: then nothing
        is known of other lengths
    text : what it pays for behaviours, where it reads texts
    agreed : share of wrong answers that are their prompt's common one, and its standard error;
        None: as the prior has it
    asked : accuracy and mean length that were told instead of the log's, None: the log's
    """

    rollouts: Rollouts
    values: np.ndarray
    estimator: Estimator
    shaper: Shaper | None = None
    text: TextReward | GroupReward | None = None
    labels: bool = True
    scores: Mapping[str, Callable[[Played], np.ndarray]] = field(default_factory=dict)
    asked: tuple[float | None, float | None] = (None, None)
    agreed: tuple[float, float] | None = None

    @cached_property
    def like(self) -> conditioning.Told:
        """What worlds like this log are conditioned on."""
        found = conditioning.told_of(first_of(self.rollouts))
        accuracy, length = self.asked
        return replace(found, accuracy=accuracy or found.accuracy, length=length or found.length)

    def _now(self) -> Sample:
        return self._sample(self.rollouts, self.values)

    def at(self, factor: float) -> Sample | None:
        """The same rollouts with other lengths; None for a reward that reads texts."""
        r = self.rollouts
        if self.shaper is None or not all(r.has(name) for name in self.shaper.all_needs()):
            return None
        length = np.clip(np.rint(r.length * factor), 1.0, r.max_length)
        moved = replace(r, length=np.where(r.cut, r.length, length))
        return self._sample(moved, np.asarray(self.shaper.reward(moved), dtype=float))

    def of_wrong(self) -> np.ndarray:
        """Of the wrong rollouts in the log; NaN alone where there are none."""
        wrong = self.values[np.asarray(self.rollouts.correct) < 0.5]
        return wrong if len(wrong) else np.array([np.nan])

    def _sample(self, r: Rollouts, values: np.ndarray) -> Sample:
        parts: Parts = {"reward": values}
        return Sample(r, values, np.asarray(self.estimator.apply(parts, r)[0], dtype=float))


def first_of(r: Rollouts) -> Rollouts:
    """(B, G) of (1, B, G)."""
    fields = {name: np.asarray(x)[0] for name, x in r.fields.items()}
    own = (r.correct[0], r.length[0], r.max_length, np.asarray(r.cut)[0], np.asarray(r.w)[0])
    return Rollouts(*own, fields=fields)


def rollouts_of(kept: Mapping[str, Any], group: int, limit: float) -> Rollouts:
    """(1, B, G) rollouts from the lists `correct`, `length`, `truncated` of a sealed file.

    Raises UsageError for lists that aren't groups of `group` neighbours.
    """
    n = len(kept["correct"])
    if n == 0 or n % group or any(len(kept[k]) != n for k in ("length", "truncated")):
        msg = (
            f"the base's rollouts are {n} entries; they must be full groups of {group}, a list each"
        )
        raise UsageError(msg)

    def grouped(name: str) -> np.ndarray:
        return np.array(kept[name], dtype=float).reshape(1, -1, group)

    fields = {name: grouped(name) for name in FIELDS if name in kept}
    cut = grouped("truncated") > 0
    return Rollouts(grouped("correct"), grouped("length"), limit, cut, fields=fields)
