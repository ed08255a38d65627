"""Optimal control: the best policy of a process, its value, and which actions tie.

sweep                    the graph is ordered: one backward pass, exact
policy_iteration         Howard's, each policy evaluated exactly: small processes, and discount 1
modified_policy_iteration  up to 20 steps of the greedy policy between Bellman steps, stopped when
                         the span of the last change bounds the error (Puterman and Shin 1978;
                         Puterman 1994, Theorem 6.6.6 and section 8.5 for the span rule)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.mdp.linear import SMALL
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.rewards import expected_reward
from toyrl.worlds.mdp.solve import evaluate, q_from_value
from toyrl.worlds.mdp.structure import steps_to_end, structure

__all__ = ["CONTROL_METHODS", "Optimum", "optimal"]

CONTROL_METHODS = ("auto", "sweep", "policy_iteration", "modified_policy_iteration")
FEW = 500  # states of a sparse process below which policy iteration is cheap
STEPS = 20  # of the greedy policy between Bellman steps, at most
EASE = 0.03  # fewer, once the span of their changes is this share of the Bellman step's


@dataclass(frozen=True, eq=False)
class Optimum:
    """The optimal value and what attains it.

    value : (S,) optimal values
    q : (S, A) values of an action followed by an optimal policy; 0 where it can't be taken
    ties : (S, A) bool, the optimal actions, equal up to the error bound
    actions : (S,) the first of them in each state, 0 in terminal ones. At discount 1 those of the
        policy that policy iteration ended with: others that tie may take very long to end
    method : one of `CONTROL_METHODS` but "auto"
    residual : largest |max_a q - value|
    error : bound on the error of `value`, rounding included (at discount 1 an estimate, from the
        residual and the steps that the policy found takes)
    iterations : Bellman steps
    """

    value: np.ndarray
    q: np.ndarray
    ties: np.ndarray
    actions: np.ndarray
    method: str
    residual: float
    error: float
    iterations: int

    @property
    def policy(self) -> np.ndarray:
        """(S, A) the first optimal action with probability 1."""
        chosen = np.zeros(self.q.shape)
        chosen[np.arange(len(self.actions)), self.actions] = 1.0
        return np.where(self.ties.any(-1, keepdims=True), chosen, 0.0)

    @property
    def mixed_policy(self) -> np.ndarray:
        """(S, A) every optimal action with the same probability."""
        ties = self.ties.astype(np.float64)
        return ties / np.maximum(1.0, ties.sum(-1, keepdims=True))


def optimal(
    mdp: MDP, reward: Any = None, *, method: str = "auto", tolerance: float = 1e-9
) -> Optimum:
    """Optimal value, action values and policy.

    reward : None for the process's own, else one, as `expected_reward` takes it
    method : one of `CONTROL_METHODS`
    tolerance : error allowed to modified policy iteration, in units of the largest value possible,
        max |r| / (1 - discount); the other methods are exact up to rounding

    Raises ValueError for an unknown method, a reward of another shape, "sweep" with cycles,
    discount 1 with policies that don't end, or modified policy iteration at discount 1;
    RuntimeError if it does not get there.
    """
    paid = expected_reward(mdp, reward)
    if method not in CONTROL_METHODS:
        msg = f"method={method!r} is unknown; choose from {', '.join(CONTROL_METHODS)}"
        raise ValueError(msg)
    if mdp.discount == 1 and mdp.improper:
        from toyrl.worlds.mdp.structure import endless

        if endless(mdp).any():
            msg = "at discount 1 optimal needs every policy to end; take a discount below 1"
            raise ValueError(msg)
    own = None
    chosen = _chosen(mdp) if method == "auto" else method
    if chosen == "sweep":
        v, steps, bound = _sweep(mdp, paid), 1, 0.0
    elif chosen == "policy_iteration":
        v, steps, own = _howard(mdp, paid)
        bound = 0.0
    else:
        v, steps, bound = _modified(mdp, paid, tolerance)
    return _optimum(mdp, paid, v, chosen, steps, bound, own)


def _chosen(mdp: MDP) -> str:
    small = mdp.n_states <= (FEW if mdp.is_sparse else SMALL)
    if (not small or mdp.is_sparse) and structure(mdp).order is not None:
        return "sweep"
    return "policy_iteration" if small or mdp.discount == 1 else "modified_policy_iteration"


def _optimum(
    mdp: MDP,
    paid: np.ndarray,
    v: np.ndarray,
    method: str,
    steps: int,
    bound: float,
    own: np.ndarray | None,
) -> Optimum:
    q = q_from_value(mdp, v, paid)
    best = np.where(mdp.usable, q, -np.inf).max(-1)
    best = np.where(np.isfinite(best), best, 0.0)
    residual = float(abs(best - v).max(initial=0.0))
    if mdp.discount < 1:
        horizon = 1 / (1 - mdp.discount)
    else:  # steps that the policy found takes
        actions = np.where(mdp.usable, q, -np.inf).argmax(-1)
        horizon = float(evaluate(mdp, actions, np.ones_like(q)).value.max(initial=1.0))
    rounding = 8 * np.finfo(float).eps * float(abs(q).max(initial=0.0))
    error = float(bound + (residual + rounding) * horizon)
    ties = mdp.usable & (q >= best[:, None] - 2 * error)
    actions = ties.argmax(-1)
    if own is not None and mdp.discount == 1:
        actions = np.where(mdp.is_terminal, 0, own)
    return Optimum(v, q, ties, actions, method, residual, error, steps)


def _sweep(mdp: MDP, paid: np.ndarray) -> np.ndarray:
    from toyrl.worlds.mdp import kernels

    order = structure(mdp).order
    if order is None:
        msg = "method='sweep' needs a graph without cycles (self-loops aside); use 'auto'"
        raise ValueError(msg)
    P = mdp.pairs
    return kernels.backward_optimum(
        order, P.indptr, P.indices, P.data, mdp.discount, np.ascontiguousarray(paid), mdp.usable
    )


def _howard(mdp: MDP, paid: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Value, steps and actions by policy iteration; changes only for a gain above rounding."""
    states = np.arange(mdp.n_states)
    live = ~mdp.is_terminal
    first = paid
    if mdp.discount == 1:
        # a policy that dawdles may be endless in floating point: start with the hastiest
        first = -q_from_value(mdp, steps_to_end(mdp), np.zeros_like(paid))
    actions = np.where(mdp.usable, first, -np.inf).argmax(-1)
    for step in range(1, 10_000):
        found = evaluate(mdp, actions, paid, tolerance=1e-13 if mdp.n_states > SMALL else 1e-10)
        q = np.where(mdp.usable, q_from_value(mdp, found.value, paid), -np.inf)
        better = q.argmax(-1)
        gain = np.where(live, q[states, better], 0.0) - np.where(live, q[states, actions], 0.0)
        rounding = 64 * np.finfo(float).eps * (1 + abs(found.value).max(initial=0.0))
        change = gain > rounding + 2 * found.residual
        if not change.any():
            return found.value, step, actions
        actions = np.where(change, better, actions)
    msg = "policy iteration did not end in 10,000 steps; use method='modified_policy_iteration'"
    raise RuntimeError(msg)


def _modified(mdp: MDP, paid: np.ndarray, tolerance: float) -> tuple[np.ndarray, int, float]:
    """Modified policy iteration from 0; bounds hold for any starting point of a Bellman step."""
    discount = mdp.discount
    if discount == 1:
        msg = "modified policy iteration has no stopping rule at discount 1; use 'policy_iteration'"
        raise ValueError(msg)
    from toyrl.worlds.mdp import kernels

    P, usable = mdp.pairs, mdp.usable
    paid = np.ascontiguousarray(paid)
    v, after = np.zeros(mdp.n_states), np.empty(mdp.n_states)
    actions = np.zeros(mdp.n_states, dtype=np.int64)
    allowed = tolerance * float(abs(paid).max(initial=0.0)) / (1 - discount)
    limit = 100 + int(4 * np.log(1e-3 * tolerance) / np.log(max(discount, 1e-3)))
    low = high = 0.0
    for step in range(1, limit):
        low, high = kernels.greedy(
            P.indptr, P.indices, P.data, discount, paid, usable, v, after, actions
        )
        # V* - T v lies between these (Puterman 1994, Prop. 6.6.2): take the middle
        enough = EASE * (high - low)
        low, high = discount / (1 - discount) * low, discount / (1 - discount) * high
        if (high - low) / 2 <= allowed:
            middle = after + (high + low) / 2
            middle[mdp.is_terminal] = 0.0
            return middle, step, (high - low) / 2
        v = kernels.follow(
            P.indptr, P.indices, P.data, discount, paid, usable, actions, after, STEPS, enough
        )
    msg = f"modified policy iteration: error bound {(high - low) / 2:.3g} after {limit} steps"
    raise RuntimeError(msg)
