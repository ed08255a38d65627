"""A softmax over answers, trained by any estimator and objective with an explicit inner loop.

A prompt has K answers (arms), a policy one logit per answer. An update draws groups of G answers,
takes advantages from the estimator once, and then makes `inner` steps on the same batch with the
objective's coefficients, the ratio to the drawing policy moving all the while: this is where
clipping acts. Gradients are exact, grad log pi_k = e_k - pi.

One update, `learn`, serves two drivers: `toyrl.dynamics.bandit.exact` (the limit of many groups,
all outcomes of one group, the mean over runs for two answers) and `toyrl.dynamics.bandit.sampled`
(thousands of runs at once).

An answer is one token, so all length normalisations agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.dynamic_sampling import keep_informative
from toyrl.estimators.group import PRESETS
from toyrl.objectives.base import Objective
from toyrl.objectives.compose import Corrected, OffPolicyMask, Sum, TopEntropy
from toyrl.objectives.covariance import KlCov
from toyrl.objectives.drpo import Drpo
from toyrl.objectives.outcome_cloning import Oreal
from toyrl.objectives.policy_gradient import PRESETS as LOSSES
from toyrl.objectives.surrogate import Surrogate
from toyrl.ranges import COUNT, FINITE, FLAG, Range, check_fields
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.rollouts.classes import class_rollouts, picked

Array = Any
MANY = 2.0**40
"""Groups in a batch that stands for the limit of many."""
WHOLE_BATCH = (KlCov, TopEntropy, Drpo, Oreal)
"""A quota of tokens by place or entropy; a trust region on, a share of, the batch's rollouts."""
BY_TOKEN = frozenset({"logprobs", "ref_logprobs", "sampling_logprobs"})


@dataclass(frozen=True, eq=False)
class Bandit:
    """Prompts with K answers each; an answer pays one of V rewards.

    reward : (B, K) or (B, K, V)     rewards of each answer; (K,) is one prompt
    chance : (B, K, V), optional     probability of each reward given the answer, rows sum to 1
    share : (B,), optional           how often a prompt is drawn (None: all alike)
    row : (B,) of int, optional      the row of logits that a prompt uses (None: its own); prompts
                                     of one row share their policy
    correct : like reward, optional  1 = right, for what looks at correctness (None: reward > 0)
    fields : name -> like reward     other registered fields that an estimator or objective needs

    Raises ValueError for several rewards of an answer without their chances, and for shapes that
    don't fit.
    """

    reward: np.ndarray
    chance: np.ndarray | None = None
    share: np.ndarray | None = None
    row: np.ndarray | None = None
    correct: np.ndarray | None = None
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reward = np.asarray(self.reward, dtype=float)
        reward = reward[None] if reward.ndim == 1 else reward
        reward = reward[..., None] if reward.ndim == 2 else reward
        B = len(reward)
        chance = np.ones((1, 1, 1)) if self.chance is None else np.asarray(self.chance, dtype=float)
        if self.chance is None and reward.shape[-1] > 1:
            msg = f"reward has {reward.shape[-1]} values per answer; give their chance"
            raise ValueError(msg)
        chance = np.broadcast_to(chance, reward.shape)
        share = np.full(B, 1 / B) if self.share is None else np.asarray(self.share, dtype=float)
        row = np.arange(B) if self.row is None else np.asarray(self.row, dtype=np.int64)
        correct = (reward > 0) * 1.0 if self.correct is None else self.correct
        correct = _like(reward, "correct", correct)
        fields = {n: _like(reward, n, v) for n, v in self.fields.items()}
        _check(reward, chance, share, row)
        for name, value in (("reward", reward), ("chance", chance), ("share", share / share.sum()),
                            ("row", row), ("correct", correct), ("fields", fields)):  # fmt: skip
            object.__setattr__(self, name, value)

    @property
    def arms(self) -> int:
        """K."""
        return self.reward.shape[1]

    @property
    def policy_shape(self) -> tuple[int, int]:
        """(R, K) of the logits."""
        return int(self.row.max()) + 1, self.arms  # pyright: ignore[reportOptionalMemberAccess]

    @property
    def mean_reward(self) -> np.ndarray:
        """(B, K) expected reward of each answer."""
        return (self.reward * self.chance).sum(-1)

    def policy(self, logits: Array) -> np.ndarray:
        """(..., B, K) probabilities of the answers, from logits (..., R, K)."""
        z = np.asarray(logits)[..., self.row, :]
        x = np.exp(z - z.max(-1, keepdims=True))
        return x / x.sum(-1, keepdims=True)

    def value(self, logits: Array) -> np.ndarray:
        """(...) expected reward, prompts weighted by share."""
        return (self.policy(logits) * self.mean_reward).sum(-1) @ self.share

    def entropy(self, logits: Array) -> np.ndarray:
        """(...) entropy of the answers in nats, mean over prompts by share."""
        return entropy(self.policy(logits)) @ self.share


@dataclass(frozen=True)
class Recipe:
    """How to train; hashable, one compilation for each.

    group_size : whole number >= 1, or inf (many-groups limit only)
    groups : groups per update of a sampled run
    rate : learning rate; an update adds rate * gradient to the logits at each inner step
    inner : steps on one batch; 1 is on-policy, the clip then never acts
    refill : dynamic sampling: groups of equal rewards are drawn anew (prompt and answers)
    most_draws : rounds of drawing anew before such a group is left out

    Raises ValueError for a number that is not whole or below 1 where it must not be.
    """

    estimator: Estimator = PRESETS["dr_grpo"]
    objective: Objective = LOSSES["sum"]
    group_size: Annotated[float, Range("[1, inf]", whole=True)] = 8
    groups: Annotated[int, COUNT] = 1
    rate: Annotated[float, FINITE] = 0.1
    inner: Annotated[int, COUNT] = 1
    refill: Annotated[bool, FLAG] = False
    most_draws: Annotated[int, COUNT] = 64

    def __post_init__(self) -> None:
        check_fields(self)


class Arms(NamedTuple):
    """A bandit as arrays for JAX; classes C = K V are pairs of an answer and its reward.

    arm (C,) the answer of a class; reward, correct and each field (B, C); chance (B, C) of this
    reward given the answer; share, row (B,).
    """

    arm: Array  # (C,) the answer
    reward: Array  # (B, C)
    correct: Array  # (B, C)
    chance: Array  # (B, C) of this reward given the answer
    share: Array  # (B,)
    row: Array  # (B,)
    fields: dict[str, Array]  # (B, C) each

    def probabilities(self, logits: Array) -> Array:
        """(B, C) of the classes."""
        return jax.nn.softmax(logits[self.row], axis=-1)[:, self.arm] * self.chance


class Batch(NamedTuple):
    """Groups (S) of n members each; sampled, or with every kind of group once.

    prompt (S,), member (S, n) class of each member, weight (S, n) its multiplicity; chance (S,)
    of each group where the batch stands for very many groups, else None
    """

    prompt: Array
    member: Array
    weight: Array
    chance: Array | None = None

    def read(self, table: Array) -> Array:
        """(S, n) of a table (B, C)."""
        return jnp.take_along_axis(table[self.prompt], self.member, axis=-1)


def arms_of(bandit: Bandit) -> Arms:
    """The bandit as JAX arrays of the default float type."""
    B, K, V = bandit.reward.shape

    def flat(x: Any) -> Array:
        return jnp.asarray(np.reshape(x, (B, K * V)))

    return Arms(
        jnp.asarray(np.arange(K * V) // V), flat(bandit.reward), flat(bandit.correct),
        flat(bandit.chance), jnp.asarray(bandit.share), jnp.asarray(bandit.row),
        {n: flat(v) for n, v in bandit.fields.items()},
    )  # fmt: skip


def advantages(logits: Array, batch: Batch, arms: Arms, reference: Array, recipe: Recipe) -> Array:
    """(S, n) the estimator's answer for each member."""
    return _advantages(_rollouts(logits, batch, arms, reference, recipe)[0], batch, arms, recipe)


def learn(
    logits: Array,
    batch: Batch,
    arms: Arms,
    reference: Array,
    recipe: Recipe,
    advantage: Array | None = None,
) -> Array:
    """(R, K) logits after the inner steps on one batch, drawn by the policy of `logits`.

    reference : (R, K) logits of the reference policy; advantage : (S, n), None: the estimator's
    """
    r, logp_of = _rollouts(logits, batch, arms, reference, recipe)
    if advantage is None:
        advantage = _advantages(r, batch, arms, recipe)
    old = logp_of(logits)
    K = logits.shape[-1]
    chosen = arms.arm[batch.member][..., None] == jnp.arange(K)

    def step(_: int, z: Array) -> Array:
        c = _coefficients(advantage, r, batch, logp_of(z), old, recipe.objective)
        pi = jax.nn.softmax(z[arms.row[batch.prompt]], axis=-1)
        g = (c[..., None] * chosen).sum(1) - pi * c.sum(-1, keepdims=True)
        at = arms.row[batch.prompt][:, None] == jnp.arange(len(z))
        return z + recipe.rate * jnp.einsum("sr,sk->rk", at.astype(z.dtype), g)

    if recipe.inner == 1:
        return step(0, logits)
    return jax.lax.fori_loop(0, recipe.inner, step, logits)


def is_additive(objective: Objective) -> bool:
    """True where a rollout's coefficient needs its own ratio and advantage (and batch means) alone.

    Objectives that compare the members of a group need every multiset of answers.
    """
    if isinstance(objective, Sum):
        return all(is_additive(t) for t in objective.terms)
    if isinstance(objective, (Corrected, OffPolicyMask)):
        return is_additive(objective.inner)
    return isinstance(objective, Surrogate)


def pools(estimator: Estimator) -> bool:
    """True where an estimator takes statistics over the whole batch."""
    return type(estimator).in_batch is not Estimator.in_batch or estimator.scope == "batch"


def by_level(recipe: Recipe) -> bool:
    """True where answers of equal reward and correctness may be told apart by the ratio alone."""
    return is_additive(recipe.objective) and not BY_TOKEN & set(recipe.estimator.needs)


def refuse_whole_batches(objective: Objective) -> None:
    """Refuse objectives that are neither additive nor a mean over single groups.

    Raises ValueError that names the term.
    """
    for term in objective.terms if isinstance(objective, Sum) else (objective,):
        if isinstance(term, WHOLE_BATCH):
            msg = (
                f"objective {type(term).__name__} looks at its batch as a whole, so its limit of "
                "many groups is not computed; use `outcomes` or `train_sampled`"
            )
            raise ValueError(msg)


def entropy(policy: Array) -> np.ndarray:
    """(...) entropy of the last axis, nats; 0 log 0 = 0."""
    p = np.asarray(policy)
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)


# -- inside ----------------------------------------------------------------------------------------
def _rollouts(
    logits: Array, batch: Batch, arms: Arms, reference: Array, recipe: Recipe
) -> tuple[Rollouts, Any]:
    """The batch as Rollouts (S, n), and logits -> log-probabilities (S, n, 1) of its members."""
    row = arms.row[batch.prompt]

    def logp_of(z: Array) -> Array:
        full = jax.nn.log_softmax(z[row], axis=-1)
        return jnp.take_along_axis(full, arms.arm[batch.member], axis=-1)[..., None]

    old, one = logp_of(logits), jnp.ones_like(batch.weight)
    pi = jax.nn.softmax(logits[row], axis=-1)
    spread = -(pi * jax.nn.log_softmax(logits[row], axis=-1)).sum(-1)
    fields = {
        "logprobs": old,
        "sampling_logprobs": old,
        "ref_logprobs": logp_of(reference),
        "entropy": spread[:, None, None] * one[..., None],
    }
    for name, table in arms.fields.items():
        value = batch.read(table)
        fields[name] = value[..., None] if FIELDS[name].axes == "T" else value
    weight = batch.weight
    if batch.chance is not None:
        weight = weight * batch.chance[:, None] * MANY
    r = class_rollouts(
        weight,
        correct=batch.read(arms.correct),
        length=one,
        max_length=1.0,
        fields=fields,
        group_size=float(recipe.group_size),
    )
    return (keep_informative(batch.read(arms.reward), r) if recipe.refill else r), logp_of


def _advantages(r: Rollouts, batch: Batch, arms: Arms, recipe: Recipe) -> Array:
    if not pools(recipe.estimator):  # one group at a time: its members are its weights
        r = r.with_(weight=batch.weight)
        r = keep_informative(batch.read(arms.reward), r) if recipe.refill else r
    a, _ = recipe.estimator.apply({"reward": batch.read(arms.reward)}, r)
    return a[..., 0] if a.ndim == 3 else a


def _coefficients(
    a: Array, r: Rollouts, batch: Batch, logp: Array, old: Array, objective: Objective
) -> Array:
    """(S, n) dJ/dlogp of the members."""
    if batch.chance is None or is_additive(objective):
        return objective.coefficients(a, r, logp, old)[..., 0]
    # Each kind of group as a batch of its own; J is the mean over groups.
    alone = picked(r, (slice(None), None), weight=batch.weight[:, None])
    c = objective.coefficients(a[:, None], alone, logp[:, None], old[:, None])[:, 0, :, 0]
    kept = batch.chance * (r.w > 0).any(-1)
    return c * (kept / jnp.where(kept.sum() > 0, kept.sum(), 1.0))[:, None]


def _like(reward: np.ndarray, name: str, x: Any) -> np.ndarray:
    """x (K,), (B, K) or (B, K, V) as (B, K, V)."""
    x = np.asarray(x, dtype=float)
    x = x if x.ndim == 3 else x[..., None]
    if name not in ("correct", *FIELDS):
        msg = f"field {name!r} is not registered; call toyrl.rollouts.register_field first"
        raise KeyError(msg)
    if any(n not in (1, m) for n, m in zip(x.shape[::-1], reward.shape[::-1], strict=False)):
        msg = f"{name} has shape {x.shape}, but reward is {reward.shape}: (B, K, V)"
        raise ValueError(msg)
    return np.broadcast_to(x, reward.shape)


def _check(reward: np.ndarray, chance: np.ndarray, share: np.ndarray, row: np.ndarray) -> None:
    B = len(reward)
    if not np.isfinite(reward).all():
        msg = "reward must be finite; a bandit's answers are always scored"
        raise ValueError(msg)
    if not ((chance >= 0).all() and np.allclose(chance.sum(-1), 1, atol=1e-9)):
        msg = f"chance sums to {chance.sum(-1).ravel()[:4]} over an answer's rewards, not to 1"
        raise ValueError(msg)
    if share.shape != (B,) or not ((share >= 0).all() and share.sum() > 0):
        msg = f"share={share} must hold {B} numbers >= 0, some > 0: one per prompt"
        raise ValueError(msg)
    if row.shape != (B,) or set(row.tolist()) != set(range(int(row.max()) + 1)):
        msg = f"row={row} must hold {B} row numbers that leave none of 0, 1, ... out"
        raise ValueError(msg)
