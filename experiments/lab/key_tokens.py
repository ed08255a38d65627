"""The chain of key tokens: T places, V tokens, right if the keys hold token 0; policy and reward
model are tables of tokens by place, and both start uniform.

The law of outcome-only training does not depend on where the keys are, that of dense rewards does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from toyrl.estimators.base import Estimator
from toyrl.estimators.prime import Prime
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.shared import shared
from toyrl.models.reward.online import ImplicitTable, OnlineImplicit, pull
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.prime import batch_normed

T, V, K = 16, 4, 4
BAND = (0.2, 0.8)
PLACES = ((1, 2), (8, 9), (1, 16), (15, 16))
"""Key positions, from 1: early, middle, apart, last."""
METHODS = ("outcome", "dense", "total")
"""Outcome alone; process rewards to come; their total as a second outcome reward (the control)."""
TOKEN = 2.0
"""Units of one token of one run in one update: about 0.2 microseconds."""


@dataclass(frozen=True)
class Run:
    """What training found, over J lists of keys and S seeds.

    success : (updates + 1, J, S) chance of a right response, exact from the policy's table
    ranked : (updates, J, S) share of pairs of a right and a wrong rollout that the reward model
        ranks right, before it is updated on them; NaN where there is no such pair
    """

    success: np.ndarray
    ranked: np.ndarray

    def steps(self, goal: float = 0.9) -> np.ndarray:
        """(J, S) updates until the chance of success reaches the goal; inf where it never does."""
        there = self.success >= goal
        return np.where(there.any(0), there.argmax(0), np.inf)


def success_chance(theta: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(...) chance that all keys (..., M), from 0, hold token 0 under logits (..., T, V)."""
    return np.take_along_axis(softmax(theta, axis=-1)[..., 0], keys, -1).prod(-1)


@shared
def learn(
    places: Sequence[Sequence[int]],
    seeds: int,
    method: str,
    updates: int,
    *,
    prompts: int = 16,
    rate: float = 0.1,
    band: Sequence[float] = BAND,
    released: bool = False,
    gamma: float = 1.0,
    inverted: bool = False,
    order: str = "before",
    spread: float = 0.0,
    taught: Sequence[int] = (0, 10**9),
    offline: int = 0,
    stop: bool = True,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """(success, ranked) of `Run`; random numbers are common to all places and methods.

    places : J lists of M keys, from 1; updates : at most; rate : of the policy, on the logits
    released, gamma : of the estimator; inverted : the reward model learns labels turned around
    order : the reward model is updated "before" or "after" its rewards are read
    spread : standard deviation of the reward model's first logits
    taught : the updates [first, end) in which it learns; offline : steps before, on rollouts of the
    untrained policy; stop : where all runs have a chance of 0.9
    """
    wanted = pick({name: name for name in METHODS}, method)
    rng, J, N = draws(seed, 53), len(places), prompts * K
    keys = np.broadcast_to(np.array(places)[:, None] - 1, (J, seeds, len(places[0])))
    theta = np.zeros((J, seeds, T, V))
    start = spread * rng.normal(size=(seeds, T, V)) + theta if spread else theta
    table, learner = ImplicitTable.of(T=T, V=V, logits=start), OnlineImplicit(step=0.5)
    rule = Prime(gamma, batch_norm=True, whitened=True, released=released, low=band[0],
                 high=band[1])  # fmt: skip
    if offline:
        table = _offline(table, learner, keys, rng.random((seeds, offline, N, T)), band)
    success, ranked = [success_chance(theta, keys)], []
    for t in range(updates):
        if stop and (np.max(success, axis=0) >= 0.9).all():
            break
        spend(UPDATE + TOKEN * J * seeds * N * T)
        y = _sampled(theta, rng.random((seeds, N, T)))
        right, kept = _outcome(y, keys, band)
        ranked.append(_ranked(table.score(y), right) if spread else np.full((J, seeds), np.nan))
        old = table
        if wanted != "outcome" and taught[0] <= t < taught[1]:
            table = learner.update(table, y, 1 - right if inverted else right, kept)
        scored = table if order == "before" else old
        a = _advantages(wanted, rule, scored, y, right, kept)
        count = np.maximum(kept.sum(-1), 1)[..., None, None]
        theta = theta + rate * pull(theta, y, a) / count
        success.append(success_chance(theta, keys))
    return np.array(success), np.array(ranked)


def _sampled(theta: np.ndarray, u: np.ndarray) -> np.ndarray:
    """(J, S, N, T) tokens drawn by uniform numbers (S, N, T)."""
    upto = softmax(theta, axis=-1).cumsum(-1)[..., None, :, :]
    return (u[..., None] > upto[..., :-1]).sum(-1)


def _outcome(y: np.ndarray, keys: np.ndarray, band: Sequence[float]) -> tuple[np.ndarray, ...]:
    """(J, S, N) whether each response is right, and whether its prompt is kept."""
    J, S, N, _ = y.shape
    wide = np.broadcast_to(keys[..., None, :], (J, S, N, keys.shape[-1]))
    right = (np.take_along_axis(y, wide, -1) == 0).all(-1) * 1.0
    share = right.reshape(J, S, -1, K).mean(-1)
    return right, np.repeat((share >= band[0]) & (share <= band[1]), K, axis=-1) * 1.0


def _advantages(method: str, rule: Estimator, table: ImplicitTable, y: np.ndarray,
                right: np.ndarray, kept: np.ndarray) -> np.ndarray:  # fmt: skip
    """(J, S, N, T) of the method, by the estimator."""
    J, S, N, _ = y.shape
    groups = (J, S, N // K, K)
    own = right.reshape(groups)
    parts: dict[str, np.ndarray] = {"outcome": own}
    mask = np.ones((*groups, T))
    if method != "outcome":
        dense = table.rewards(y).reshape(mask.shape)
        parts["implicit"] = dense
        if method == "total":
            parts["implicit"] = batch_normed(dense, mask, kept.reshape(groups)).sum(-1)
    r = Rollouts(own, np.full(groups, float(T)), float(T), mask=mask)
    return np.asarray(rule.apply(parts, r)[0]).reshape(y.shape)


def _ranked(score: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(J, S) share of pairs of right and wrong with the right one above; ties count half."""
    from scipy.stats import rankdata

    n, m = right.sum(-1), (1 - right).sum(-1)
    above = (rankdata(score, axis=-1) * right).sum(-1) - n * (n + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / (n * m)


def _offline(table: ImplicitTable, learner: OnlineImplicit, keys: np.ndarray, u: np.ndarray,
             band: Sequence[float]) -> ImplicitTable:  # fmt: skip
    """The table after steps on fresh rollouts of the uniform policy; u (S, steps, N, T)."""
    uniform = np.zeros((*keys.shape[:2], T, V))
    for i in range(u.shape[1]):
        spend(UPDATE + TOKEN * uniform.shape[0] * u[:, i].size)
        y = _sampled(uniform, u[:, i])
        table = learner.update(table, y, *_outcome(y, keys, band))
    return table
