"""What every section works on: the reward, its law on the classes, and the reference policies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from toyrl.experiments.validate.reward_law.law import (
    RewardLaw,
    UserReward,
    grade_classes,
    renderings,
)
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Scaled, Sum
from toyrl.shapers.explore.bonus import ended
from toyrl.worlds.chain.model import Chain

H = 40
ACTIONS_HELD = 8
"""Actions that a mean length takes at least in a chain that still does what it shows: with fewer,
base policies miss its success rate and length (test_own_lengths.py holds it)."""
DEPTH = 8
REACHED = 0.9
"""Share of the limit that base policies' mean length is asked for at most."""
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


def limit_held(limit: int, typical: float) -> int:
    """The largest limit in tokens, at most `limit`, of a chain that holds this mean length."""
    return min(limit, max(2, math.ceil(typical * H / ACTIONS_HELD)))


def as_shaper(terms: Sequence[tuple[Any, float]]) -> Shaper:
    """One shaper from weighted terms: catalogue shapers as they are, all text terms together.

    Text terms arrive graded and summed as the field `user_reward`; so they count once, weight 1.
    Intrinsic bonuses are taken as they are at the end of their schedules.
    """
    parts: list[Shaper] = []
    for shaper, weight in terms:
        if shaper is not None:
            own = ended(shaper)
            parts.append(own if weight == 1.0 else Scaled(own, weight))
    if any(shaper is None for shaper, _ in terms):
        parts.append(UserReward())
    return parts[0] if len(parts) == 1 else Sum(tuple(parts))


def difficulty_for(success: float) -> int:
    """Steps a prompt needs so that a base policy plausibly solves it at this rate."""
    return DEPTH if success < 0.3 else 5 if success < 0.7 else 1


@dataclass(frozen=True)
class Reference:
    """Base policies with stated success rates, for sections that look at one moment.

    prob : (B, K) class probabilities of the base policies, one prompt type per success rate
    difficulties : (B,) the difficulty of each
    success : (B,) success rates reached
    ones : (B,) the chain of each; theta : (B, *chain.policy_shape) its logits
    """

    chain: Chain
    prob: np.ndarray
    difficulties: tuple[int, ...]
    success: np.ndarray
    ones: tuple[Chain, ...]
    theta: np.ndarray

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
    """Fit one base policy per success rate, at the typical length; notes where it can't.

    Fitted once a process for the same question; the arrays are shared, leave them as they are.
    """
    found, notes = _reference(chain, tuple(success), typical_length)
    return found, list(notes)


@lru_cache(maxsize=16)
def _reference(
    chain: Chain, success: tuple[float, ...], typical_length: float
) -> tuple[Reference, tuple[str, ...]]:
    from toyrl.dynamics.chain import exact
    from toyrl.dynamics.chain.prior import two_logits

    length = min(typical_length, REACHED * chain.max_length)
    ones = [
        chain.with_(
            difficulties=(difficulty_for(rate),),
            shares=(1.0,),
            depth=DEPTH,
            slip=0.02,
            guess=min(chain.guess, rate / 2),
        )
        for rate in success
    ]
    batch = exact.Batch.of(*ones)
    theta = two_logits(batch, np.asarray(success, dtype=float), np.full(len(ones), length))
    prob = exact.class_probabilities(batch, theta)[:, 0]
    reached = prob @ chain.class_correct()
    notes = []
    if length < typical_length:
        notes.append(
            f"a typical length of {typical_length:.0f} tokens is too near the limit of "
            f"{chain.max_length:.0f}: base policies were asked for {length:.0f}"
        )
    notes += [
        f"success rate {rate:g} is out of reach at {length:.0f} tokens; the nearest base policy "
        f"succeeds at {got:.2f}"
        for rate, got in zip(success, reached, strict=True)
        if abs(got - rate) > 0.02
    ]
    difficulties = tuple(difficulty_for(rate) for rate in success)
    merged = chain.with_(difficulties=difficulties, shares=tuple(np.full(len(ones), 1 / len(ones))))
    return Reference(merged, prob, difficulties, reached, tuple(ones), theta), tuple(notes)


def law_of(
    chain: Chain,
    terms: Sequence[tuple[Any, float]],
    score: Score | None,
    *,
    dialect: str,
    thorough: bool,
    seed: int,
    run_limit: float | None = None,
    class_rows: Callable[..., list[Any]] | None = None,
) -> tuple[RewardLaw, int]:
    """The reward on every class and the number of texts graded for it.

    run_limit : tokens, as shapers read it, where the chain ends earlier
    class_rows : writes the texts of a class; None: arithmetic
    """
    shaper = as_shaper(terms)
    if score is None:
        return RewardLaw(chain, shaper, run_limit=run_limit), 0
    from toyrl.worlds.text import render

    class_rows = class_rows or render.class_rows
    mean, variance, ends, texts = grade_classes(
        chain, score, class_rows, dialect=dialect, renderings=renderings(thorough), seed=seed
    )
    return RewardLaw(chain, shaper, mean, variance, ends, run_limit=run_limit), texts
