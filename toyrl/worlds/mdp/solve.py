"""Values, advantages, occupancies and returns of a policy, exactly.

V = r_pi + discount P_pi V, Q = r + discount P V, A = Q - V; the occupancy of a pair is
d(s, a) = sum over t of discount^t P(s_t = s, a_t = a), so that a policy's return is <d, r>
(Puterman 1994, sections 6.1 and 6.9). Terminal states have value 0 and are not counted as visited.

`reward` is one reward in the place of the process's own, in any of its forms; `rewards` is a batch
(..., S, A) of expected rewards of pairs, which costs one factorisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.mdp.linear import TOLERANCE, is_swept, policy_system
from toyrl.worlds.mdp.model import MDP, policy_matrix
from toyrl.worlds.mdp.rewards import paid_by_pairs

__all__ = [
    "Evaluation",
    "advantage",
    "evaluate",
    "occupancy",
    "policy_return",
    "q_from_value",
    "q_values",
    "value",
    "visits",
]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values of a policy and how they were found.

    value : (..., S)
    method : "sweep", "dense", "lu", "krylov", or "krylov (gmres)", "krylov (lu)" for a fallback
    residual : largest |r_pi + discount P_pi V - V|; V errs by at most residual / (1 - discount),
        at discount 1 by at most residual times the expected number of steps
    iterations : products with the matrix (Krylov), else 1
    """

    value: np.ndarray
    method: str
    residual: float
    iterations: int


def evaluate(
    mdp: MDP,
    policy: Any = None,
    reward: Any = None,
    *,
    rewards: Any = None,
    method: str = "auto",
    tolerance: float = TOLERANCE,
) -> Evaluation:
    """The value of a policy, with method, residual and iterations.

    policy : (S, A) probabilities, (S,) actions, or None for uniform
    reward : None for the process's own, else (S,), (S, A), (S, A, S) or sparse (S*A, S)
    rewards : (..., S, A), a batch in the place of one reward
    method, tolerance : as `policy_system` takes them

    Raises ValueError for a policy that is none, a reward of another shape, an unknown method.
    """
    if rewards is None and is_swept(mdp, method):
        return _swept(mdp, policy, paid_by_pairs(mdp, reward))
    system = policy_system(mdp, policy, method=method, tolerance=tolerance)
    paid = np.einsum("sa,...sa->...s", system.policy, paid_by_pairs(mdp, reward, rewards))
    right = np.ascontiguousarray(paid.reshape(-1, mdp.n_states).T)
    found = system.solve(right).T.reshape(paid.shape)
    found[..., mdp.is_terminal] = 0.0
    told = system.told
    return Evaluation(found, told["method"], told["residual"], told["iterations"])


def _swept(mdp: MDP, policy: Any, paid: np.ndarray) -> Evaluation:
    """One pass over the pairs of an ordered graph, whose matrix is never built."""
    from toyrl.worlds.mdp import kernels
    from toyrl.worlds.mdp.structure import structure

    P, paid = mdp.pairs, np.ascontiguousarray(paid)
    graph = structure(mdp).order, P.indptr, P.indices, P.data, mdp.discount, paid
    if policy is None:
        v, residual = kernels.backward_uniform(*graph, mdp.usable)
    else:
        v, residual = kernels.backward_policy(*graph, policy_matrix(mdp, policy))
    return Evaluation(v, "sweep", float(residual), 1)


def value(
    mdp: MDP, policy: Any = None, reward: Any = None, *, rewards: Any = None, method: str = "auto"
) -> np.ndarray:
    """(..., S) expected discounted reward to come, by state; arguments as for `evaluate`."""
    return evaluate(mdp, policy, reward, rewards=rewards, method=method).value


def q_from_value(
    mdp: MDP, state_value: np.ndarray, reward: Any = None, *, rewards: Any = None
) -> np.ndarray:
    """(..., S, A) r + discount P V for values (..., S); 0 where an action can't be taken."""
    S, A = mdp.n_states, mdp.n_actions
    flat = np.asarray(state_value, dtype=np.float64).reshape(-1, S)
    P = mdp.transitions if mdp.is_sparse else mdp.transitions.reshape(S * A, S)
    after = np.asarray(P @ flat.T).T.reshape(*np.shape(state_value)[:-1], S, A)
    return np.where(mdp.usable, paid_by_pairs(mdp, reward, rewards) + mdp.discount * after, 0.0)


def q_values(
    mdp: MDP, policy: Any = None, reward: Any = None, *, rewards: Any = None, method: str = "auto"
) -> np.ndarray:
    """(..., S, A) value of taking an action, then following the policy; as for `evaluate`."""
    v = value(mdp, policy, reward, rewards=rewards, method=method)
    return q_from_value(mdp, v, reward, rewards=rewards)


def advantage(
    mdp: MDP, policy: Any = None, reward: Any = None, *, rewards: Any = None, method: str = "auto"
) -> np.ndarray:
    """(..., S, A) Q - V, 0 where an action can't be taken; arguments as for `evaluate`."""
    v = value(mdp, policy, reward, rewards=rewards, method=method)
    q = q_from_value(mdp, v, reward, rewards=rewards)
    return np.where(mdp.usable, q - v[..., None], 0.0)


def visits(
    mdp: MDP, policy: Any = None, *, normalised: bool = False, method: str = "auto"
) -> np.ndarray:
    """(S,) expected discounted number of visits to each state, sum of discount^t P(s_t = s).

    normalised : divide by the total, which without terminal states is 1 / (1 - discount)

    Raises ValueError for normalising where every start is terminal, and as `evaluate` does.
    """
    system = policy_system(mdp, policy, method=method)
    out = system.solve(mdp.start[:, None].copy(), transpose=True)[:, 0]
    out[mdp.is_terminal] = 0.0
    if not normalised:
        return out
    total = out.sum()
    if not total > 0:
        msg = "no state is visited before the end: every start is terminal, so nothing to normalise"
        raise ValueError(msg)
    return out / total


def occupancy(
    mdp: MDP, policy: Any = None, *, normalised: bool = False, method: str = "auto"
) -> np.ndarray:
    """(S, A) expected discounted number of times each pair is taken; sums over a to `visits`.

    Raises ValueError as `visits` does.
    """
    system = policy_system(mdp, policy, method=method)
    return visits(mdp, system.policy, normalised=normalised, method=method)[:, None] * system.policy


def policy_return(
    mdp: MDP, policy: Any = None, reward: Any = None, *, rewards: Any = None, method: str = "auto"
) -> np.ndarray:
    """(...) expected discounted return from the start, a scalar array for a single reward.

    One solve for any number of rewards, as <occupancy, reward>; arguments as for `evaluate`.
    """
    taken = occupancy(mdp, policy, method=method)
    return np.asarray(np.einsum("sa,...sa->...", taken, paid_by_pairs(mdp, reward, rewards)))
