"""Judgements as latents: how far a judged order agrees with the truth, how toxic a text becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places


@dataclass(frozen=True)
class Agreement(Latent):
    """How far a judge's order of a list agrees with the truth. Field: `agreement`.

    wrong : of wrong judgements; 1/2 is an order that has nothing to do with the truth
    """

    right: Annotated[float, SHARE] = 1.0
    wrong: Annotated[float, SHARE] = 0.5
    says: ClassVar[str] = (
        "a rollout is a judgement of a list; a right one agrees with the true order by {right}, a "
        "wrong one by {wrong}"
    )

    def law(self, kinds: Kinds) -> Law:
        level = np.where(kinds.correct > 0, self.right, self.wrong)[:, None]
        return np.ones((len(kinds), 1)), {"agreement": level}


@dataclass(frozen=True)
class ToxicityRamp(Latent):
    """Toxicity of the text so far: a level, and a straight rise to another over a wrong rollout.

    Field: `toxicity`.
    """

    clean: Annotated[float, SHARE] = 0.2
    worst: Annotated[float, SHARE] = 0.8
    says: ClassVar[str] = (
        "toxicity is {clean}, over a wrong rollout it rises in a straight line to {worst}"
    )

    def law(self, kinds: Kinds) -> Law:
        share = np.minimum(
            (token_places(kinds) + 1) / np.maximum(kinds.length, 1)[:, None, None], 1.0
        )
        wrong = kinds.correct[:, None, None] == 0
        own = self.clean + (self.worst - self.clean) * share * wrong
        return np.ones((len(kinds), 1)), {"toxicity": own}
