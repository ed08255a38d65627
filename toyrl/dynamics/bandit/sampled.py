"""Sampled training of a softmax over answers, thousands of runs at once.

One update is `toyrl.dynamics.bandit.softmax.learn` on drawn groups; runs are a `vmap`, updates a
`lax.scan`, all compiled together. The counterpart of `toyrl.dynamics.bandit.exact`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.dynamics.bandit.softmax import Arms, Bandit, Batch, Recipe, arms_of, learn
from toyrl.pytree import activate

Array = Any
DICE = 1 << 26
"""Bytes of random numbers that are drawn ahead of the updates that use them."""


@dataclass(frozen=True)
class Runs:
    """What N runs went through, T updates each.

    value, entropy : (T + 1, N) expected reward; entropy in nats (prompts by share)
    drawn : (T, N) groups drawn in each update; kept : (T, N) of them with unequal rewards
    logits : (N, R, K) at the end; path : (T + 1, N, R, K) if asked for
    """

    value: np.ndarray
    entropy: np.ndarray
    drawn: np.ndarray
    kept: np.ndarray
    logits: np.ndarray
    path: np.ndarray | None = None


def mean_and_error(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over runs, the last axis, and its standard error."""
    return x.mean(-1), x.std(-1, ddof=1) / np.sqrt(x.shape[-1])


def train_sampled(
    bandit: Bandit,
    logits: Array,
    recipe: Recipe,
    updates: int,
    *,
    runs: int = 1024,
    seed: int = 0,
    reference: Array | None = None,
    keep_path: bool = False,
) -> Runs:
    """Train `runs` independent runs from the same logits (R, K), in float64.

    reference : (R, K) logits of the reference policy (None: the start)

    Raises ValueError for an infinite group, which can't be drawn.
    """
    if np.isinf(recipe.group_size):
        msg = "group_size=inf cannot be sampled; use train_expected"
        raise ValueError(msg)
    activate()
    with jax.enable_x64(True):
        z = jnp.asarray(np.asarray(logits, dtype=np.float64).reshape(bandit.policy_shape))
        ref = z if reference is None else jnp.asarray(np.asarray(reference, float).reshape(z.shape))
        now = jnp.broadcast_to(z, (runs, *z.shape))
        keys = jax.random.split(jax.random.key(seed), updates)
        path, counts = [np.asarray(now)[None]], []
        for block in _blocks(keys, runs, recipe):
            dice = _dice(block, runs, recipe.groups, int(recipe.group_size))
            now, (after, *count) = _runs(now, ref, arms_of(bandit), dice, recipe)
            path.append(np.asarray(after))
            counts.append(count)
        path = np.concatenate(path)
    drawn, kept = (np.concatenate([np.asarray(c) for c in x]) for x in zip(*counts, strict=True))
    return Runs(
        bandit.value(path), bandit.entropy(path), drawn, kept, path[-1], path if keep_path else None
    )


class Dice(NamedTuple):
    """What chance gives one update: numbers uniform in [0, 1), and a key for drawing anew.

    prompt (..., groups, 1), member (..., groups, G), key (...)
    """

    prompt: Array
    member: Array
    key: Array


def _throw(key: Array, groups: int, size: int) -> Dice:
    """The numbers that `key` stands for, in float64."""
    u, v = jax.random.split(key)
    prompt = jax.random.uniform(u, (groups, 1), dtype=float)
    return Dice(prompt, jax.random.uniform(v, (groups, size), dtype=float), key)


def draw(dice: Dice, z: Array, arms: Arms, recipe: Recipe) -> tuple[Batch, Array, Array]:
    """A batch of `recipe.groups` groups, groups drawn for it, groups with unequal rewards in it.

    z : (R, K) logits.
    """
    cdf = jnp.cumsum(arms.probabilities(z), axis=-1)
    share = jnp.cumsum(arms.share)

    def placed(dice: Dice) -> tuple[Array, Array]:
        prompt = _place(share, dice.prompt)[:, 0]
        return prompt, _place(cdf[prompt][:, None], dice.member)

    def once(key: Array) -> tuple[Array, Array]:
        return placed(_throw(key, recipe.groups, int(recipe.group_size)))

    def tied(prompt: Array, drawn: Array) -> Array:
        reward = jnp.take_along_axis(arms.reward[prompt], drawn, axis=-1)
        return reward.max(-1) == reward.min(-1)

    prompt, drawn = placed(dice)
    count = jnp.asarray(recipe.groups)
    if recipe.refill and recipe.group_size > 1:
        prompt, drawn, count = _redraw(dice.key, once, tied, (prompt, drawn, count), recipe)
    batch = Batch(prompt, drawn, jnp.ones(drawn.shape, dtype=z.dtype))
    return batch, count, (~tied(prompt, drawn)).sum()


def _redraw(key: Array, once: Any, tied: Any, first: Any, recipe: Recipe) -> Any:
    """Draw groups of equal rewards anew until there is none, or `most_draws` rounds are over."""

    def going(state: Any) -> Array:
        round_, (prompt, drawn, _) = state
        return tied(prompt, drawn).any() & (round_ < recipe.most_draws)

    def again(state: Any) -> Any:
        round_, (prompt, drawn, count) = state
        new_prompt, new = once(jax.random.fold_in(key, round_))
        poor = tied(prompt, drawn)
        drawn = jnp.where(poor[:, None], new, drawn)
        return round_ + 1, (jnp.where(poor, new_prompt, prompt), drawn, count + poor.sum())

    return jax.lax.while_loop(going, again, (jnp.asarray(1), first))[1]


def _place(cdf: Array, u: Array) -> Array:
    """Indices drawn by the inverse CDF, cdf (..., C) on the last axis of u (..., 1)."""
    return jnp.minimum((u[..., None] >= cdf).sum(-1), cdf.shape[-1] - 1)


def _blocks(keys: Array, runs: int, recipe: Recipe) -> list[Array]:
    """The updates' keys in blocks whose numbers fit into `DICE` bytes; at least one block."""
    each = 8 * runs * recipe.groups * (int(recipe.group_size) + 1)
    most = max(1, DICE // each)
    return [keys[at : at + most] for at in range(0, len(keys), most)] or [keys]


# Apart from the updates, because drawing numbers takes the compiler as long as all the rest: so it
# is compiled once for all estimators and objectives.
@partial(jax.jit, static_argnames=("runs", "groups", "size"))
def _dice(keys: Array, runs: int, groups: int, size: int) -> Dice:
    one = jax.vmap(partial(_throw, groups=groups, size=size))
    return jax.vmap(lambda key: one(jax.random.split(key, runs)))(keys)


@partial(jax.jit, static_argnames=("recipe",))
def _runs(start: Array, ref: Array, arms: Arms, dice: Dice, recipe: Recipe) -> Any:
    def one(z: Array, dice: Dice) -> tuple[Array, Any]:
        batch, drawn, kept = draw(dice, z, arms, recipe)
        new = learn(z, batch, arms, ref, recipe)
        return new, (new, drawn, kept)

    return jax.lax.scan(jax.vmap(one), start, dice)
