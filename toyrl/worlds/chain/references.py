"""Answers compared with a reference where no rule can verify them, as a latent of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import Range
from toyrl.worlds.chain.latents import Kinds, Latent, Law


@dataclass(frozen=True)
class Similarity(Latent):
    """Cosine to a reference by correctness, on prompts without a rule.

    Fields: `similarity`, `verifiable` (0: the same for all, as it belongs to the prompt).
    """

    right: Annotated[float, Range("[-1, 1]")] = 0.8
    wrong: Annotated[float, Range("[-1, 1]")] = 0.5
    says: ClassVar[str] = (
        "prompts can't be verified; a right answer has the similarity {right} to the reference, a "
        "wrong one {wrong}"
    )

    def law(self, kinds: Kinds) -> Law:
        level = np.where(kinds.correct > 0, self.right, self.wrong)[:, None]
        return np.ones((len(kinds), 1)), {"similarity": level, "verifiable": 0 * level}
