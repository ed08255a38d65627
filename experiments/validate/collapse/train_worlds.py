"""Training runs over the prior of worlds for section 4: population limit and finite groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import PLAIN, LossOptions
from toyrl.dynamics.chain.prior import Worlds
from toyrl.dynamics.groups.siblings import frozen_uniforms, sibling_weights
from toyrl.estimators.base import Estimator
from toyrl.estimators.group import GroupEstimator
from toyrl.experiments.validate.collapse import section as collapse
from toyrl.experiments.validate.reward_law.law import DIFFICULTIES, RewardLaw
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts.classes import class_rollouts

RATE = 0.3
GROUPS = 32  # sampled sibling sets per prompt type and refresh
REFRESH = 25  # updates between refreshes of finite-group weights
LIMIT_REFRESH = 10  # the same for estimators that the compiled loop doesn't know

Pair = tuple[np.ndarray, np.ndarray]
"""Accuracy (W, B) at T and at 4T."""


@dataclass(frozen=True)
class Runner:
    """Trains worlds on a reward law under one estimator and objective."""

    law: RewardLaw
    estimator: Estimator
    objective: PolicyGradient
    group_size: int
    seed: int = 0
    loss: LossOptions = PLAIN

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
        settings: dict[str, Any] = {
            "rate": RATE,
            "estimator": self.estimator,
            "objective": self.objective,
            "reward_variance": variance,
            "reference_length": worlds.reference_length(self.objective),
            "loss": replace(self.loss, reference=worlds.theta),
        }
        first = exact.train(worlds.batch, worlds.theta, reward, updates=worlds.updates, **settings)
        if short_only:
            return first.accuracy, first.accuracy
        rest = exact.train(
            worlds.batch, first.theta, reward, updates=3 * worlds.updates, **settings
        )
        return first.accuracy, rest.accuracy

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

    def _with_weights(self, worlds: Worlds, weights: Any, refresh: int, short_only: bool) -> Pair:
        settings: dict[str, Any] = {
            "refresh": refresh,
            "rate": RATE,
            "objective": self.objective,
            "reference_length": worlds.reference_length(self.objective),
            "loss": replace(self.loss, reference=worlds.theta),
        }
        first = exact.train_with_weights(
            worlds.batch, worlds.theta, weights, updates=worlds.updates, **settings
        )
        if short_only:
            return first.accuracy, first.accuracy
        rest = exact.train_with_weights(
            worlds.batch, first.theta, weights, updates=3 * worlds.updates, **settings
        )
        return first.accuracy, rest.accuracy

    def outcome_only(self, worlds: Worlds) -> collapse.Reference:
        """The outcome-only runs that everything is compared with."""
        short, long = self.population(worlds, self.correct)
        return collapse.Reference(self.start(worlds), short, long, worlds.batch.shares)

    def at_weight(
        self, worlds: Worlds, weight: np.ndarray, gap: float, *, short_only: bool = True
    ) -> Pair:
        """Runs of `gap correct + weight (reward - gap correct)`, weight (W,)."""
        w = np.asarray(weight, dtype=float)[:, None, None]
        reward = collapse.mixed(self.correct, self.reward(worlds), gap, w)
        variance = self.variance(worlds)
        if variance is not None:
            variance = variance * w**2
        return self.population(worlds, reward, variance=variance, short_only=short_only)

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

        return self._with_weights(worlds, weights, REFRESH, short_only)

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
