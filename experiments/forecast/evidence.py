"""Rollouts of a base that has only been described, and a reward's values on them.

Nothing is known of a published base but its accuracy and its mean length. The rest is what real
models' rollouts have in common (public samples of distilled reasoners and of instruction-tuned
models): success rates of prompts with both ends heavy, lengths log-normal within a prompt, wrong
answers longer, a few runaways that end at the limit, harder prompts longer. Two kinds of base,
told apart by their mean length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats as laws

from toyrl.estimators.base import Estimator
from toyrl.experiments.forecast.case import Told
from toyrl.experiments.validate.reward_law.law import DIFFICULTIES, RewardLaw
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts
from toyrl.worlds.chain.model import Chain

THINKING_FROM = 2000.0
"""Mean tokens from which a base counts as one that thinks at length."""
PROMPTS, GROUPS = 24, 64


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
class Evidence:
    """Groups drawn from such a base: S draws of B prompts with G rollouts.

    law : the reward on outcome classes; estimator : as trained
    index : (S, B, G) class of each rollout; difficulties : (B,) of the prompts
    kind : what was assumed beside accuracy and length
    """

    law: RewardLaw
    estimator: Estimator
    index: np.ndarray
    difficulties: np.ndarray
    kind: Kind

    def rollouts(self, index: np.ndarray | None = None) -> Rollouts:
        """The drawn groups as (S, B, G) rollouts."""
        index = self.index if index is None else index
        return self.law.drawn(index, self._rows(index))

    def rewards(self, index: np.ndarray | None = None) -> np.ndarray:
        """(S, B, G) rewards."""
        index = self.index if index is None else index
        r = self.rollouts(index)
        return np.asarray(self.law.rewards(r, index, self._rows(index)), dtype=float)

    def advantages(self, index: np.ndarray | None = None) -> np.ndarray:
        """(S, B, G) advantages; a batch is one draw of all prompts."""
        index = self.index if index is None else index
        parts: Parts = {"reward": self.rewards(index)}
        return np.asarray(self.estimator.apply(parts, self.rollouts(index))[0], dtype=float)

    def resized(self, factor: float) -> np.ndarray:
        """(S, B, G) classes of the same rollouts, those that ended by themselves `factor` times
        as long."""
        H = self.law.chain.H
        within = self.index % self._classes
        length = np.clip(np.rint((within % H + 1) * factor).astype(int), 1, H) - 1
        moved = np.where(within == 2 * H, within, (within // H) * H + length)
        return self.index - within + moved

    @property
    def _classes(self) -> int:
        return self.law.chain.n_classes

    def _rows(self, index: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.difficulties[:, None], index.shape)


def drawn(told: Told, law: RewardLaw, estimator: Estimator, *, seed: int = 0) -> Evidence:
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
    return Evidence(law, estimator, index + points * chain.n_classes, difficulties, kind)


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
