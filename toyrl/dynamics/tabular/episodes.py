"""Tabular Q-learning along its own episodes, with a potential seen through noise (compiled).

The learner acts epsilon-greedily (ties at random) from the start state on, until a terminal state
or the horizon. With a potential, each move is paid discount Phi(s') - Phi(s) on top; Phi of a state
is drawn anew at each visit, and the same draw is paid on the way in and out. Terminal states have
potential 0; being cut off by the horizon is no end.

Source: Watkins and Dayan 1992 (learning); Ng, Harada, Russell 1999 (potentials).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from toyrl.worlds.mdp.model import MDP

__all__ = ["learn_by_acting"]


def learn_by_acting(mdp: MDP, rng: np.random.Generator, episodes: int, *, horizon: int,
                    rate: float, epsilon: float, potential: Any = None
                    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """((S, A) table, (episodes,) bool whether each episode reached a terminal state in time).

    mdp : with rewards by state and action, (S, A); epsilon : chance of a random action
    potential : (S,) or draws (S, K), one of which is taken at each visit; None: 0

    Raises ValueError for numbers out of their ranges, other rewards, and actions that can't always
    be taken.
    """
    S = mdp.n_states
    if min(episodes, horizon) < 1 or not (0 <= rate <= 1 and 0 <= epsilon <= 1):
        msg = f"episodes={episodes}, horizon={horizon} must be 1 or more, rate={rate} and "
        raise ValueError(msg + f"epsilon={epsilon} lie in [0, 1]")
    if np.shape(mdp.reward) != (S, mdp.n_actions) or mdp.available is not None:
        msg = "the learner takes rewards by state and action, (S, A), and all actions everywhere"
        raise ValueError(msg)
    phi = np.zeros((S, 1)) if potential is None else np.array(potential, dtype=float)
    phi = np.ascontiguousarray(phi.reshape(S, -1))
    ends = np.ascontiguousarray(mdp.is_terminal)
    phi[ends] = 0.0
    return _act(np.ascontiguousarray(mdp.dense.cumsum(-1)), np.asarray(mdp.reward, dtype=float),
                mdp.start.cumsum(), ends, phi, mdp.discount, rng, episodes, horizon, rate,
                epsilon)  # fmt: skip


@numba.njit(cache=True)
def _draw(upto, rng):  # pragma: no cover (compiled)
    return min(np.searchsorted(upto, rng.random() * upto[-1], side="right"), len(upto) - 1)


@numba.njit(cache=True)
def _act(moves, reward, start, ends, phi, discount, rng, episodes, horizon, rate,
         epsilon):  # pragma: no cover (compiled)  # fmt: skip
    S, A = reward.shape
    K = phi.shape[1]
    table, reached = np.zeros((S, A)), np.zeros(episodes, dtype=np.bool_)
    for i in range(episodes):
        s = _draw(start, rng)
        before = phi[s, int(rng.random() * K)]
        for _ in range(horizon):
            a = int(rng.random() * A)
            if rng.random() >= epsilon:
                ties = 0
                for b in range(A):
                    if table[s, b] == table[s].max():
                        ties += 1
                        if rng.random() * ties < 1:
                            a = b
            t = _draw(moves[s, a], rng)
            now = phi[t, int(rng.random() * K)]
            ahead = 0.0 if ends[t] else discount * table[t].max()
            paid = reward[s, a] + discount * now - before
            table[s, a] += rate * (paid + ahead - table[s, a])
            s, before = t, now
            if ends[t]:
                reached[i] = True
                break
    return table, reached
