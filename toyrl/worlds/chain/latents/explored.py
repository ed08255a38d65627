"""Latents of intrinsic rewards: what was seen before, and steps that are told as captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import COUNT, NOT_NEGATIVE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places


@dataclass(frozen=True)
class Captions(Latent):
    """Steps that are judged helpful, and repeated verbatim once there is nothing more to say.

    step : tokens of a step; new : steps that a text has to say; further ones repeat the last of
        them. Fields: `helpful` (1 on the last token of a step), `caption_count`.
    """

    step: Annotated[int, COUNT] = 16
    new: Annotated[int, COUNT] = 4
    says: ClassVar[str] = (
        "a text's first {new} steps of {step} tokens are new and judged helpful, right or wrong; "
        "every further step repeats the last of them word for word"
    )

    def law(self, kinds: Kinds) -> Law:
        place, length = token_places(kinds), kinds.length[:, None, None]
        last = (place + 1) % self.step == 0
        ends = ((last | (place + 1 == length)) & (place < length)) * 1.0
        number = np.floor(place / self.step) + 1
        own = {"helpful": ends, "caption_count": ends * np.maximum(number - self.new + 1, 1.0)}
        return np.ones((len(kinds), 1)), own


@dataclass(frozen=True)
class Seen(Latent):
    """How often an answer was given to its prompt before, late in a run. Fields: `visits`,
    `novelty` (1/(visits + 1)).

    right, wrong : visits of right and of wrong answers
    """

    right: Annotated[float, NOT_NEGATIVE] = 30.0
    wrong: Annotated[float, NOT_NEGATIVE] = 2.0
    says: ClassVar[str] = (
        "right answers were given {right} times before, wrong ones {wrong} times: what is wrong is "
        "newer"
    )

    def law(self, kinds: Kinds) -> Law:
        n = np.where(kinds.correct > 0, self.right, self.wrong)[:, None]
        return np.ones((len(kinds), 1)), {"visits": n, "novelty": 1 / (n + 1)}
