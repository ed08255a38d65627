"""A reward as a law on the chain's outcome classes.

The class table itself is `toyrl.worlds.chain.reward_table`. Here a text reward is graded on
rendered texts of every class and becomes a mean and a variance per class (then results are called
sampled); it enters the table as the field `user_reward`, so that group shapers see it too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.reward_table import DIFFICULTIES, RewardTable

__all__ = ["DIFFICULTIES", "RewardLaw", "UserReward", "grade_classes", "renderings"]


GRADED = (2, 5, 8)  # difficulties whose texts are graded; others take the nearest


@dataclass(frozen=True)
class UserReward(Shaper):
    """The value that a text reward gave to the rollout's class or text (field `user_reward`)."""

    needs: ClassVar[tuple[str, ...]] = ("user_reward",)

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        return {"user_reward": r.need("user_reward", by="UserReward")}


@dataclass(frozen=True)
class RewardLaw(RewardTable):
    """A reward on the classes of a chain template, as `validate` describes it."""

    def gap(self) -> float:
        """a: mean reward of right minus wrong answers of equal length; 0 for gold-free rewards."""
        table, H = self.table(), self.chain.H
        return float(np.nanmean(table[:, :H] - table[:, H : 2 * H]))

    def picture(self, difficulty: int = 5) -> Picture:
        """Reward against length, right and wrong."""
        table, H = self.table()[difficulty - 1], self.chain.H
        length = self.chain.class_length()[:H].tolist()
        how = (
            "The mean over rendered texts of each class."
            if not self.exact
            else (
                "The reward of each class."
                if self.scope == "rollout"
                else "With one sibling of every class; group terms move with the siblings."
            )
        )
        return Picture(
            "contract-reward",
            "The reward by length",
            "length (tokens)",
            "reward",
            curves=(
                Curve("right", length, table[:H].tolist()),
                Curve("wrong", length, table[H : 2 * H].tolist()),
            ),
            caption=how,
        )


def renderings(thorough: bool) -> int:
    """Texts that are graded of each class and difficulty."""
    return 6 if thorough else 3


def grade_classes(
    chain: Chain,
    score: Callable[[Sequence[Any]], list[float | None]],
    class_rows: Callable[..., list[Any]],
    *,
    dialect: str,
    renderings: int = 3,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray, tuple[float, float], int]:
    """Mean and variance (8, K) of a text reward over rendered texts of each class.

    Returns also the least and greatest value, and the number of texts graded. Classes whose texts
    could not be scored (None) are filled from the nearest scored length.
    """
    rows, where = [], []
    for i, d in enumerate(GRADED):
        for k in range(chain.n_classes):
            right, cut = k < chain.H, k == 2 * chain.H
            length = chain.H if cut else k % chain.H + 1
            texts = class_rows(
                chain,
                d,
                dialect,
                correct=right,
                length_actions=length,
                truncated=cut,
                renderings=renderings,
                seed=seed + 1000 * k,
            )
            rows += [t.row for t in texts]
            where += [(i, k)] * len(texts)
    values = np.array([np.nan if v is None else v for v in score(rows)], dtype=float)
    flat = np.array([i * chain.n_classes + k for i, k in where])
    ok = np.isfinite(values)
    size = len(GRADED) * chain.n_classes
    count = np.bincount(flat[ok], minlength=size)
    total = np.bincount(flat[ok], values[ok], minlength=size)
    mean = total / np.maximum(count, 1)
    spread = np.bincount(flat[ok], (values[ok] - mean[flat[ok]]) ** 2, minlength=size)
    variance = spread / np.maximum(count - 1, 1)
    mean, variance, count = (x.reshape(len(GRADED), -1) for x in (mean, variance, count))
    _fill_gaps(mean, variance, count, chain.H)
    nearest = [int(np.argmin([abs(d - g) for g in GRADED])) for d in DIFFICULTIES]
    ends = (float(values[ok].min()), float(values[ok].max())) if ok.any() else (0.0, 0.0)
    return mean[nearest], variance[nearest], ends, len(rows)


def _fill_gaps(mean: np.ndarray, variance: np.ndarray, count: np.ndarray, H: int) -> None:
    for i in range(mean.shape[0]):
        for block in (slice(0, H), slice(H, 2 * H)):
            have = np.flatnonzero(count[i, block])
            if 0 < len(have) < H:
                lengths = np.arange(H)
                mean[i, block] = np.interp(lengths, have, mean[i, block][have])
                variance[i, block] = np.interp(lengths, have, variance[i, block][have])
