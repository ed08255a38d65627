"""Progress of a text through the steps of reference solutions: a scorer of steps without labels.

    scorer = ProgressScorer.of([steps_1, steps_2, ...], StepDiscovery(4, floor=0.1, min_size=1))
    scorer(["Let x be ...", "Then ..."])          [0.0, 0.14]: how far the text has come, kept

A frame is a step of a text (`toyrl.graders.steps.splits`), its features hashed words or what a
frozen model makes of it. In a file of one's own it is what `toyrl validate "step_progress()"
--process FILE.py:scorer` asks. Content is scored, never position: steps of filler leave progress
where it is.

Source: paper 44 has images; on texts ours.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toyrl.models.steps.rewards import StepDiscovery, StepRewards, stacked

Array = Any
Features = Callable[[Sequence[str]], Array]
WORD = re.compile(r"[^\W\d_]+|[^\w\s]")


def hashed_words(texts: Sequence[str], *, size: int = 256) -> np.ndarray:
    """(N, size) 1 where a text has a word or a pair of neighbouring words of that hash, else 0.

    Numbers are left out: they are the problem's, not the step's.
    """
    out = np.zeros((len(texts), size))
    for row, text in zip(out, texts, strict=True):
        words = WORD.findall(text.lower())
        pairs = [f"{a} {b}" for a, b in pairwise(words)]
        row[[zlib.crc32(piece.encode()) % size for piece in (*words, *pairs)]] = 1.0
    return out


@dataclass(frozen=True)
class ProgressScorer:
    """model : fitted on the same features; order : see `toyrl.models.steps.rewards.latched`.

    The order is strict by default: under "gate", the conclusion written first is paid in the end.
    """

    model: StepRewards
    features: Features = hashed_words
    order: str = "strict"

    @classmethod
    def of(cls, solutions: Sequence[Sequence[str]], learner: StepDiscovery,
           features: Features = hashed_words, order: str = "strict") -> ProgressScorer:  # fmt: skip
        """Fitted on the steps of reference solutions, each a list of texts.

        Raises ValueError as `StepDiscovery.fit` and `stacked` do.
        """
        return cls(learner.fit(*stacked([features(s) for s in solutions])), features, order)

    def __call__(self, steps: Sequence[str]) -> list[float]:
        """One number in [0, 1] per step of one text, in order; never falls."""
        if not steps:
            return []
        return self.model.progress(self.features(steps), order=self.order).tolist()
