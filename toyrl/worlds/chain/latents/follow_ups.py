"""What a user would say next, as a latent: approval and disapproval by how satisfied they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import FINITE, PART, SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law


@dataclass(frozen=True)
class FollowUps(Latent):
    """Log-likelihoods of a user's approval and disapproval, a mixture over satisfaction.

    right, wrong : chance that the user is satisfied with a right and a wrong answer
    praise, praise_anyway : chance of approval of a satisfied user, and of one who isn't
    blame_anyway, blame : the same of disapproval
    level : raw logits above log-likelihoods, on both sides. Fields: `approval`, `disapproval`,
        `approval_logit`, `disapproval_logit`.
    """

    right: Annotated[float, SHARE] = 0.8
    wrong: Annotated[float, SHARE] = 0.3
    praise: Annotated[float, PART] = 0.4
    praise_anyway: Annotated[float, PART] = 0.1
    blame_anyway: Annotated[float, PART] = 0.05
    blame: Annotated[float, PART] = 0.3
    level: Annotated[float, FINITE] = 10.0
    says: ClassVar[str] = (
        "a user is satisfied with {right} of right and {wrong} of wrong answers; satisfied ones "
        "approve with chance {praise} and disapprove with {blame_anyway}, others with "
        "{praise_anyway} and {blame}"
    )

    def law(self, kinds: Kinds) -> Law:
        s = np.where(kinds.correct > 0, self.right, self.wrong)[:, None]
        good = np.log(s * self.praise + (1 - s) * self.praise_anyway)
        bad = np.log(s * self.blame_anyway + (1 - s) * self.blame)
        own = {"approval": good, "disapproval": bad}
        logits = {f"{name}_logit": x + self.level for name, x in own.items()}
        return np.ones((len(kinds), 1)), own | logits
