"""Latents of a text's parts: verdicts on segments, credit of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places


@dataclass(frozen=True)
class Segments(Latent):
    """Verdicts on the segments of a text, by three reward models.

    sub_sentence, sentence : tokens of a segment; error_at : where a wrong rollout errs, as a share
        of its length; mean, std : of the completeness model's raw scores
    Fields: `relevance_scores`, `factuality_scores`, `completeness`.
    """

    sub_sentence: Annotated[int, COUNT] = 8
    sentence: Annotated[int, COUNT] = 16
    error_at: Annotated[float, SHARE] = 0.5
    mean: Annotated[float, FINITE] = -0.446777
    std: Annotated[float, NOT_NEGATIVE] = 8.301161
    says: ClassVar[str] = (
        "every sub-sentence of {sub_sentence} tokens is judged relevant (+1), every sentence of "
        "{sentence} tokens true (+1), but false (-1) after {error_at} of a wrong rollout; a right "
        "answer's completeness scores {std} above {mean}, a wrong one's {std} below"
    )

    def law(self, kinds: Kinds) -> Law:
        place, length = token_places(kinds), kinds.length[:, None, None]
        false = (kinds.correct[:, None, None] == 0) & (place >= self.error_at * length)
        side = np.where(kinds.correct > 0, 1.0, -1.0)[:, None]
        own = {
            "relevance_scores": ends_every(place, length, self.sub_sentence),
            "factuality_scores": ends_every(place, length, self.sentence)
            * np.where(false, -1.0, 1.0),
            "completeness": self.mean + self.std * side,
        }
        return np.ones((len(kinds), 1)), own


@dataclass(frozen=True)
class StepCredit(Latent):
    """Step rewards of a model that was fitted to returns, and the return it expects so far.

    good, bad : reward of a step before and after an error; start : return expected at first
    error_at : where a wrong rollout errs, as a share of its length; step : tokens per step
    Fields: `step_rewards` and, their running sum on top of `start`, `return_predictions`.
    """

    good: Annotated[float, FINITE] = 0.1
    bad: Annotated[float, FINITE] = -0.2
    start: Annotated[float, FINITE] = 0.0
    error_at: Annotated[float, SHARE] = 0.5
    step: Annotated[int, COUNT] = 16
    says: ClassVar[str] = (
        "a model fitted to returns gives a step of {step} tokens {good}, after {error_at} of a "
        "wrong rollout {bad}; it expects {start} at first and then what it gave so far"
    )

    def law(self, kinds: Kinds) -> Law:
        place, length = token_places(kinds), kinds.length[:, None, None]
        broken = (kinds.correct[:, None, None] == 0) & (place >= self.error_at * length)
        paid = np.where(broken, self.bad, self.good)
        paid = paid * ends_every(place, length, self.step)
        so_far = self.start + paid.cumsum(-1)
        return np.ones((len(kinds), 1)), {"step_rewards": paid, "return_predictions": so_far}


def ends_every(place: np.ndarray, length: np.ndarray, every: int) -> np.ndarray:
    """1 on each last token of pieces of `every` tokens, the rest of a rollout being one too.

    place : (..., T) tokens from 0; length : (..., 1) of the rollouts. The answer (..., T)
    """
    return (((place + 1) % every == 0) | (place + 1 >= length)) * 1.0
