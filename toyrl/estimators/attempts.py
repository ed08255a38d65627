"""Credit across attempts at one problem that stand in one rollout, each with its verdict.

    G_j = sum over l >= j of gamma_episode^(l - j) correct_l,   A_j = G_j less the siblings' G_j

An attempt is a step: `step_ends` marks the last token of each, and a token-level part such as
`step_sum()` pays its verdict there. gamma_episode = 0 gives every attempt its own verdict alone, 1
is `step_returns`. A trainer of one number a rollout can only pay G_1 to all tokens alike.

Source: paper 48, the two discounts and section 7 of our notes; siblings in the place of a learned
value are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.estimators.steps import StepReturns
from toyrl.ranges import SHARE
from toyrl.registry import entry
from toyrl.rollouts.tokens import backward

Array = Any


@entry(
    "attempt_returns",
    kind="estimator",
    formula="A_j = G_j - mean over siblings of G_j, G_j = sum of gamma_episode^(l-j) correct_l",
    cards=("48",),
    section="two discounts; credit by attempt and the siblings' mean: ours",
    provenance="derived",
)
@dataclass(frozen=True)
class AttemptReturns(StepReturns):
    """Discounted verdicts from each attempt on, less the siblings' mean at the same attempt.

    gamma_episode : discount from one attempt to the next, in [0, 1]; none within an attempt
    baseline : as for `StepReturns`, and so is what it reads; (..., B, G, T) advantages
    """

    gamma_episode: Annotated[float, SHARE] = 1.0

    def to_come(self, reward: Array, ends: Array) -> Array:
        return backward(1 - (1 - self.gamma_episode) * ends, reward)
