"""Steps of a tabular process, drawn: what learners that look at one step at a time learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.stats import picked
from toyrl.worlds.mdp.model import MDP, policy_matrix

__all__ = ["Steps", "random_steps"]


@dataclass(frozen=True, eq=False)
class Steps:
    """N steps, in the order in which they are learned from; all arrays are (N,).

    state, action, next_state : whole numbers
    reward : what the step paid
    ended : bool, the next state is terminal
    next_action : whole numbers, the action taken next (SARSA), drawn from the policy
    """

    state: np.ndarray
    action: np.ndarray
    next_state: np.ndarray
    reward: np.ndarray
    ended: np.ndarray
    next_action: np.ndarray

    def __len__(self) -> int:
        return len(self.state)


def random_steps(
    mdp: MDP, rng: np.random.Generator, n: int, *, policy: Any = None, reward: Any = None
) -> Steps:
    """n steps, each from a state and an action drawn anew: any state that is not terminal.

    policy : of the action, (S, A) probabilities or (S,) actions, None: uniform; it also draws the
        next action
    reward : (S, A) expected rewards of pairs or sparse (S*A, S) by transition, None: the process's

    Raises ValueError for n below 1, and for a policy that is none.
    """
    if n < 1:
        msg = f"n={n} must be at least 1"
        raise ValueError(msg)
    pi, A = policy_matrix(mdp, policy), mdp.n_actions
    state = rng.choice(np.flatnonzero(~mdp.is_terminal), size=n)
    action = picked(pi[state], rng.random(n))
    P, row = mdp.pairs, state * A + action
    upto = np.concatenate([[0.0], np.cumsum(P.data)])
    first, last = P.indptr[row], P.indptr[row + 1]
    # the place in the row where its running sum passes a uniform number
    mark = upto[first] + rng.random(n) * (upto[last] - upto[first])
    place = np.clip(np.searchsorted(upto, mark, side="right") - 1, first, last - 1)
    after = P.indices[place]
    paid = _paid(mdp, mdp.reward if reward is None else reward, state, action, after)
    ended = mdp.is_terminal[after]
    onward = picked(np.where(ended[:, None], 1 / A, pi[after]), rng.random(n))
    return Steps(state, action, after.astype(np.int64), paid, ended, onward)


def _paid(mdp: MDP, reward: Any, s: np.ndarray, a: np.ndarray, t: np.ndarray) -> np.ndarray:
    if not isinstance(reward, np.ndarray):
        return np.asarray(reward.tocsr()[s * mdp.n_actions + a, t], dtype=float).ravel()
    return reward[(s, a, t)[: reward.ndim]].astype(float)
