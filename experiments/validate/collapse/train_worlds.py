"""Training runs over the prior of worlds for section 4: population limit and finite groups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import PLAIN, LossOptions
from toyrl.dynamics.chain.prior import Worlds
from toyrl.dynamics.groups.siblings import frozen_uniforms, sibling_weights
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.validate.collapse import kept
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.reward_law.law import DIFFICULTIES, RewardLaw
from toyrl.experiments.validate.verdict import Collapse
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts.classes import class_rollouts

RATE = 0.3
GROUPS = 32  # sampled sibling sets per prompt type and refresh
REFRESH = 25  # updates between refreshes of finite-group weights
SHORT, LONG = (0.0, 0.25), (0.25, 1.0)  # parts of the updates till 4T: those till T, the others
LIMIT_REFRESH = 10  # the same for estimators that the compiled loop doesn't know

Pair = tuple[np.ndarray, np.ndarray]
"""Accuracy (W, B) at T and at 4T."""


Moved = Callable[[float, float, str], None]


def _still(_done: float, _total: float, _unit: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class Runner:
    """Trains worlds on a reward law under one estimator and objective.

    moved : hears how many worlds are done, of how many, in what unit
    """

    law: RewardLaw
    estimator: Estimator
    objective: PolicyGradient
    group_size: int
    seed: int = 0
    loss: LossOptions = PLAIN
    moved: Moved = field(default=_still, compare=False, repr=False)

    @property
    def correct(self) -> np.ndarray:
        """(K,) correctness of the classes."""
        return self.law.chain.class_correct()

    def reward(self, worlds: Worlds) -> np.ndarray:
        """(W, B, K) the user's reward in each world; rollout scope only."""
        return self.law.table()[worlds.batch.difficulties - DIFFICULTIES[0]]

    def variance(self, worlds: Worlds) -> np.ndarray | None:
        """(W, B, K) variance of the reward within a class, None if every class has one value."""
        v = self.law.variance()
        return None if v is None else v[worlds.batch.difficulties - DIFFICULTIES[0]]

    def changed(
        self, worlds: Worlds, change: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and variance (W, B, K) of a function of (reward, correctness), by point of the law.

        change : acts elementwise on rewards (..., N) and correctness (N,)
        """
        difficulties = worlds.batch.difficulties
        values = self.law.values()[difficulties - DIFFICULTIES[0]]
        return self.law.moments(change(values, self.law.correct), difficulties)

    def start(self, worlds: Worlds) -> np.ndarray:
        """(W, B) accuracy of the base policies."""
        return exact.class_probabilities(worlds.batch, worlds.theta) @ self.correct

    # -- population limit ---------------------------------------------------------------------
    def population(
        self,
        worlds: Worlds,
        reward: np.ndarray,
        *,
        variance: np.ndarray | None = None,
        short_only: bool = False,
    ) -> Pair:
        """Accuracy at T and 4T in the population limit (at T twice with `short_only`)."""
        if not isinstance(self.estimator, GroupEstimator):
            weights = self._limit(worlds, reward, variance)
            return self._with_weights(worlds, weights, LIMIT_REFRESH, short_only)
        parts = (0.0, 1.0) if short_only else SHORT
        first = self._exact(worlds, worlds.theta, reward, variance, worlds.updates, parts)
        if short_only:
            return first.accuracy, first.accuracy
        rest = self._exact(worlds, first.theta, reward, variance, 3 * worlds.updates, LONG)
        return first.accuracy, rest.accuracy

    def ends(
        self, worlds: Worlds, reward: np.ndarray, variance: np.ndarray | None = None
    ) -> exact.Training:
        """The runs at T in the population limit; reward, variance (W, B, K)."""
        if isinstance(self.estimator, GroupEstimator):
            whole = (0.0, 1.0)
            return self._exact(worlds, worlds.theta, reward, variance, worlds.updates, whole)
        weights = self._limit(worlds, reward, variance)
        return self._first(worlds, weights, LIMIT_REFRESH, (0.0, 1.0))

    def ends_finite(
        self, worlds: Worlds, weight: np.ndarray | float, gap: float, *, outcome_only: bool = False
    ) -> exact.Training:
        """The runs at T with groups of G sampled siblings; weight (W,) or a number."""
        weights = self._siblings(worlds, weight, gap, outcome_only)
        return self._first(worlds, weights, REFRESH, (0.0, 1.0))

    def _exact(
        self,
        worlds: Worlds,
        theta: np.ndarray,
        reward: Any,
        variance: Any,
        updates: np.ndarray,
        part: tuple[float, float],
    ) -> exact.Training:
        estimator: Any = self.estimator  # a group estimator: the callers have looked
        return exact.train(
            worlds.batch,
            theta,
            reward,
            updates=updates,
            rate=RATE,
            estimator=estimator,
            objective=self.objective,
            reward_variance=variance,
            reference_length=worlds.reference_length(self.objective),
            loss=replace(self.loss, reference=worlds.theta),
            moved=self._share(worlds, part),
        )

    def _share(self, worlds: Worlds, part: tuple[float, float]) -> Callable[[float], None]:
        """Of a share of one part (from, to) of the work in these worlds."""
        n, (low, high) = len(worlds), part
        return lambda share: self.moved(n * (low + (high - low) * share), n, "worlds")

    def count(
        self,
        worlds: Worlds,
        reward: np.ndarray,
        reference: collapse.Reference,
        *,
        variance: np.ndarray | None = None,
    ) -> Collapse:
        """How many of the learnable worlds collapse, as `judge` counts them.

        Collapsed is what has collapsed at T and at 4T, so only the worlds that have at T go on.
        """
        if not isinstance(self.estimator, GroupEstimator):
            short, long = self.population(worlds, reward, variance=variance)
            return collapse.judge(reference, short, long).count
        first = self._exact(worlds, worlds.theta, reward, variance, worlds.updates, SHORT)
        at_t = collapse.dropped(reference.short, first.accuracy) & reference.learnable
        rows, n = np.flatnonzero(at_t), int(reference.learnable.sum())
        if not len(rows):
            return Collapse(n, 0)
        shape = (*worlds.batch.difficulties.shape, self.law.chain.n_classes)
        own, spread = (
            None if x is None else np.broadcast_to(x, shape)[rows] for x in (reward, variance)
        )
        some = worlds.take(rows)
        rest = self._exact(some, first.theta[rows], own, spread, 3 * some.updates, LONG)
        return Collapse(n, int(collapse.dropped(reference.long[rows], rest.accuracy).sum()))

    def _limit(
        self, worlds: Worlds, reward: np.ndarray, variance: np.ndarray | None
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Class weights of any estimator on classes weighted by probability.

        A class whose reward varies is there twice, at its mean plus and minus one deviation.
        """
        shape = (len(worlds), *worlds.batch.difficulties.shape[1:], self.law.chain.n_classes)
        mean = np.broadcast_to(reward, shape)
        spread = np.zeros(shape) if variance is None else np.sqrt(np.broadcast_to(variance, shape))
        twice = variance is not None and bool(np.any(spread > 0))
        chain = self.law.chain
        reference = worlds.reference_length(self.objective)

        def wide(x: np.ndarray) -> np.ndarray:
            return np.concatenate([x, x], axis=-1) if twice else x

        def weights(prob: np.ndarray, rows: np.ndarray) -> np.ndarray:
            r = class_rollouts(
                wide(prob) / (1 + twice),
                correct=wide(self.correct),
                length=wide(chain.class_length()),
                truncated=wide(chain.class_truncated()),
                max_length=chain.max_length,
                shares=worlds.batch.shares[rows],
            )
            m, s = mean[rows], spread[rows]
            parts = {"reward": np.concatenate([m + s, m - s], axis=-1) if twice else m}
            advantage, _ = self.estimator.apply(parts, r)
            w = np.asarray(advantage * self.objective.sequence_weight(r))
            if twice:
                w = (w[..., : shape[-1]] + w[..., shape[-1] :]) / 2
            return w * reference[rows][:, None, None]

        return weights

    def _first(
        self, worlds: Worlds, weights: Any, refresh: int, part: tuple[float, float]
    ) -> exact.Training:
        """The runs till T with class weights from outside."""
        return self._onward(worlds, worlds.theta, weights, worlds.updates, refresh, part)

    def _onward(
        self,
        worlds: Worlds,
        theta: np.ndarray,
        weights: Any,
        updates: np.ndarray,
        refresh: int,
        part: tuple[float, float],
    ) -> exact.Training:
        return exact.train_with_weights(
            worlds.batch,
            theta,
            weights,
            updates=updates,
            refresh=refresh,
            rate=RATE,
            objective=self.objective,
            reference_length=worlds.reference_length(self.objective),
            loss=replace(self.loss, reference=worlds.theta),
            moved=self._share(worlds, part),
        )

    def _with_weights(self, worlds: Worlds, weights: Any, refresh: int, short_only: bool) -> Pair:
        first = self._first(worlds, weights, refresh, (0.0, 1.0) if short_only else SHORT)
        if short_only:
            return first.accuracy, first.accuracy
        rest = self._onward(worlds, first.theta, weights, 3 * worlds.updates, refresh, LONG)
        return first.accuracy, rest.accuracy

    def outcome_only(self, worlds: Worlds) -> collapse.Reference:
        """The outcome-only runs that everything is compared with."""
        short, long = kept.pair(worlds, self._told(), lambda: self.population(worlds, self.correct))
        return collapse.Reference(self.start(worlds), short, long, worlds.batch.shares)

    def outcome_only_finite(self, worlds: Worlds) -> Pair:
        """Accuracy at T and 4T of outcome-only training with groups of G sampled siblings."""
        # Groups are drawn over the points of the law, which are more than the classes where a class
        # has several values: their number and probabilities decide who is drawn.
        K = self.law.chain.n_classes
        points = self.law.expand(np.ones((len(DIFFICULTIES), K)), np.array(DIFFICULTIES))
        told = {
            **self._told(),
            "group size": self.group_size,
            "seed": self.seed,
            "limit": self.law.limit,
            "points": hashlib.sha256(np.ascontiguousarray(points).tobytes()).hexdigest(),
        }
        return kept.pair(worlds, told, lambda: self.finite(worlds, 1.0, 0.0, outcome_only=True))

    def _told(self) -> dict[str, Any]:
        """What outcome-only training hangs on beside the worlds."""
        return {
            "estimator": self.estimator,
            "objective": self.objective,
            "beta": self.loss.beta,
            "kl": self.loss.kl,
            "mask truncated": self.loss.mask_truncated,
        }

    def at_weight(
        self, worlds: Worlds, weight: np.ndarray, gap: float, *, short_only: bool = True
    ) -> Pair:
        """Runs of `gap correct + weight (reward - gap correct)`, weight (W,)."""
        reward, variance = self._weighed(worlds, weight, gap)
        return self.population(worlds, reward, variance=variance, short_only=short_only)

    def count_at(
        self, worlds: Worlds, weight: np.ndarray, gap: float, reference: collapse.Reference
    ) -> Collapse:
        """`count` of the reward of `at_weight`."""
        reward, variance = self._weighed(worlds, weight, gap)
        return self.count(worlds, reward, reference, variance=variance)

    def _weighed(
        self, worlds: Worlds, weight: np.ndarray, gap: float
    ) -> tuple[np.ndarray, np.ndarray | None]:
        w = np.asarray(weight, dtype=float)[:, None, None]
        reward = collapse.mixed(self.correct, self.reward(worlds), gap, w)
        variance = self.variance(worlds)
        return reward, None if variance is None else variance * w**2

    # -- finite groups ------------------------------------------------------------------------
    def finite(
        self,
        worlds: Worlds,
        weight: np.ndarray | float,
        gap: float,
        *,
        outcome_only: bool = False,
        short_only: bool = False,
    ) -> Pair:
        """Accuracy at T and 4T with groups of G sampled siblings."""
        weights = self._siblings(worlds, weight, gap, outcome_only)
        return self._with_weights(worlds, weights, REFRESH, short_only)

    def _siblings(
        self, worlds: Worlds, weight: np.ndarray | float, gap: float, outcome_only: bool
    ) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Class weights of groups of G siblings, drawn with frozen uniforms."""
        B = worlds.batch.difficulties.shape[1]
        uniforms = frozen_uniforms(B, GROUPS, self.group_size, seed=self.seed)
        reference = worlds.reference_length(self.objective)

        def weights(prob: np.ndarray, rows: np.ndarray) -> np.ndarray:
            own = np.asarray(weight)[rows] if np.ndim(weight) else weight
            some = worlds.take(rows)
            difficulties = some.batch.difficulties
            gather = self._gather(some, own, gap, outcome_only)
            points = self.law.expand(prob, difficulties)
            w, _ = sibling_weights(points, gather, self.estimator, self.objective, uniforms)
            return self.law.fold(w, difficulties) * reference[rows][:, None, None]

        return weights

    def _gather(
        self, worlds: Worlds, weight: Any, gap: float, outcome_only: bool
    ) -> Callable[[np.ndarray], Any]:
        """Parts and rollouts (W, B S, G) of point indices (W, B, S, G), weighted by share."""

        def gather(index: np.ndarray) -> Any:
            W, B, S, G = index.shape
            drawn = index.reshape(W, B * S, G)
            prompts = np.repeat(worlds.batch.difficulties, S, axis=1)[..., None]
            share = np.repeat(worlds.batch.shares, S, axis=1)[..., None]
            wide = np.broadcast_to(share, drawn.shape).copy()
            r = self.law.drawn(drawn, prompts, weight=wide, group_size=float(G))
            if outcome_only:
                return {"outcome": r.correct}, r
            total = self.law.rewards(r, drawn, prompts)
            w = np.asarray(weight)
            w = w[:, None, None] if w.ndim else w
            return {"reward": collapse.mixed(r.correct, total, gap, w)}, r

        return gather
