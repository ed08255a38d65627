"""Latents of thinking and answering: is the think block closed, where, how sure is each phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import COUNT, NOT_NEGATIVE, SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places


@dataclass(frozen=True)
class Words(Latent):
    """Words of a rollout, so many a token; the toy has no answer part. Field: `words`."""

    per_token: Annotated[float, NOT_NEGATIVE] = 0.7
    says: ClassVar[str] = "a token is {per_token} words, and all of a rollout is its answer part"

    def law(self, kinds: Kinds) -> Law:
        return np.ones((len(kinds), 1)), {"words": (self.per_token * kinds.length)[:, None]}


@dataclass(frozen=True)
class Thoughts(Latent):
    """Is the think block closed? Never in a truncated rollout. Field: `thought`."""

    right: Annotated[float, SHARE] = 0.95
    wrong: Annotated[float, SHARE] = 0.9
    says: ClassVar[str] = (
        "a right answer has a closed think block with probability {right}, a wrong one {wrong}, a "
        "truncated rollout never"
    )

    def law(self, kinds: Kinds) -> Law:
        kept = np.where(kinds.correct > 0, self.right, self.wrong) * ~kinds.truncated
        return np.stack([1 - kept, kept], axis=-1), {"thought": np.array([0.0, 1.0])}


@dataclass(frozen=True)
class PhaseLevels(Latent):
    """Token entropies by phase, and where thinking ends. Fields: `entropy`, `think_end`.

    right, wrong : nats of the first token; growth : nats more at the completion limit, so that mean
        entropy grows with length; answer : nats of a token of the answer, `tokens` tokens long
    """

    right: Annotated[float, NOT_NEGATIVE] = 0.3
    wrong: Annotated[float, NOT_NEGATIVE] = 0.5
    growth: Annotated[float, NOT_NEGATIVE] = 0.6
    answer: Annotated[float, NOT_NEGATIVE] = 0.2
    tokens: Annotated[int, COUNT] = 16
    says: ClassVar[str] = (
        "a thinking token of a right rollout has an entropy of {right} nats, of a wrong one "
        "{wrong}, and {growth} more at the limit; the tag that closes the thinking stands before "
        "the last {tokens} tokens, of {answer} nats each; a truncated rollout has none"
    )

    def law(self, kinds: Kinds) -> Law:
        place, cut = token_places(kinds), kinds.truncated[:, None, None]
        end = np.maximum(np.ceil(kinds.length) - 1 - self.tokens, 0)[:, None, None]
        start = np.where(kinds.correct > 0, self.right, self.wrong)[:, None, None]
        think = start + self.growth * place / kinds.max_length
        own = {
            "entropy": np.where((place > end) & ~cut, self.answer, think),
            "think_end": np.where(cut, 0.0, (place == end) * 1.0),
        }
        return np.ones((len(kinds), 1)), own
