"""Softmax policies over a few arms: expected drift, training, fixed points.

Training on a list of rewards is `toyrl.dynamics.bandit`; the loops here are for what a list can't
say: groups with their own draws (a judge's noise, several steps) and updates given as a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.base import Estimator
from toyrl.experiments.core.work import COMPILED, UPDATE, spend
from toyrl.experiments.lab.groups import every_count
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group.variance import count_law
from toyrl.theory.policies import softmax

Array = Any


# -- expected updates ------------------------------------------------------------------------------
def arm_classes(policy: Array, success: Array, *, length: Array = 1.0, max_length: float = 1.0,
                step: float = 0.0, **fields: Array) -> Rollouts:  # fmt: skip
    """(1, 2K) class rollouts of one prompt: each of K arms right, then each wrong.

    policy, success : (K,) chance of the arm, and of being right with it
    length, fields : (K,) or a number; the same for right and wrong
    """
    policy, success = np.asarray(policy, dtype=float), np.asarray(success, dtype=float)

    def twice(x: Array) -> np.ndarray:
        return np.tile(np.broadcast_to(np.asarray(x, dtype=float), policy.shape), 2)[None]

    weight = np.concatenate([policy * success, policy * (1 - success)])[None]
    right = np.repeat([1.0, 0.0], len(policy))[None]
    read = {k: twice(v) for k, v in fields.items()}
    return Rollouts(right, twice(length), max_length, weight=weight, step=step,
                    group_size=np.inf, fields=read)  # fmt: skip


def arm_gradient(r: Rollouts, coefficient: Array) -> np.ndarray:
    """(K,) sum over the classes of `arm_classes` of chance, coefficient (1, 2K) and score."""
    chance = (r.w * coefficient)[0].reshape(2, -1).sum(0)
    policy = r.w[0].reshape(2, -1).sum(0)
    return chance - policy * chance.sum()


def drift(r: Rollouts, estimator: Estimator, shaper: Shaper | None = None, *,
          group_size: float = np.inf) -> np.ndarray:  # fmt: skip
    """(K,) expected update of the arms' logits, exactly, from the rollouts of `arm_classes`."""
    weights = class_weights(r, shaper or Outcome(), estimator, group_size=group_size).w
    spend(UPDATE)
    return arm_gradient(r, weights)


# -- training --------------------------------------------------------------------------------------
def follow(step: Callable[[np.ndarray, int], Array], start: Array, updates: int) -> np.ndarray:
    """(updates + 1, ...) states from `start` on; step(state, update) gives the next."""
    state = np.asarray(start, dtype=float)
    path = [state]
    for k in range(updates):
        state = np.asarray(step(state, k))
        path.append(state)
    spend(updates * (UPDATE + state.size))
    return np.array(path)


def ascend(change: Callable[[np.ndarray, int], Array], logits: Array, updates: int) -> np.ndarray:
    """(updates + 1, ..., K) policies; change(policy, update) is added to the logits (..., K)."""
    return softmax(follow(lambda z, k: z + change(softmax(z), k), logits, updates))


def climb(change: Callable[[np.ndarray, int], Array], logits: Array, updates: int) -> np.ndarray:
    """(updates + 1, ...) chances sigmoid(logit); change(chance, update) is added to the logits."""
    return sigmoid(follow(lambda z, k: z + change(sigmoid(z), k), logits, updates))


def train_two_arms(
    group: Callable[[np.ndarray, int], tuple[Array, Array]],
    start: Array,
    updates: int,
    *,
    rate: float,
) -> np.ndarray:
    """(updates + 1, ...) chance of the second arm, on-policy from logits `start` (..., ).

    group : (chance (..., 1), update) -> which members took the second arm (..., G), their
        advantages (..., G)
    """

    def change(second: np.ndarray, k: int) -> np.ndarray:
        arm, advantage = group(second[..., None], k)
        spend(UPDATE + np.size(arm))  # an estimator's array calls are as many again
        # Two logits, each moved by its own score: their difference moves twice.
        return 2 * rate * (advantage * (arm - second[..., None])).mean(-1)

    return climb(change, start, updates)


def expect_two_arms(credit: Array, share: Array, start: Array, updates: int, *, rate: float
                    ) -> np.ndarray:  # fmt: skip
    """(updates + 1, ...) chance of the second arm under expected updates of its one logit.

    credit : (..., C, G + 1, G) what the score of each member is multiplied by, in kind c of prompt,
        where the first 0, 1, ..., G members took the second arm; share : (..., C) of the kinds
    start : (...) logits
    """
    credit, size = np.asarray(credit, dtype=float), np.shape(credit)[-1]
    force, total = ((credit * arm).sum(-1) for arm in (every_count(size), 1.0))

    def change(p: np.ndarray, _: int) -> np.ndarray:
        law = np.asarray(share)[..., None] * count_law(p, size)[..., None, :]
        return rate * (law * (force - p[..., None, None] * total)).sum((-2, -1))

    return climb(change, start, updates)


def sigmoid(z: Array) -> np.ndarray:
    """1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-np.asarray(z)))


def train_expected(bandit: Any, logits: Array, recipe: Any, updates: int, **options: Any) -> Any:
    """`toyrl.dynamics.bandit.exact.train_expected`, its work counted."""
    from toyrl.dynamics.bandit import exact

    spend(updates * recipe.inner * bandit.reward.size)
    return exact.train_expected(bandit, logits, recipe, updates, **options)


def train_sampled(bandit: Any, logits: Array, recipe: Any, updates: int, *, runs: int = 1024,
                  **options: Any) -> Any:  # fmt: skip
    """`toyrl.dynamics.bandit.sampled.train_sampled`, its work counted."""
    from toyrl.dynamics.bandit import sampled

    spend(updates * recipe.inner * runs * recipe.groups * recipe.group_size * COMPILED)
    return sampled.train_sampled(bandit, logits, recipe, updates, runs=runs, **options)


# -- fixed points ----------------------------------------------------------------------------------
def flow_end(gradient: Callable[[np.ndarray], Array], logits: Array, horizon: float, *,
             rtol: float = 1e-8, atol: float = 1e-10) -> np.ndarray:  # fmt: skip
    """(K,) policy at the end of d logits / dt = gradient(logits), integrated (stiff)."""
    from scipy.integrate import solve_ivp

    found = solve_ivp(lambda _, z: gradient(z), (0, horizon), np.asarray(logits, dtype=float),
                      method="LSODA", rtol=rtol, atol=atol)  # fmt: skip
    spend(found.nfev * UPDATE)
    return softmax(found.y[:, -1])


def flow_path(gradient: Callable[[np.ndarray], Array], logits: Array, times: Array, *,
              rtol: float = 1e-10, atol: float = 1e-12) -> np.ndarray:  # fmt: skip
    """(T, K) logits at the times (T,), from 0 on, of the same equation.

    Raises RuntimeError if the solver gives up.
    """
    from scipy.integrate import solve_ivp

    found = solve_ivp(lambda _, z: gradient(z), (0.0, float(np.max(times))),
                      np.asarray(logits, dtype=float), method="LSODA",
                      t_eval=np.asarray(times, dtype=float), rtol=rtol, atol=atol)  # fmt: skip
    spend(found.nfev * UPDATE)
    if not found.success:
        msg = f"the flow could not be integrated: {found.message}"
        raise RuntimeError(msg)
    return found.y.T
