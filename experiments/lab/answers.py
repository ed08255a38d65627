"""A softmax over a few answers in NumPy, for runs too short to pay for compiling.

The updates of `toyrl.dynamics.bandit` by its estimators and objectives, found a second way: a group
is the count of each answer in it, and N runs stand side by side. For one prompt whose answers pay
one reward each, and estimators that look at single groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.dynamics.bandit.softmax import Recipe
from toyrl.dynamics.groups.compositions import multisets
from toyrl.estimators.dynamic_sampling import keep_informative
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.theory.policies import softmax

Array = Any


def log_policy(z: Array) -> np.ndarray:
    """log softmax of logits (..., K)."""
    z = z - z.max(-1, keepdims=True)
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def every_group(answers: int, size: float) -> np.ndarray:
    """(1, M, K) all groups; of infinite size: none, the population takes their place."""
    return multisets(answers, int(size))[None] * 1.0


def chances(z: Array, counts: Array) -> np.ndarray:
    """(N, M) chance of each group under logits z (N, K)."""
    from scipy.special import gammaln

    ways = gammaln(counts.sum(-1) + 1) - gammaln(counts + 1).sum(-1)
    return np.exp(ways + (counts * log_policy(z)[:, None]).sum(-1))


def learn(z: Array, reward: Array, counts: Array, recipe: Recipe, *, chance: Array | None = None,
          reference: Array | None = None) -> np.ndarray:  # fmt: skip
    """(N, K) logits after the inner steps of N runs, each on a batch of S groups.

    z : (N, K) logits that drew the batch; reward : (K,); counts : (N, S, K) members of each answer
    chance : (N, S) of each group where the batch stands for very many; reference : (K,) logits
    """
    old = log_policy(z)[:, None, :, None]
    ref = log_policy(np.asarray(z if reference is None else reference))[..., None, :, None]
    counts = np.broadcast_to(counts, (len(z), *counts.shape[1:]))
    paid, one = np.broadcast_to(reward, counts.shape), np.ones((*counts.shape, 1))

    def batch(weight: Array) -> Rollouts:
        fields = {"logprobs": old * one, "ref_logprobs": ref * one}
        r = class_rollouts(weight, correct=(paid > 0) * 1.0, length=1.0, max_length=1.0,
                           fields=fields, group_size=float(recipe.group_size))  # fmt: skip
        return keep_informative(paid, r) if recipe.refill else r

    a = recipe.estimator.apply({"reward": paid}, batch(counts))[0]
    r = batch(counts if chance is None else counts * chance[..., None])
    spend(recipe.inner * (UPDATE + counts.size))
    for _ in range(recipe.inner):
        now = log_policy(z)
        c = recipe.objective.coefficients(a, r, now[:, None, :, None] * one, old * one)
        force = c[..., 0].sum(1)
        z = z + recipe.rate * (force - np.exp(now) * force.sum(-1, keepdims=True))
    return z


def expected(reward: Array, start: Array, recipe: Recipe, updates: int, *,
             reference: Array | None = None) -> np.ndarray:  # fmt: skip
    """(updates + 1, N, K) logits in the limit of many groups an update, from start (N, K)."""
    whole = np.isinf(recipe.group_size)
    groups = None if whole else every_group(len(reward), recipe.group_size)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        if groups is None:
            return learn(z, reward, softmax(z)[:, None], recipe, reference=reference)
        return learn(z, reward, groups, recipe, chance=chances(z, groups), reference=reference)

    return follow(step, start, updates)


def sampled(reward: Array, start: Array, recipe: Recipe, updates: int, runs: int, rng: Any, *,
            reference: Array | None = None) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(updates + 1, runs, K) logits, and (updates, runs) groups drawn, from start (K,)."""
    drawn = []

    def step(z: np.ndarray, _: int) -> np.ndarray:
        p = np.repeat(softmax(z)[:, None], recipe.groups, 1)
        counts = rng.multinomial(int(recipe.group_size), p)
        tried = np.ones(counts.shape[:2])
        while recipe.refill and (poor := tied(reward, counts)).any():
            counts[poor] = rng.multinomial(int(recipe.group_size), p[poor])
            tried += poor
        drawn.append(tried.sum(-1))
        return learn(z, reward, counts * 1.0, recipe, reference=reference)

    path = follow(step, np.tile(np.asarray(start, dtype=float), (runs, 1)), updates)
    return path, np.array(drawn)


def tied(reward: Array, counts: Array) -> np.ndarray:
    """Whether all members of a group (..., K) are paid alike."""
    here = counts > 0
    return np.where(here, reward, -np.inf).max(-1) == np.where(here, reward, np.inf).min(-1)


def mean_over_runs(reward: Array, start: float, recipe: Recipe, updates: int, observe: Any, *,
                   reach: float = 14.0, points: int = 561) -> np.ndarray:  # fmt: skip
    """(updates + 1, ...) exact mean over runs of two answers, one group an update, by splines.

    u_{t+1}(x) = sum over groups of chance u_t(x after it), x the logit difference (start: of the
    first state); observe : chance of the second answer (N,) -> (N, ...)
    """
    from scipy.interpolate import CubicSpline

    grid = np.linspace(-reach, reach, points)
    groups = every_group(2, recipe.group_size)[0]
    z = np.stack([np.zeros(points), grid], -1)
    chance = chances(z, groups[None])
    each = learn(
        np.repeat(z, len(groups), 0), reward, np.tile(groups, (points, 1))[:, None], recipe
    )
    after = np.clip((each[:, 1] - each[:, 0]).reshape(chance.shape), -reach, reach)
    u = follow(lambda u, _: np.einsum("nm,nm...->n...", chance, CubicSpline(grid, u)(after)),
               observe(1 / (1 + np.exp(-grid))), updates)  # fmt: skip
    return CubicSpline(grid, u, axis=1)(start)
