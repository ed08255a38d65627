"""A judge's measured errors: verdicts that flip at rates of the rollout's own class, as a latent.

Where `VerifierFlips` has one rate for all, a judge that likes long answers accepts more of the long
wrong ones: that slope is what training climbs. Classes are ranges of length, answers that carry no
mark, and rollouts that were cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.ranges import SHARE, check_fields
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law

Array = np.ndarray


@dataclass(frozen=True)
class JudgeErrors(Latent):
    """A judge's verdict on a rollout, wrong at a rate of its class. Field: `verified`.

    edges : (n - 1,) lengths in tokens, rising, that part the n ranges of length
    false_negative, false_positive : (n,) chance that a right answer of such a length is rejected,
        that a wrong one is accepted
    unread : chance that a wrong answer without a mark is accepted; cut : a truncated rollout

    In the chain every rollout that was not cut has a mark; `unread` is for behaviours.

    Raises ValueError for rates outside [0, 1], lengths that do not rise, and counts that don't fit.
    """

    edges: tuple[float, ...] = ()
    false_negative: Annotated[tuple[float, ...], SHARE.each] = (0.1,)
    false_positive: Annotated[tuple[float, ...], SHARE.each] = (0.1,)
    unread: Annotated[float, SHARE] = 0.0
    cut: Annotated[float, SHARE] = 0.0
    says: ClassVar[str] = (
        "a judge rejects right answers with probability {false_negative} and accepts wrong ones "
        "with {false_positive}, by length (parted at {edges} tokens); it accepts {unread} of the "
        "answers without a mark and {cut} of the truncated rollouts"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        n = len(self.edges) + 1
        if not len(self.false_negative) == len(self.false_positive) == n:
            msg = (
                f"{len(self.edges)} edges part {n} ranges of length, but false_negative has "
                f"{len(self.false_negative)} rates and false_positive {len(self.false_positive)}; "
                "give one for each range"
            )
            raise ValueError(msg)
        if any(not b > a for a, b in zip((0.0, *self.edges), self.edges, strict=False)):
            msg = f"edges={self.edges} must be lengths above 0 that rise"
            raise ValueError(msg)

    def accepted(self, right: Array, length: Array, cut: Array, marked: Any = True) -> Array:
        """Chance of acceptance; arrays of one shape, right in [0, 1] interpolates."""
        at = np.searchsorted(np.asarray(self.edges), length, side="right")
        missed, let = (np.asarray(x)[at] for x in (self.false_negative, self.false_positive))
        wrong = np.where(marked, let, self.unread)
        return np.where(cut, self.cut, right * (1 - missed) + (1 - right) * wrong)

    def scaled(self, share: float) -> JudgeErrors:
        """The same judge with all its errors times `share`, at most 1 each."""

        def less(x: tuple[float, ...]) -> tuple[float, ...]:
            return tuple(min(1.0, share * v) for v in x)

        unread, cut = less((self.unread, self.cut))
        made = replace(self, false_negative=less(self.false_negative), unread=unread, cut=cut)
        return replace(made, false_positive=less(self.false_positive))

    def law(self, kinds: Kinds) -> Law:
        accepted = self.accepted(kinds.correct, kinds.length, kinds.truncated)
        weight = np.stack([1 - accepted, accepted], axis=-1)
        return weight, {"verified": np.array([0.0, 1.0])}

    def sample(self, rollouts: Rollouts, rng: np.random.Generator) -> Rollouts:
        """Rollouts (..., B, G) with `verified` drawn."""
        right, length = (np.asarray(x, dtype=float) for x in (rollouts.correct, rollouts.length))
        chance = self.accepted(right, length, np.asarray(rollouts.cut, dtype=bool))
        return rollouts.with_(verified=(rng.random(right.shape) < chance) * 1.0)

    def mixed(
        self, mean: Array, variance: Array | None, classes: Mapping[str, Array]
    ) -> tuple[Array, Array]:
        """Mean and variance (D, K) of a graded reward whose labels come from the judge.

        mean, variance : (D, K) by the true label; classes : (K,) correct, length, truncated, and
        `other`, the class of the same length with the other answer. A class without one (a
        truncated rollout) is paid as it is.
        """
        right, other = classes["correct"], classes["other"]
        chance = self.accepted(right, classes["length"], classes["truncated"])
        flipped = np.where(right > 0, 1 - chance, chance)
        flipped = np.where(other == np.arange(len(other)), 0.0, flipped)
        own = np.zeros_like(mean) if variance is None else variance
        made = (1 - flipped) * mean + flipped * mean[:, other]
        second = (1 - flipped) * (own + mean**2) + flipped * (own + mean**2)[:, other]
        return made, np.maximum(second - made**2, 0.0)
