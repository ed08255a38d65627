"""Optimal policies near a base policy: the best return at each KL from it, exactly.

On an acyclic process with discount 1 the policy that maximises E[return] - KL(pi || base) / eta,
KL over whole episodes, is base(a|s) exp(eta Q(s, a)) / Z(s) with the soft value V = ln Z / eta,
backward from the ends; the base itself at eta = 0. Walking eta from 0 up gives, for each distance
from the base, the most that a reward can be raised there, and what any other reward does meanwhile.

Source: the soft Bellman equation of a KL penalty (Todorov 2006; Ziebart et al. 2008);
docs/exploits.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.worlds.mdp.model import MDP


@dataclass(frozen=True)
class Near:
    """The path of optimal policies, one for each of N inverse temperatures.

    eta : (N,) ascending; kl : (N,) nats an episode; gained : (N,) expected return
    policy : (N, S, A); taken : (N, S, A) expected visits of each pair
    """

    eta: np.ndarray
    kl: np.ndarray
    gained: np.ndarray
    policy: np.ndarray
    taken: np.ndarray

    def expected(self, reward: np.ndarray) -> np.ndarray:
        """(N,) expected return of another reward (S, A) along the path."""
        return (self.taken * reward).sum((-2, -1))


def near_path(
    mdp: MDP, base: np.ndarray, reward: np.ndarray, layer: np.ndarray, eta: Sequence[float]
) -> Near:
    """Optimal policies for a reward at each inverse temperature.

    base : (S, A) policy, 0 where an action can't be taken; reward : (S, A)
    layer : (S,) whole numbers that rise with every move; -1 for terminal states
    eta : (N,) inverse temperatures, >= 0

    Raises ValueError for a discount other than 1, for an eta below 0 and for layers that a move
    doesn't raise.
    """
    times = np.asarray(eta, dtype=np.float64)
    if mdp.discount != 1.0 or (times < 0).any():
        msg = f"discount={mdp.discount}, eta={times.min():g}: they must be 1 and >= 0"
        raise ValueError(msg)
    S, A, N = mdp.n_states, mdp.n_actions, len(times)
    pairs = mdp.pairs.tocsr() if hasattr(mdp.pairs, "tocsr") else mdp.pairs
    order = [np.flatnonzero(layer == t) for t in range(int(layer.max()) + 1)]
    _check(pairs, layer, A)
    policy, value = np.zeros((N, S, A)), np.zeros((S, N))
    moves = [pairs[(states[:, None] * A + np.arange(A)).ravel()] for states in order]
    for states, onward in zip(reversed(order), reversed(moves), strict=True):
        q = reward[states][..., None] + (onward @ value).reshape(len(states), A, N)
        policy[:, states], value[states] = _soft(base[states], q, times)
    taken, reached = np.zeros((N, S, A)), np.tile(mdp.start, (N, 1))
    for states, onward in zip(order, moves, strict=True):
        taken[:, states] = reached[:, states, None] * policy[:, states]
        reached += (onward.T @ taken[:, states].reshape(N, -1).T).T
    ratio = np.where(policy > 0, policy / np.where(base > 0, base, 1.0), 1.0)
    kl = (taken * np.log(ratio)).sum((-2, -1))
    return Near(times, np.maximum(kl, 0.0), (taken * reward).sum((-2, -1)), policy, taken)


def _check(pairs: object, layer: np.ndarray, actions: int) -> None:
    """ValueError for a move that doesn't raise the layer."""
    found = pairs.tocoo()  # type: ignore[attr-defined]
    moved = (found.data > 0) & (layer[found.coords[0] // actions] >= 0)
    before, after = layer[found.coords[0] // actions], layer[found.coords[1]]
    if (moved & (after >= 0) & (after <= before)).any():
        msg = "layer must rise with every move; number the states by step"
        raise ValueError(msg)


def _soft(base: np.ndarray, q: np.ndarray, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, s, A) policies and (s, N) soft values of states with a base policy (s, A)."""
    can = base[..., None] > 0
    top = np.where(can, q, -np.inf).max(1, keepdims=True)
    weight = base[..., None] * np.exp(np.where(can, eta * (q - top), 0.0))
    total = weight.sum(1, keepdims=True)
    policy = weight / total
    soft = np.log(total[:, 0]) / np.where(eta > 0, eta, 1.0) + top[:, 0]
    plain = (base[..., None] * q).sum(1)
    return policy.transpose(2, 0, 1), np.where(eta > 0, soft, plain)
