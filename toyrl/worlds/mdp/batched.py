"""Optimal values of many small dense processes at once, over leading axes.

Each process is solved on its own, while it lies in the cache, by modified policy iteration with the
span rule of `toyrl.worlds.mdp.control`: a process that has converged costs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

__all__ = ["BatchOptimum", "batched_value_iteration"]

STEPS = 8  # of the greedy policy between Bellman steps: small processes mix fast
FAST = {"reassoc", "contract", "nsz"}


@dataclass(frozen=True, eq=False)
class BatchOptimum:
    """Optimal values of a batch.

    value : (..., S)
    actions : (..., S) an optimal action of each state
    error : (...) bound on the error of the values, rounding aside
    iterations : (...) Bellman steps
    """

    value: np.ndarray
    actions: np.ndarray
    error: np.ndarray
    iterations: np.ndarray


def batched_value_iteration(
    transitions: np.ndarray,
    reward: np.ndarray,
    discount: Any,
    *,
    available: np.ndarray | None = None,
    tolerance: float = 1e-9,
    limit: int = 100_000,
) -> BatchOptimum:
    """Optimal values of dense processes; leading axes broadcast against each other.

    transitions : (..., S, A, S), rows sum to 1, a terminal state being a self-loop that pays 0
    reward : (..., S, A) expected reward of each pair
    discount : (...) or a number, in [0, 1)
    available : (..., S, A) bool, None for all
    tolerance : error allowed, in units of the largest value possible, max |r| / (1 - discount)

    Raises ValueError for shapes that don't fit, rows that are no laws, a discount outside [0, 1) or
    a state without actions; RuntimeError where `limit` Bellman steps are not enough.
    """
    P, r = np.asarray(transitions, dtype=np.float64), np.asarray(reward, dtype=np.float64)
    if P.ndim < 3 or P.shape[-3] != P.shape[-1] or r.shape[-2:] != P.shape[-3:-1]:
        msg = f"transitions {P.shape} and reward {r.shape} must be (..., S, A, S) and (..., S, A)"
        raise ValueError(msg)
    S, A = P.shape[-3:-1]
    g = np.asarray(discount, dtype=np.float64)
    ok = np.ones((S, A), dtype=bool) if available is None else np.asarray(available, dtype=bool)
    _check(P, r, g, ok)
    lead = np.broadcast_shapes(P.shape[:-3], r.shape[:-2], g.shape, ok.shape[:-2])
    P = np.broadcast_to(P, (*lead, S, A, S)).reshape(-1, S, A, S)
    r = np.broadcast_to(r, (*lead, S, A)).reshape(-1, S, A)
    ok = np.broadcast_to(ok, (*lead, S, A)).reshape(-1, S, A)
    g = np.broadcast_to(g, lead).reshape(-1)
    value, actions, error, steps = _solve(
        np.ascontiguousarray(P),
        np.ascontiguousarray(r),
        np.ascontiguousarray(g),
        np.ascontiguousarray(ok),
        tolerance,
        limit,
    )
    if (steps > limit).any():
        b = int((steps > limit).argmax())
        msg = f"process {b} has an error bound of {error[b]:.3g} after limit={limit} steps"
        raise RuntimeError(msg)
    return BatchOptimum(
        value.reshape(*lead, S), actions.reshape(*lead, S), error.reshape(lead), steps.reshape(lead)
    )


def _check(P: np.ndarray, r: np.ndarray, g: np.ndarray, ok: np.ndarray) -> None:
    if not ((g >= 0) & (g < 1)).all():
        msg = f"discount={g} must lie in [0, 1)"
        raise ValueError(msg)
    if ok.shape[-2:] != r.shape[-2:] or not ok.any(-1).all():
        msg = f"available has shape {ok.shape}; it must be (..., S, A) with an action in each state"
        raise ValueError(msg)
    bad = ok & ~((P >= 0).all(-1) & (abs(P.sum(-1) - 1) <= 1e-9))
    if bad.any():
        place = [int(i) for i in np.argwhere(bad)[0]]
        msg = f"transitions{place} is no law: non-negative numbers that sum to 1; normalise the row"
        raise ValueError(msg)
    if not np.isfinite(r).all():
        msg = f"reward{[int(i) for i in np.argwhere(~np.isfinite(r))[0]]} is not finite"
        raise ValueError(msg)


@numba.njit(cache=True, fastmath=FAST)
def _solve(P, r, g, ok, tolerance, limit):  # pragma: no cover (compiled)
    """(B, S) values and actions, (B,) bounds and steps."""
    B, S, A, _ = P.shape
    value = np.zeros((B, S))
    actions = np.zeros((B, S), np.int64)
    error = np.zeros(B)
    steps = np.zeros(B, np.int64)
    after = np.empty(S)
    for b in range(B):
        v = value[b]
        size = 0.0
        for s in range(S):
            for a in range(A):
                if ok[b, s, a]:
                    size = max(size, abs(r[b, s, a]))
        scale = g[b] / (1 - g[b])
        goal = tolerance * size / (1 - g[b])
        for step in range(1, limit + 2):
            steps[b] = step
            low, high = 1e308, -1e308
            for s in range(S):
                best = -1e308
                for a in range(A):
                    if ok[b, s, a]:
                        q = 0.0
                        for t in range(S):
                            q += P[b, s, a, t] * v[t]
                        q = r[b, s, a] + g[b] * q
                        if q > best:
                            best = q
                            actions[b, s] = a
                after[s] = best
                low = min(low, best - v[s])
                high = max(high, best - v[s])
            error[b] = scale * (high - low) / 2
            if error[b] <= goal:
                for s in range(S):
                    v[s] = after[s] + scale * (high + low) / 2
                break
            for s in range(S):
                v[s] = after[s]
            for _ in range(STEPS):
                for s in range(S):
                    q = 0.0
                    for t in range(S):
                        q += P[b, s, actions[b, s], t] * v[t]
                    after[s] = r[b, s, actions[b, s]] + g[b] * q
                for s in range(S):
                    v[s] = after[s]
    return value, actions, error, steps
