"""Slow definitions that the solvers are held against."""

from __future__ import annotations

import itertools

import numpy as np

from toyrl.worlds.mdp.model import MDP, policy_matrix


def by_summing(mdp: MDP, policy: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Value (S,) and occupancy (S, A) as sums over the first `steps` steps of the tensor."""
    pi = policy_matrix(mdp, policy)
    P, r, live = mdp.dense, mdp.pair_reward, ~mdp.is_terminal
    here = np.eye(mdp.n_states) * live  # row s: the law of the state after t steps from s
    value, occupancy = np.zeros(mdp.n_states), np.zeros(pi.shape)
    weight = 1.0
    for _ in range(steps):
        value += weight * here @ (pi * r).sum(-1)
        occupancy += weight * (mdp.start @ here)[:, None] * pi
        here = np.einsum("xs,sa,sat->xt", here, pi, P) * live
        weight *= mdp.discount
    return value, occupancy


def by_simulating(mdp: MDP, policy: np.ndarray, rng: np.random.Generator, n: int, steps: int):
    """(n,) discounted returns of n rollouts of at most `steps` steps, drawn step by step."""
    pi, P = policy_matrix(mdp, policy), mdp.dense
    R = mdp.reward
    if not isinstance(R, np.ndarray):
        R = R.toarray().reshape(P.shape)
    R = np.broadcast_to(R.reshape(R.shape + (1,) * (3 - R.ndim)), P.shape)
    state = rng.choice(mdp.n_states, size=n, p=mdp.start)
    total, weight, alive = np.zeros(n), 1.0, ~mdp.is_terminal[state]
    for _ in range(steps):
        if not alive.any():
            break
        action = drawn(rng, pi[state])
        after = drawn(rng, P[state, action])
        total += np.where(alive, weight * R[state, action, after], 0.0)
        state = np.where(alive, after, state)
        alive = alive & ~mdp.is_terminal[state]
        weight *= mdp.discount
    return total


def drawn(rng: np.random.Generator, law: np.ndarray) -> np.ndarray:
    """(n,) one draw from each row of law (n, K)."""
    reached = law.cumsum(-1)
    return (
        (rng.random(len(law))[:, None] * np.maximum(reached[:, -1:], 1e-300) >= reached)
        .sum(-1)
        .clip(max=law.shape[-1] - 1)
    )


def deterministic(mdp: MDP):
    """Every deterministic policy, (S,) actions."""
    choices = [np.flatnonzero(u) if u.any() else [0] for u in mdp.usable]
    for actions in itertools.product(*choices):
        yield np.array(actions)
