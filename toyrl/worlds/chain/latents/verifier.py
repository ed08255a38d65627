"""A verifier that errs: flips of its verdicts, by output or by prompt, as a latent of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import SHARE, check_fields, one_of
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law


@dataclass(frozen=True)
class VerifierFlips(Latent):
    """A verdict on the final answer, flipped at random. Field: `verified` (1 = accepted).

    false_negative : chance that a right answer is rejected; false_positive : that a wrong one is
        accepted. A truncated rollout has no answer: its verdict is 0 and never flipped
    by : "output" flips each rollout's verdict for itself; "prompt" draws once for a prompt and
        flips all its rollouts together, at one rate for both errors

    Only flips by output are a law of a rollout's class; by prompt they can be sampled.

    Raises ValueError for rates outside [0, 1], and for two rates where prompts are flipped.
    """

    false_negative: Annotated[float, SHARE] = 0.1
    false_positive: Annotated[float, SHARE] = 0.1
    by: Annotated[str, one_of("output", "prompt")] = "output"
    says: ClassVar[str] = (
        "a verifier rejects a right answer with probability {false_negative}, accepts a wrong one "
        "with probability {false_positive}, each {by} for itself; a truncated rollout never passes"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if self.by == "prompt" and self.false_negative != self.false_positive:
            msg = (
                f"false_negative={self.false_negative}, false_positive={self.false_positive}: a "
                "prompt is flipped or not, at one rate; make them equal or flip by output"
            )
            raise ValueError(msg)

    def law(self, kinds: Kinds) -> Law:
        if self.by == "prompt":
            msg = (
                "by='prompt' is no law of one rollout, since siblings are flipped together; "
                "sample it, or flip by output"
            )
            raise ValueError(msg)
        accepted = self._accepted(kinds.correct) * ~kinds.truncated
        weight = np.stack([1 - accepted, accepted], axis=-1)
        return weight, {"verified": np.array([0.0, 1.0])}

    def sample(self, rollouts: Rollouts, rng: np.random.Generator) -> Rollouts:
        """Rollouts (..., B, G) with `verified` drawn; by prompt, one draw for each (..., B)."""
        right = np.asarray(rollouts.correct, dtype=float)
        if self.by == "output":
            verdict = rng.random(right.shape) < self._accepted(right)
        else:
            flipped = rng.random(right.shape[:-1])[..., None] < self.false_positive
            verdict = np.where(flipped, 1 - right, right)
        return rollouts.with_(verified=verdict * ~np.asarray(rollouts.cut, dtype=bool) * 1.0)

    def _accepted(self, right: np.ndarray) -> np.ndarray:
        """Chance of acceptance; graded correctness interpolates."""
        return right * (1 - self.false_negative) + (1 - right) * self.false_positive
