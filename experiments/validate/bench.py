"""What every section works on: the reward, its law on the classes, and the reference policies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.validate.law import RewardLaw, UserReward, grade_classes
from toyrl.envs.chain import Chain
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Scaled, Sum

H = 40
DEPTH = 8
REFERENCE_DIFFICULTY = 5
REFERENCE_SUCCESS = (0.1, 0.5, 0.9)
FLAG_NOISE = 0.25  # middle of the prior

Score = Callable[[Sequence[Any]], list[float | None]]


def template(max_completion_length: int) -> Chain:
    """The chain whose classes rewards are evaluated on: H = 40 actions scaled to real tokens."""
    return Chain(
        difficulties=(2, DEPTH),
        shares=(0.5, 0.5),
        max_actions=H,
        depth=DEPTH,
        flag_noise=FLAG_NOISE,
        slip=0.05,
        guess=0.1,
        tokens_per_action=max_completion_length / H,
    )


def as_shaper(terms: Sequence[tuple[Any, float]]) -> Shaper:
    """One shaper from weighted terms: catalogue shapers as they are, all text terms together.

    Text terms arrive graded and summed as the field `user_reward`; so they count once, weight 1.
    """
    parts: list[Shaper] = []
    for shaper, weight in terms:
        if shaper is not None:
            parts.append(shaper if weight == 1.0 else Scaled(shaper, weight))
    if any(shaper is None for shaper, _ in terms):
        parts.append(UserReward())
    return parts[0] if len(parts) == 1 else Sum(tuple(parts))


@dataclass(frozen=True)
class Reference:
    """Base policies with stated success rates, for sections that look at one moment.

    prob : (B, K) class probabilities of the base policies, one prompt type per success rate
    difficulties : (B,) the difficulty of each
    success : (B,) success rates reached
    """

    chain: Chain
    prob: np.ndarray
    difficulties: tuple[int, ...]
    success: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Equal shares."""
        return np.full(len(self.prob), 1 / len(self.prob))

    @property
    def truth(self) -> np.ndarray:
        """(B, K) correctness of each class."""
        return np.broadcast_to(self.chain.class_correct(), self.prob.shape).copy()


def reference(
    chain: Chain, success: Sequence[float], typical_length: float
) -> tuple[Reference, list[str]]:
    """Fit one base policy per success rate, at the typical length; notes where it can't."""
    from toyrl.envs.targets import fit_base_policy

    from toyrl.dynamics.forward import class_probabilities

    rows, reached, notes = [], [], []
    length = min(typical_length, 0.9 * chain.max_length)
    for rate in success:
        one = chain.with_(
            difficulties=(REFERENCE_DIFFICULTY,), shares=(1.0,), guess=min(chain.guess, rate)
        )
        theta, achieved = fit_base_policy(
            one, success=(rate,), mean_length_right=0.9 * length, mean_length_wrong=1.1 * length
        )
        prob = class_probabilities(one, theta)[0]
        rows.append(prob)
        reached.append(float((prob * one.class_correct()).sum()))
        if abs(reached[-1] - rate) > 0.02:
            notes.append(
                f"success rate {rate} is not reachable at length {length:.0f} tokens; "
                f"the nearest policy succeeds at {reached[-1]:.2f} ({achieved})"
            )
    difficulties = (REFERENCE_DIFFICULTY,) * len(rows)
    merged = chain.with_(difficulties=difficulties, shares=tuple(np.full(len(rows), 1 / len(rows))))
    return Reference(merged, np.array(rows), difficulties, np.array(reached)), notes


def law_of(
    chain: Chain,
    terms: Sequence[tuple[Any, float]],
    score: Score | None,
    *,
    dialect: str,
    thorough: bool,
    seed: int,
) -> tuple[RewardLaw, int]:
    """The reward on every class and the number of texts graded for it."""
    shaper = as_shaper(terms)
    if score is None:
        return RewardLaw(chain, shaper), 0
    from toyrl.envs.render import class_rows

    mean, variance, texts = grade_classes(
        chain, score, class_rows, dialect=dialect, renderings=6 if thorough else 3, seed=seed
    )
    return RewardLaw(chain, shaper, mean, variance), texts
