"""Canonical forms by their definitions (loops, least squares on every basis vector), and cases."""

from __future__ import annotations

import itertools

import numpy as np

from toyrl.worlds.mdp.model import MDP


def random_case(seed: int, S: int = 4, A: int = 3, discount: float = 0.8):
    """A process and two rewards by transition."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(S, 0.7), size=(S, A))
    mdp = MDP(P, rng.normal(size=(S, A, S)), discount)
    return mdp, rng.normal(size=(S, A, S)), rng.normal(size=(S, A, S)), rng


def epic(P, R, g):
    """Gleave et al. 2021, definition 4.1, under uniform laws."""
    S, A, _ = P.shape

    def mean(s):
        return sum(R[s, a, t] for a in range(A) for t in range(S)) / (A * S)

    base = sum(mean(s) for s in range(S)) / S
    out = np.zeros_like(R)
    for s, a, t in np.ndindex(R.shape):
        out[s, a, t] = R[s, a, t] + g * mean(t) - mean(s) - g * base
    return out


def dard(P, R, g):
    """Wulfe et al. 2022, equation 5, one action law for all, as a sum over four indices."""
    S, A, _ = P.shape
    out = R.copy()
    for s, a, t in np.ndindex(R.shape):
        for u, x, y in itertools.product(range(A), range(S), range(S)):
            out[s, a, t] += P[s, u, x] * P[t, u, y] / A * (g * R[t, u, y] - R[s, u, x])
            out[s, a, t] -= P[s, u, x] * P[t, u, y] / A * g * R[x, u, y]
    return out


def shaping_basis(P, g, *, redistribute):
    """(n, S*A*S) directions that a canonical form may add, a row each."""
    S, A, _ = P.shape
    rows = []
    for x in range(S):
        F = np.zeros(P.shape)
        F[:, :, x] += g
        F[x] -= 1
        rows.append(F.ravel())
    if redistribute:
        for s, a in np.ndindex(S, A):
            null = np.linalg.svd(P[s, a][None])[2][1:]  # orthogonal to P(. | s, a)
            for v in null:
                F = np.zeros(P.shape)
                F[s, a] = v
                rows.append(F.ravel())
    return np.array(rows)


def least(P, R, g, *, redistribute, weight=None):
    """R plus the directions that make its (weighted) 2-norm least."""
    B = shaping_basis(P, g, redistribute=redistribute).T
    w = np.ones(R.size) if weight is None else np.sqrt(weight).ravel()
    x = np.linalg.lstsq(w[:, None] * B, -w * R.ravel(), rcond=None)[0]
    return R + (B @ x).reshape(R.shape)


def val(P, R, g, steps=4000):
    """Advantage of the uniform policy, its value by iteration."""
    S, A, _ = P.shape
    r = np.array([[sum(P[s, a] * R[s, a]) for a in range(A)] for s in range(S)])
    v = np.zeros(S)
    for _ in range(steps):
        v = (r + g * P @ v).mean(1)
    return r + g * P @ v - v[:, None]


def equivalent(mdp, R, rng, scale=2.5):
    """A positive multiple, a potential and a redistribution over next states."""
    S, A = mdp.n_states, mdp.n_actions
    phi = np.where(mdp.is_terminal, 0.0, rng.normal(size=S))
    N = rng.normal(size=(S, A, S))
    N -= np.where(mdp.usable, (N * mdp.dense).sum(-1), 0.0)[..., None]
    return scale * (R + mdp.discount * phi - phi[:, None, None] + N)


def bandit(prompts, answers):
    """One step: a prompt a state, then the end."""
    P = np.zeros((prompts + 1, answers, prompts + 1))
    P[..., -1] = 1
    return MDP(P, np.zeros(prompts + 1), 0.9, terminal=np.arange(prompts + 1) == prompts)


def paid(rewards):
    """(prompts + 1, answers), nothing at the end."""
    return np.concatenate([rewards, 0 * rewards[:1]])
