"""Training runs over the prior of worlds for section 4: population limit and finite groups."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.validate import collapse
from experiments.validate.law import DIFFICULTIES, RewardLaw
from toyrl.dynamics import exact
from toyrl.dynamics.siblings import frozen_uniforms, sibling_weights
from toyrl.dynamics.worlds import Worlds
from toyrl.estimators.base import Estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts

LEARNING_RATE = 0.3
GROUPS = 64  # sampled sibling sets per prompt type and refresh
REFRESH = 25  # updates between refreshes of finite-group weights


@dataclass(frozen=True)
class Runner:
    """Trains worlds on a reward law under one estimator and objective."""

    law: RewardLaw
    estimator: Estimator
    objective: PolicyGradient
    group_size: int
    seed: int = 0

    def correct(self, worlds: Worlds) -> np.ndarray:
        """(W, B, K) correctness."""
        c = self.law.chain.class_correct()
        return np.broadcast_to(c, (*worlds.difficulties.shape, len(c))).copy()

    def reward(self, worlds: Worlds) -> np.ndarray:
        """(W, B, K) the user's reward in each world."""
        return self.law.table()[worlds.difficulties - DIFFICULTIES[0]]

    def variance(self, worlds: Worlds) -> np.ndarray | None:
        """(W, B, K) variance of sampled text rewards within a class."""
        v = self.law.variance()
        return None if v is None else v[worlds.difficulties - DIFFICULTIES[0]]

    # -- population limit ---------------------------------------------------------------------
    def population(
        self,
        worlds: Worlds,
        reward: np.ndarray,
        updates: np.ndarray,
        *,
        noisy: bool = True,
        scale: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        """(W, B) accuracy after `updates` (W,) updates in the population limit."""
        variance = self.variance(worlds) if noisy else None
        if variance is not None:
            variance = variance * np.asarray(scale)[..., None, None] ** 2
        run = exact.train(
            worlds,
            worlds.theta0,
            reward,
            updates=updates,
            learning_rate=LEARNING_RATE,
            estimator=self.estimator,
            objective=self.objective,
            reward_variance=variance,
        )
        return run.accuracy

    # -- finite groups ------------------------------------------------------------------------
    def finite(
        self,
        worlds: Worlds,
        weight: np.ndarray | float,
        updates: np.ndarray,
        *,
        gap: float,
        outcome_only: bool = False,
    ) -> np.ndarray:
        """(W, B) accuracy with groups of G sampled siblings, weights refreshed every REFRESH."""
        uniforms = frozen_uniforms(
            worlds.difficulties.shape[1], GROUPS, self.group_size, seed=self.seed
        )

        def weights(prob: np.ndarray, rows: np.ndarray) -> np.ndarray:
            some = worlds.take(rows)
            own = np.asarray(weight)[rows] if np.ndim(weight) else weight
            gather = self._gather(some, own, gap, outcome_only)
            w, _ = sibling_weights(prob, gather, self.estimator, self.objective, uniforms)
            return w * worlds.reference_length(self.objective)[rows][:, None, None]

        run = exact.train_with_weights(
            worlds,
            worlds.theta0,
            weights,
            updates=updates,
            refresh=REFRESH,
            learning_rate=LEARNING_RATE,
        )
        return run.accuracy

    def _gather(
        self, worlds: Worlds, weight: Any, gap: float, outcome_only: bool
    ) -> Callable[[np.ndarray], Any]:
        chain, law = self.law.chain, self.law
        share = worlds.shares

        def gather(index: np.ndarray) -> Any:
            W, B, S, G = index.shape
            flat = (W, B * S, G)
            correct = chain.class_correct()[index].reshape(flat)
            length = chain.class_length()[index].reshape(flat)
            fields = {"conciseness": np.clip(1 - length / chain.max_length, 0.1, 1.0)}
            if law.user_mean is not None:
                table = law.user_mean[worlds.difficulties - DIFFICULTIES[0]]
                taken = np.take_along_axis(table, index.reshape(W, B, S * G), axis=-1)
                fields["user_reward"] = taken.reshape(flat)
            mix = np.broadcast_to(share[:, :, None, None], index.shape).reshape(flat)
            r = Rollouts(
                correct=correct,
                length=length,
                truncated=(index == chain.n_classes - 1).reshape(flat),
                max_length=chain.max_length,
                weight=mix.copy(),
                group_size=float(G),
                fields=fields,
            )
            if outcome_only:
                return {"outcome": correct}, r
            # Shapers count siblings by weight: give them whole rollouts, not shares.
            total = law.shaper.reward(r.with_(weight=None, group_size=None))
            w = np.asarray(weight)
            w = w[:, None, None] if w.ndim else w
            return {"reward": collapse.mixed(correct, total, gap, w)}, r

        return gather
