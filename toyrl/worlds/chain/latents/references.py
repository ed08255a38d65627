"""Kinds of prompts, and references where no rule verifies them, as latents of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import Range
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law


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


@dataclass(frozen=True)
class OneTask(Latent):
    """All prompts are of one kind of task. Field: `task`."""

    task: Annotated[int, Range("[0, inf)", whole=True)] = 0
    says: ClassVar[str] = "all prompts are of the kind of task number {task}"

    def law(self, kinds: Kinds) -> Law:
        return np.ones((len(kinds), 1)), {"task": np.full((len(kinds), 1), float(self.task))}
