"""Optimal control with an entropy bonus or a KL penalty: soft values and the soft-optimal policy.

V(s) = lam log sum over a of ref(a|s) exp(Q(s, a) / lam), Q = r + discount P V, and the policy is
ref exp((Q - V) / lam). With ref = 1 (no reference) lam weighs the entropy, else -KL(pi || ref).

Found by soft policy iteration, which is Newton's method on this equation: each policy is evaluated
exactly, by the solver that the structure of the graph allows, and the values rise to the optimum,
quadratically at the end (Haarnoja et al. 2018, Theorem 1; Geist, Scherrer and Pietquin 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.mdp.model import MDP, policy_matrix
from toyrl.worlds.mdp.rewards import expected_reward
from toyrl.worlds.mdp.solve import evaluate, q_from_value

__all__ = ["SoftOptimum", "soft_optimal", "soft_policy"]


@dataclass(frozen=True, eq=False)
class SoftOptimum:
    """The soft optimum.

    value : (S,) soft values; q : (S, A), 0 where an action can't be taken
    policy : (S, A), rows of terminal states 0
    residual : largest |V(s) - lam log sum exp(Q / lam)| left; the values err by at most
        residual / (1 - discount)
    iterations : policies evaluated
    """

    value: np.ndarray
    q: np.ndarray
    policy: np.ndarray
    residual: float
    iterations: int


def soft_policy(
    mdp: MDP, q: np.ndarray, temperature: float, log_ref: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Policy (..., S, A) and soft value (..., S) of values of actions q (..., S, A).

    log_ref : (S, A) log-probabilities of a reference, -inf where it never goes; None: none
    """
    z = np.asarray(q) / temperature + (0.0 if log_ref is None else log_ref)
    z = np.where(mdp.usable, z, -np.inf)
    top = z.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    weight = np.exp(z - top)
    total = weight.sum(-1, keepdims=True)
    policy = weight / np.where(total > 0, total, 1.0)
    value = temperature * (top + np.log(np.where(total > 0, total, 1.0)))[..., 0]
    return policy, np.where(mdp.is_terminal, 0.0, value)


def soft_optimal(
    mdp: MDP,
    temperature: float,
    reward: Any = None,
    *,
    reference: Any = None,
    tolerance: float = 1e-12,
    limit: int = 200,
) -> SoftOptimum:
    """Soft values, action values and policy at a temperature lam.

    temperature : lam > 0, in reward units: the weight of the entropy, or of the KL to `reference`
    reward : None for the process's own, else one, as `expected_reward` takes it
    reference : (S, A) probabilities or (S,) actions; None: an entropy bonus
    tolerance : of the residual, in units of the largest reward or value

    Raises ValueError for a temperature that is not a finite number above 0, or a reward of another
    shape; RuntimeError, with the residual, where `limit` policies are not enough.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        msg = f"temperature={temperature} must be a finite number > 0; for 0 use control.optimal"
        raise ValueError(msg)
    paid = expected_reward(mdp, reward)
    log_ref = None
    if reference is not None:
        with np.errstate(divide="ignore"):
            log_ref = np.log(policy_matrix(mdp, reference))
    policy, _ = soft_policy(mdp, paid, temperature, log_ref)
    gap, v, q = np.inf, np.zeros(mdp.n_states), paid
    for step in range(1, limit + 1):
        bonus = temperature * _entropy(policy, log_ref)
        v = evaluate(mdp, policy, paid + bonus[:, None], tolerance=1e-13).value
        q = q_from_value(mdp, v, paid)
        policy, best = soft_policy(mdp, q, temperature, log_ref)
        gap = float(abs(best - v).max(initial=0.0))
        scale = max(float(abs(paid).max(initial=0.0)), float(abs(v).max(initial=0.0)), temperature)
        if gap <= tolerance * scale:
            return SoftOptimum(v, q, policy, gap, step)
    msg = (
        f"soft policy iteration: residual {gap:.3g} after {limit} policies; raise limit or "
        "tolerance, or take a temperature that is not so far below the rewards"
    )
    raise RuntimeError(msg)


def _entropy(policy: np.ndarray, log_ref: np.ndarray | None) -> np.ndarray:
    """(S,) entropy, or -KL to the reference, of each state's law; 0 log 0 = 0."""
    safe = np.where(policy > 0, policy, 1.0)
    own = np.log(safe) - (0.0 if log_ref is None else np.where(policy > 0, log_ref, 0.0))
    return -(policy * own).sum(-1)
