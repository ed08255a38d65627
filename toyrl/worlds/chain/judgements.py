"""Rollouts that are judgements of lists: how far their order agrees with the truth, as a latent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import SHARE
from toyrl.worlds.chain.latents import Kinds, Latent, Law


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
