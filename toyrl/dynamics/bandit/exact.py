"""Exact training of a softmax over answers: no samples.

expected_update, train_expected   the limit of many groups per update: every kind of group
                                  counts with its probability, and the inner loop runs on that
                                  batch. A deterministic path, O(1/groups) from the mean of runs.
outcomes                          one group per update: every multiset of answers, its
                                  probability, and the logits after the inner loop on it
mean_over_runs                    two answers, one group per update: means over all runs at every
                                  update, from the backward equation
                                  u_{t+1}(x) = sum_o P(o | x) u_t(x'(x, o)), x the logit difference
                                  and u_0 what is observed; local cubic interpolation on a grid
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.dynamics.bandit.softmax import (
    Arms,
    Bandit,
    Batch,
    Recipe,
    advantages,
    arms_of,
    by_level,
    learn,
    refuse_whole_batches,
)
from toyrl.dynamics.groups.compositions import multisets, row_count
from toyrl.pytree import activate

Array = Any
ROWS = 50_000
"""Kinds of groups per prompt that are enumerated."""


class Kinds(NamedTuple):
    """Kinds of groups: multisets of levels.

    counts (M, R), members of each level in each kind; level (B, C), of each class; first (B, R), a
    class of each level; log_ways (M,), log of G! over the product of counts!
    """

    counts: Array  # (M, R) members of each level
    level: Array  # (B, C) level of each class
    first: Array  # (B, R) a class of each level
    log_ways: Array  # (M,) log of G! / product of counts!


def expected_update(
    bandit: Bandit, logits: Array, recipe: Recipe, *, reference: Array | None = None
) -> np.ndarray:
    """(R, K) logits after one update in the limit of many groups."""
    return train_expected(bandit, logits, recipe, 1, reference=reference)[-1]


def train_expected(
    bandit: Bandit, logits: Array, recipe: Recipe, updates: int, *, reference: Array | None = None
) -> np.ndarray:
    """(updates + 1, R, K) logits along training in the limit of many groups per update.

    logits : (R, K) at the start; reference : (R, K) logits of the reference policy (None: start)
    """
    refuse_whole_batches(recipe.objective)
    activate()
    with jax.enable_x64(True):
        start, ref = _start(bandit, logits, reference)
        kinds = None if np.isinf(recipe.group_size) else _kinds(bandit, recipe, by_level(recipe))
        path = _path(start, ref, arms_of(bandit), kinds, recipe, updates)
        return np.concatenate([np.asarray(start)[None], np.asarray(path)])


def informative_share(bandit: Bandit, logits: Array, group_size: int) -> np.ndarray:
    """(..., B) probability that a group's rewards are not all equal, 1 - sum_v P(reward v)^G."""
    pi = bandit.policy(logits)[..., None] * bandit.chance
    out = np.ones(pi.shape[:-2])
    for b, reward in enumerate(bandit.reward):
        for value in np.unique(reward):
            out[..., b] -= (
                np.where(reward == value, pi[..., b, :, :], 0).sum((-1, -2)) ** group_size
            )
    return np.maximum(out, 0.0)


def outcomes(
    bandit: Bandit, logits: Array, recipe: Recipe, *, reference: Array | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """All that an update by one group can lead to: chances (N,), logits (N, R, K).

    With `refill` the chances are those of informative groups; they sum to 1 either way, unless
    no group is informative (then all are 0).
    """
    activate()
    with jax.enable_x64(True):
        start, ref = _start(bandit, logits, reference)
        arms, kinds = arms_of(bandit), _kinds(bandit, recipe, False)
        chance, z = _outcomes(start, ref, arms, kinds, recipe)
        return np.asarray(chance), np.asarray(z)


def mean_over_runs(
    bandit: Bandit,
    logits: Array,
    recipe: Recipe,
    updates: int,
    observe: Callable[[np.ndarray], np.ndarray],
    *,
    reference: Array | None = None,
    reach: float = 14.0,
    points: int = 1401,
) -> np.ndarray:
    """(updates + 1, ...) mean over all runs of what `observe` reads, one group per update.

    bandit : two answers and one row of logits
    observe : probability of the second answer (N,) -> (N, ...)
    reach, points : the grid of logit differences, from -reach to reach; the start must be inside

    Exact but for interpolation, O(spacing^4) where the update is smooth in the logits; where a
    clip makes it jump, O(spacing times the jump).

    logits : (1, 2). Raises ValueError for a bandit of another shape.
    """
    if bandit.policy_shape != (1, 2):
        msg = f"the policy is {bandit.policy_shape}; the mean over runs needs one row, two answers"
        raise ValueError(msg)
    activate()
    grid = np.linspace(-reach, reach, points)
    with jax.enable_x64(True):
        start, ref = _start(bandit, logits, reference)
        arms, kinds = arms_of(bandit), _kinds(bandit, recipe, False)
        cells = jnp.stack([jnp.zeros(points), jnp.asarray(grid)], axis=-1)[:, None]
        each = jax.vmap(lambda z: _outcomes(z, ref, arms, kinds, recipe))
        chance, z = (np.asarray(x) for x in each(cells))
    matrix = _interpolation(grid, z[..., 0, 1] - z[..., 0, 0], chance)
    begin = np.asarray(start)[0]
    at = _interpolation(grid, np.array([[begin[1] - begin[0]]]), np.ones((1, 1)))
    u = np.asarray(observe(1 / (1 + np.exp(-grid))), dtype=float)
    out = [at @ u.reshape(points, -1)]
    flat = u.reshape(points, -1)
    for _ in range(updates):
        flat = matrix @ flat
        out.append(at @ flat)
    return np.concatenate(out).reshape(updates + 1, *u.shape[1:])


# -- inside ----------------------------------------------------------------------------------------
def _start(bandit: Bandit, logits: Array, reference: Array | None) -> tuple[Array, Array]:
    z = jnp.asarray(np.asarray(logits, dtype=np.float64).reshape(bandit.policy_shape))
    if reference is None:
        return z, z
    return z, jnp.asarray(np.asarray(reference, dtype=np.float64).reshape(bandit.policy_shape))


def _kinds(bandit: Bandit, recipe: Recipe, merge: bool) -> Kinds:
    """Multisets of levels; `merge` puts classes that pay and are labelled alike in one level."""
    from scipy.special import gammaln

    if np.isinf(recipe.group_size):
        msg = "group_size=inf has no single groups; use train_expected"
        raise ValueError(msg)
    size = int(recipe.group_size)
    B = len(bandit.reward)
    columns = (bandit.reward, bandit.correct, *bandit.fields.values())
    keys = np.stack([np.asarray(x).reshape(B, -1) for x in columns], axis=-1)
    if merge:
        level = np.stack([np.unique(k, axis=0, return_inverse=True)[1].ravel() for k in keys])
    else:
        level = np.broadcast_to(np.arange(keys.shape[1]), keys.shape[:2])
    levels = int(level.max()) + 1
    rows = row_count(levels, 0, size)
    if rows > ROWS:
        msg = (
            f"{rows:,} kinds of groups of {size} from {levels} kinds of answers are above {ROWS:,};"
            " take fewer answers or smaller groups, or train_sampled"
        )
        raise ValueError(msg)
    counts = multisets(levels, size)
    ways = gammaln(size + 1) - gammaln(counts + 1).sum(-1)
    first = (level[:, None] == np.arange(levels)[:, None]).argmax(-1)
    numbers = jnp.asarray(counts, dtype=float)
    return Kinds(numbers, jnp.asarray(level), jnp.asarray(first), jnp.asarray(ways))


def _chances(prob: Array, kinds: Kinds) -> tuple[Array, Array]:
    """(M,) chance of each kind of group, (M, C) expected members of each class in it."""
    at = (kinds.level[:, None] == jnp.arange(kinds.counts.shape[1])) * prob[:, None]
    mass = at.sum(0)
    log = jnp.where(kinds.counts > 0, kinds.counts * jnp.log(mass), 0.0).sum(-1)
    own = jnp.where(mass > 0, at / jnp.where(mass > 0, mass, 1.0), 0.0)
    return jnp.exp(kinds.log_ways + log), kinds.counts @ own.T


def _whole_batch(prob: Array, arms: Arms, kinds: Kinds | None) -> Batch:
    """Every kind of group of every prompt once, with its chance; members by class."""
    B, C = prob.shape
    if kinds is None:
        chance, weight = jnp.ones((B, 1)), prob[:, None]
    else:
        one = jax.vmap(lambda p, level: _chances(p, kinds._replace(level=level)))
        chance, weight = one(prob, kinds.level)
    M = chance.shape[1]
    prompt = jnp.repeat(jnp.arange(B), M)
    every = jnp.broadcast_to(jnp.arange(C), (B * M, C))
    return Batch(prompt, every, weight.reshape(B * M, C), (arms.share[:, None] * chance).ravel())


def _update(z: Array, ref: Array, arms: Arms, kinds: Kinds | None, recipe: Recipe) -> Array:
    """One update in the limit of many groups."""
    whole = _whole_batch(arms.probabilities(z), arms, kinds)
    if kinds is None:
        return learn(z, whole, arms, ref, recipe)
    # The estimator sees whole members, by level; classes of a level share the answer.
    count = jnp.tile(kinds.counts, (len(arms.share), 1))
    levels = Batch(whole.prompt, kinds.first[whole.prompt], count, whole.chance)
    a = advantages(z, levels, arms, ref, recipe)
    a = jnp.take_along_axis(a, kinds.level[whole.prompt], axis=-1)
    return learn(z, whole, arms, ref, recipe, a)


@partial(jax.jit, static_argnames=("recipe", "updates"))
def _path(
    start: Array, ref: Array, arms: Arms, kinds: Kinds | None, recipe: Recipe, updates: int
) -> Array:
    def update(z: Array, _: None) -> tuple[Array, Array]:
        z = _update(z, ref, arms, kinds, recipe)
        return z, z

    return jax.lax.scan(update, start, None, length=updates)[1]


@partial(jax.jit, static_argnames=("recipe",))
def _outcomes(
    z: Array, ref: Array, arms: Arms, kinds: Kinds, recipe: Recipe
) -> tuple[Array, Array]:
    whole = _whole_batch(arms.probabilities(z), arms, kinds)
    chance = whole.chance
    assert chance is not None
    single = jax.vmap(lambda b: learn(z, Batch(*(x[None] for x in b)), arms, ref, recipe))
    after = single(tuple(whole[:3]))
    if recipe.refill and recipe.group_size > 1:
        here = whole.weight > 0
        reward = whole.read(arms.reward)
        low = jnp.where(here, reward, jnp.inf).min(-1)
        chance = chance * (jnp.where(here, reward, -jnp.inf).max(-1) > low)
        chance = chance / jnp.where(chance.sum() > 0, chance.sum(), 1.0)
    return chance, after


def _interpolation(grid: np.ndarray, x: np.ndarray, chance: np.ndarray) -> Any:
    """(N, points) matrix that takes values on the grid to sum_o chance u(x_o), x (N, O)."""
    from scipy.sparse import csr_array

    n, h = len(grid), grid[1] - grid[0]
    s = np.clip((x - grid[0]) / h, 0.0, n - 1.0)
    first = np.clip(np.floor(s).astype(int) - 1, 0, n - 4)
    u = s - first
    nodes = np.arange(4)
    weight = np.ones((*x.shape, 4))
    for i in nodes:
        for j in nodes[nodes != i]:
            weight[..., i] *= (u - j) / (i - j)
    row = np.broadcast_to(np.arange(len(x))[:, None, None], weight.shape)
    value = (weight * chance[..., None]).ravel()
    return csr_array((value, (row.ravel(), (first[..., None] + nodes).ravel())), shape=(len(x), n))
