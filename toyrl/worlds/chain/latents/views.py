"""Latents of rewards without labels: which wording is answered, and how sure the policy is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import NOT_NEGATIVE, SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places


@dataclass(frozen=True)
class CertaintyLevels(Latent):
    """KL of the uniform law to the policy, constant nats per token. Field: `self_certainty`."""

    right: Annotated[float, NOT_NEGATIVE] = 2.0
    wrong: Annotated[float, NOT_NEGATIVE] = 1.5
    says: ClassVar[str] = (
        "the self-certainty of a token is {right} nats in a right rollout, {wrong} in a wrong one"
    )

    def law(self, kinds: Kinds) -> Law:
        level = np.where(kinds.correct > 0, self.right, self.wrong)[:, None, None]
        return np.ones((len(kinds), 1)), {"self_certainty": level + 0 * token_places(kinds)}


@dataclass(frozen=True)
class Views(Latent):
    """Which wording of its question a rollout answers. Field: `view` (0 the question, 1 the other).

    other : share of rollouts that answer the paraphrase. Both have one law of answers: what one
        wording gets wrong the other gets wrong too, the case in which agreement can't help
    """

    other: Annotated[float, SHARE] = 0.5
    says: ClassVar[str] = (
        "a share {other} of a prompt's rollouts answers a paraphrase, with the same chances of "
        "every answer: the two wordings share their errors"
    )

    def law(self, kinds: Kinds) -> Law:
        weight = np.broadcast_to([1 - self.other, self.other], (len(kinds), 2))
        return weight, {"view": np.array([0.0, 1.0])}
