"""Rewards on tabular processes: equivalent copies, and what is lost by trusting one for another."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.experiments.core.work import spend
from toyrl.theory.distance.regret import worst_case_regret
from toyrl.worlds.mdp.batched import batched_value_iteration
from toyrl.worlds.mdp.model import MDP

Array = Any
PROGRAMME = 30_000
"""Units of a worst-case regret on a process of about a hundred pairs: about 3 ms."""


def shaping(mdp: MDP, phi: Array, *, discount: float | None = None) -> np.ndarray:
    """(S, A, S) discount Phi(s') - Phi(s) of a potential (S,); discount None: the process's own."""
    g = mdp.discount if discount is None else discount
    return g * phi - phi[:, None, None] + np.zeros(mdp.dense.shape)


def redistribution(mdp: MDP, noise: Array) -> np.ndarray:
    """(S, A, S) noise of this shape less its mean under P: no pair's expected reward changes."""
    return noise - (noise * mdp.dense).sum(-1, keepdims=True)


def swapped_regrets(mdp: MDP, reward: Array, others: Array) -> np.ndarray:
    """(T,) mean share of the range of J lost by taking one reward's optimal policy under another.

    reward : (S, A, S); others : (T, S, A, S). The loss of either under the other, averaged; the
    process is dense, without terminal states.
    """
    P, g, start = mdp.dense, mdp.discount, mdp.start
    r = np.einsum("sat,bsat->bsa", P, np.concatenate([reward[None], others]))
    best = batched_value_iteration(P, np.concatenate([r, -r]), g)
    spend(float(best.iterations.sum()) * P.size * 0.1)
    high, low = best.value[: len(r)] @ start, -best.value[len(r) :] @ start
    actions, states = best.actions[: len(r)], np.arange(len(start))
    systems = np.eye(len(start)) - g * P[states, actions]

    def returns(paid: Array, policy: Array) -> np.ndarray:
        own = np.take_along_axis(paid, actions[policy][..., None], -1)[..., 0]
        return np.linalg.solve(systems[policy], own[..., None])[..., 0] @ start

    scale = np.where(high > low, high - low, 1.0)
    every = np.arange(1, len(r))
    theirs = (high[0] - returns(np.repeat(r[:1], len(every), 0), every)) / scale[0]
    mine = (high[1:] - returns(r[1:], np.zeros_like(every))) / scale[1:]
    return (theirs + mine) / 2


def worst_case(mdp: MDP, first: Array, second: Array, method: str = "auto") -> float:
    """`worst_case_regret`, its work counted."""
    spend(PROGRAMME)
    return worst_case_regret(mdp, first, second, method=method).regret
