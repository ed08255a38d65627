"""One table between the chain and everything that is said about a reward on it.

A reward (a shaper, a graded text reward, or a sum of both) is a law on the chain's outcome
classes. Where a field is uncertain within a class, because a latent or a text varies, the class has
several *points*, each with its probability within the class: the reward of a class is then a finite
law with a mean and a variance. Population, finite groups and class weights are all read off the
same points.

Shapes: D difficulties (1..8), K classes, L points a class, N = L K points in all; point l of class
k stands at l K + k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts, drawn_rollouts
from toyrl.shapers.base import Shaper
from toyrl.worlds.chain.latents.base import Kinds, Latent, spread
from toyrl.worlds.chain.latents.declared import latents_of, stated
from toyrl.worlds.chain.model import Chain

DIFFICULTIES = tuple(range(1, 9))  # prompts need 1 to 8 steps


def two_points(
    mean: np.ndarray, variance: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Chances (K, 2) and places (K, 2) of two points with these means and variances (K,).

    They lie at the mean plus and minus one standard deviation where both are within [low, high],
    else the outer one at the end that it would pass and the inner one where the moments ask. No law
    within [low, high] has a variance above (mean - low)(high - mean) (Bhatia and Davis, 2000): what
    a sample says beyond that is cut to it.
    """
    with np.errstate(invalid="ignore"):  # 0 times inf: a mean at one end, the other end open
        most = np.nan_to_num((mean - low) * (high - mean), nan=0.0, posinf=np.inf)
    sd = np.sqrt(np.minimum(variance, np.maximum(most, 0.0)))
    up, down = np.minimum(sd, high - mean), np.minimum(sd, mean - low)
    with np.errstate(invalid="ignore", divide="ignore"):  # no spread, no room on that side
        up = np.where(down < sd, sd**2 / down, up)
        down = np.where(up < sd, sd**2 / up, down)
    up, down = (np.where(sd > 0, step, 0.0) for step in (up, down))
    share = np.where(sd > 0, down / np.where(sd > 0, up + down, 1.0), 0.5)
    return np.stack([share, 1 - share], -1), np.stack([mean + up, mean - down], -1)


@dataclass(frozen=True)
class RewardTable:
    """A reward on the classes of a chain template.

    chain : the template; its H and tokens_per_action give the classes' lengths
    shaper : the whole reward, reading `user_reward` where a text reward takes part
    user_mean, user_variance : (8, K) graded text rewards by difficulty 1..8, or None. A class whose
        texts vary has two points (`two_points`)
    user_range : least and greatest value of a graded text, which no point goes beyond
    latents : laws of the fields that the shaper reads; None: `toyrl.worlds.chain.latents.declared`,
        which raises UndeclaredError (a KeyError) for a field that it does not know
    run_limit : completion limit in tokens that the shaper reads; None: the chain's own. A chain
        that ends before the run does has classes of at most its own length
    """

    chain: Chain
    shaper: Shaper
    user_mean: np.ndarray | None = None
    user_variance: np.ndarray | None = None
    user_range: tuple[float, float] = (-np.inf, np.inf)
    latents: tuple[Latent, ...] | None = None
    run_limit: float | None = None

    @property
    def limit(self) -> float:
        """The completion limit in tokens, as the shaper reads it."""
        return float(self.chain.max_length if self.run_limit is None else self.run_limit)

    @property
    def exact(self) -> bool:
        """True if no text was sampled."""
        return self.user_mean is None

    @property
    def scope(self) -> str:
        """rollout | group | batch"""
        return self.shaper.all_scope()

    @cached_property
    def assumed(self) -> tuple[Latent, ...]:
        """The latents that supply the shaper's fields."""
        if self.latents is not None:
            return self.latents
        return latents_of(self.shaper, have=("user_reward",))

    def stated(self) -> list[dict[str, Any]]:
        """What is assumed: fields, latent, numbers and a sentence, one entry a latent."""
        return stated(self.assumed, (*self.shaper.all_needs(), *self.shaper.all_wants()))

    # -- points ---------------------------------------------------------------------------------
    @cached_property
    def _points(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Probabilities (D, L, K) within classes, and fields (D, N), per token (D, N, T)."""
        laws = [self._laws(d) for d in DIFFICULTIES]
        weight = np.stack([w for w, _ in laws])
        fields = {name: np.stack([f[name] for _, f in laws]) for name in laws[0][1]}
        flat = {n: v.reshape(len(v), -1, *v.shape[3:]) for n, v in fields.items()}
        return weight, flat

    def _laws(self, difficulty: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The product of all laws at one difficulty: (L, K), and fields (L, K) or (L, K, T)."""
        kinds = self._kinds(difficulty)
        weight, fields = np.ones((len(kinds), 1)), {}
        found = [latent.law(kinds) for latent in self.assumed]
        if self.user_mean is not None:
            found.append(self._text(difficulty))
        for own, values in found:
            before, n = weight.shape[1], own.shape[1]
            wide = {name: spread(name, v, own.shape) for name, v in values.items()}
            fields = {name: np.repeat(v, n, axis=1) for name, v in fields.items()}
            fields |= {k: np.concatenate([v] * before, axis=1) for k, v in wide.items()}
            weight = (weight[:, :, None] * own[:, None, :]).reshape(len(kinds), -1)
        return weight.T, {name: np.swapaxes(v, 0, 1) for name, v in fields.items()}

    def _kinds(self, difficulty: int) -> Kinds:
        c = self.chain
        known = np.full(c.n_classes, float(difficulty))
        tables = (c.class_correct(), c.class_length(), c.class_truncated())
        return Kinds(*tables, self.limit, known)

    def _text(self, difficulty: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        assert self.user_mean is not None
        mean, v = self.user_mean[difficulty - 1][:, None], self.user_variance
        if v is None or not np.any(v > 0):
            return np.ones(mean.shape), {"user_reward": mean}
        weight, both = two_points(mean[:, 0], v[difficulty - 1], *self.user_range)
        return weight, {"user_reward": both}

    @property
    def n_points(self) -> int:
        """L, points a class; 1 if no field varies within classes."""
        return self._points[0].shape[1]

    @property
    def correct(self) -> np.ndarray:
        """(N,) correctness of the points."""
        return np.tile(self.chain.class_correct(), self.n_points)

    def expand(self, prob: np.ndarray, difficulties: Any) -> np.ndarray:
        """Probabilities (..., K) of classes -> (..., N) of points; difficulties (...,) in 1..8."""
        if self.n_points == 1:
            return prob
        law = self._points[0][np.asarray(difficulties) - 1]
        return (prob[..., None, :] * law).reshape(*prob.shape[:-1], -1)

    def fold(self, values: np.ndarray, difficulties: Any) -> np.ndarray:
        """Means (..., K) over the points of each class of values (..., N)."""
        if self.n_points == 1:
            return values
        law = self._points[0][np.asarray(difficulties) - 1]
        wide = values.reshape(*values.shape[:-1], self.n_points, self.chain.n_classes)
        return np.where(law > 0, law * wide, 0.0).sum(-2)

    # -- rollouts -------------------------------------------------------------------------------
    def rollouts(self, difficulties: Sequence[int], weight: np.ndarray | None = None) -> Rollouts:
        """Every point once for each difficulty: (B, N), weighted by class weight (B, K) x law.

        Without weights every class counts 1.
        """
        rows, shape = np.asarray(difficulties), (len(difficulties), self.chain.n_classes)
        if weight is not None or self.n_points > 1:
            weight = self.expand(np.ones(shape) if weight is None else weight, rows)
        return class_rollouts(
            weight,
            correct=np.broadcast_to(self.correct, (shape[0], len(self.correct))).copy(),
            length=np.tile(self.chain.class_length(), self.n_points),
            truncated=np.tile(self.chain.class_truncated(), self.n_points),
            max_length=self.limit,
            fields={name: value[rows - 1] for name, value in self._points[1].items()},
            group_size=None,
        )

    def drawn(self, index: np.ndarray, difficulties: np.ndarray, **options: Any) -> Rollouts:
        """Groups of point indices (..., B, G) in 0..N-1; difficulties broadcast to the same.

        options : weight, group_size, step of `toyrl.rollouts.classes.drawn_rollouts`
        """
        return drawn_rollouts(
            index,
            correct=self.correct,
            length=np.tile(self.chain.class_length(), self.n_points),
            truncated=np.tile(self.chain.class_truncated(), self.n_points),
            max_length=self.limit,
            fields=self._points[1] if self.scope != "rollout" else {},
            prompt=np.asarray(difficulties) - 1,
            **options,
        )

    def rewards(self, r: Rollouts, index: np.ndarray, difficulties: np.ndarray) -> np.ndarray:
        """(..., B, G) rewards of drawn rollouts r: read off the table, or by their siblings."""
        if self.scope == "rollout":
            return self.values()[np.asarray(difficulties) - 1, index]
        # Shapers count siblings by weight: give them whole rollouts, not prompt shares.
        return np.asarray(self.shaper.reward(r.with_(weight=None, group_size=None)))

    # -- the reward -----------------------------------------------------------------------------
    @cached_property
    def _values(self) -> np.ndarray:
        return np.asarray(self.shaper.reward(self.rollouts(DIFFICULTIES)), dtype=float)

    def values(self) -> np.ndarray:
        """(D, N) reward of each point.

        A group or batch shaper is read with one sibling of every class; that is only used to
        describe it, training uses finite groups.
        """
        return self._values

    def table(self) -> np.ndarray:
        """(D, K) mean reward of each class by difficulty."""
        return self.moments(self.values(), DIFFICULTIES)[0]

    def variance(self) -> np.ndarray | None:
        """(D, K) variance of the reward within each class, or None if every class has one value."""
        return self.moments(self.values(), DIFFICULTIES)[1]

    def moments(
        self, values: np.ndarray, difficulties: Any
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean and variance (..., K) within classes of values (..., N); None: one point each."""
        if self.n_points == 1:
            return values, None
        mean = self.fold(values, difficulties)
        wide = np.tile(mean, self.n_points)
        return mean, self.fold((values - wide) ** 2, difficulties)
