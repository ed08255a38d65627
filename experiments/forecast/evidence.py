"""Rollouts of a base that has only been described, and a reward's values on them.

Nothing is known of a published base but its accuracy and its mean length. The rest is what real
models' rollouts have in common (public samples of distilled reasoners and of instruction-tuned
models): success rates of prompts with both ends heavy, lengths log-normal within a prompt, wrong
answers longer, a few runaways that end at the limit, harder prompts longer. Two kinds of base,
told apart by their mean length.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from scipy import stats as laws

from toyrl.estimators.base import Estimator
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.validate.reward_law.law import DIFFICULTIES, RewardLaw
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts
from toyrl.worlds.behaviour.groups import GroupReward
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.behaviour.texts import TextReward
from toyrl.worlds.chain.model import Chain

THINKING_FROM = 2000.0
"""Mean tokens from which a base counts as one that thinks at length."""
PROMPTS, GROUPS = 24, 64
FEWEST = 3.0
"""Actions of the chain below which a mean length has no spread left to look at."""


@dataclass(frozen=True)
class Kind:
    """What such bases have in common.

    spread : standard deviation of log length within a prompt
    wrong : length of wrong over right rollouts of one prompt
    runaway : share of rollouts that end at the limit, wrong
    hard : mean length of the hardest prompts over that of the easiest
    """

    spread: float
    wrong: float
    runaway: float
    hard: float


SHORT = Kind(spread=0.13, wrong=1.15, runaway=0.02, hard=2.0)
THINKING = Kind(spread=0.28, wrong=1.4, runaway=0.08, hard=3.0)
HEAVY_ENDS = 0.7
"""a + b of the beta law of success rates over prompts."""


def kind_of(length: float) -> Kind:
    """The kind of base with this mean length in tokens."""
    return THINKING if length >= THINKING_FROM else SHORT


@dataclass(frozen=True)
class Sample:
    """Groups of rollouts with what the reward pays them.

    rollouts : (S, B, G), S draws of B prompts with G rollouts
    rewards, advantages : (S, B, G); a batch is one draw of all prompts; NaN where unscorable
    """

    rollouts: Rollouts
    rewards: np.ndarray
    advantages: np.ndarray


class Evidence(ABC):
    """Rollouts of a base, and what a reward pays on them and near them.

    labels : False where a reward of texts doesn't depend on the right answer
    scores : what learned scorers give behaviours (W, B, G), by the field that they are read as
    """

    labels: bool = True
    scores: Mapping[str, Callable[[Played], np.ndarray]] = MappingProxyType({})

    @cached_property
    def now(self) -> Sample:
        """Rollouts as the base makes them."""
        return self._now()

    @abstractmethod
    def _now(self) -> Sample: ...

    @abstractmethod
    def at(self, factor: float) -> Sample | None:
        """The same rollouts, those that ended by themselves `factor` times as long; None where
        that can't be looked at."""

    @abstractmethod
    def of_wrong(self) -> np.ndarray:
        """What wrong answers are paid, as many of them as can be looked at."""


@dataclass(frozen=True)
class Described(Evidence):
    """Groups drawn from a base that is described by its accuracy and mean length.

    law : the reward on outcome classes; estimator : as trained
    index : (S, B, G) class of each rollout; difficulties : (B,) of the prompts
    kind : what was assumed beside accuracy and length
    text : what text rewards pay for behaviours, where the reward has any
    """

    law: RewardLaw
    estimator: Estimator
    index: np.ndarray
    difficulties: np.ndarray
    kind: Kind
    text: TextReward | GroupReward | None = None
    labels: bool = True
    scores: Mapping[str, Callable[[Played], np.ndarray]] = field(default_factory=dict)

    def _now(self) -> Sample:
        return self._sample(self.index)

    def at(self, factor: float) -> Sample | None:
        """The same with other lengths; None where the chain's actions are too few to differ."""
        H = self.law.chain.H
        within = self.index % self.law.chain.n_classes
        if factor * float((within % H + 1).mean()) < FEWEST:
            return None
        length = np.clip(np.rint((within % H + 1) * factor).astype(int), 1, H) - 1
        moved = np.where(within == 2 * H, within, (within // H) * H + length)
        return self._sample(self.index - within + moved)

    def of_wrong(self) -> np.ndarray:
        """Of all wrong classes, reached or not; a group reward is read with one of each."""
        H = self.law.chain.H
        return self.law.table()[:, H : 2 * H + 1]

    def _sample(self, index: np.ndarray) -> Sample:
        rows = np.broadcast_to(self.difficulties[:, None], index.shape)
        r = self.law.drawn(index, rows)
        parts: Parts = {"reward": np.asarray(self.law.rewards(r, index, rows), dtype=float)}
        advantages = np.asarray(self.estimator.apply(parts, r)[0], dtype=float)
        return Sample(r, np.asarray(parts["reward"]), advantages)


def drawn(told: Told, law: RewardLaw, estimator: Estimator, *, seed: int = 0) -> Described:
    """Groups of a base with this accuracy and mean length, under the reward's law.

    Raises ValueError for an accuracy outside (0, 1) or a length that is no positive number.
    """
    if not 0 < told.accuracy < 1 or not 0 < told.length < np.inf:
        msg = (
            f"{told.name}: accuracy={told.accuracy!r}, length={told.length!r}; a base has an "
            "accuracy in (0, 1) and a mean length above 0"
        )
        raise ValueError(msg)
    kind, chain = kind_of(told.length), law.chain
    rng = np.random.default_rng(seed)
    p = success_rates(told.accuracy)
    scale = prompt_lengths(p, told, kind, chain)
    shape = (GROUPS, PROMPTS, told.group_size)
    ran_away = rng.random(shape) < kind.runaway
    # Runaways are wrong, so that the others have to be right a little more often.
    right = (rng.random(shape) < np.minimum(p / (1 - kind.runaway), 1.0)[:, None]) & ~ran_away
    log = np.log(scale)[:, None] + kind.spread * rng.standard_normal(shape)
    length = np.exp(log) * np.where(right, 1.0, kind.wrong)
    actions = np.clip(np.rint(length * chain.H / chain.max_length).astype(int), 1, chain.H) - 1
    cut = ran_away | (length > chain.max_length)
    index = np.where(cut, 2 * chain.H, np.where(right, actions, chain.H + actions))
    points = rng.integers(0, law.n_points, shape) if law.n_points > 1 else 0
    rank = np.argsort(np.argsort(-p))
    difficulties = DIFFICULTIES[0] + rank * len(DIFFICULTIES) // PROMPTS
    return Described(law, estimator, index + points * chain.n_classes, difficulties, kind)


def success_rates(mean: float) -> np.ndarray:
    """(PROMPTS,) quantiles of a beta law with both ends heavy and this mean."""
    q = (np.arange(PROMPTS) + 0.5) / PROMPTS
    p = np.clip(laws.beta(HEAVY_ENDS * mean, HEAVY_ENDS * (1 - mean)).ppf(q), 0.0, 1.0)
    return np.clip(p + (mean - p.mean()), 0.0, 1.0)


def prompt_lengths(p: np.ndarray, told: Told, kind: Kind, chain: Chain) -> np.ndarray:
    """(PROMPTS,) median lengths of right rollouts, longer where success is rarer, so that all
    rollouts together have the mean told."""
    scale = kind.hard ** (1 - p)
    spread = np.exp(kind.spread**2 / 2)
    own = scale * spread * (p + (1 - p) * kind.wrong)
    rest = told.length - kind.runaway * chain.max_length
    rest = max(rest, told.length / 2)  # a base near its limit has no room for all runaways
    return scale * rest / ((1 - kind.runaway) * own.mean())
