"""Rewards in their forms: by state, pair or transition, dense, sparse, or in batches.

What counts for policies is the expected reward of each pair, r(s, a) = sum over s' of P R.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

__all__ = [
    "as_pairs",
    "expected_reward",
    "expected_rewards",
    "paid_by_pairs",
    "read",
    "split",
    "tabulated",
]


def expected_reward(mdp: MDP, reward: Any = None) -> np.ndarray:
    """(S, A) expected reward of each pair, 0 where no action can be taken.

    reward : None for the process's own; else one reward, (S,), (S, A), (S, A, S), sparse (S*A, S),
        or a function as `tabulated` takes it

    Raises ValueError for a reward of another shape, or one that is not finite where it is paid.
    """
    if reward is None:
        return mdp.pair_reward
    if callable(reward):
        reward = tabulated(mdp, reward)
    return _finite(mdp, read(mdp, as_pairs(reward)))


def expected_rewards(mdp: MDP, rewards: Any) -> np.ndarray:
    """(..., S, A) expected rewards of a batch of rewards by transition, (..., S, A, S).

    Raises ValueError for rewards of another shape, or not finite where they are paid.
    """
    given = np.asarray(rewards, dtype=np.float64)
    S, A = mdp.n_states, mdp.n_actions
    if given.shape[-3:] != (S, A, S):
        msg = f"rewards has shape {given.shape}; by transition they are (..., {S}, {A}, {S})"
        raise ValueError(msg)
    return _finite(mdp, _by_transition(mdp, given))


def paid_by_pairs(mdp: MDP, reward: Any = None, rewards: Any = None) -> np.ndarray:
    """(..., S, A) what one reward or a batch pays each pair, 0 where no action can be taken.

    reward : as `expected_reward` takes it; rewards : (..., S, A), leading axes a batch

    Raises ValueError for both, another shape, or numbers that are not finite where they are paid.
    """
    if rewards is None:
        return expected_reward(mdp, reward)
    given = np.asarray(rewards, dtype=np.float64)
    if reward is not None:
        msg = "give one reward, or a batch of rewards, not both"
        raise ValueError(msg)
    if given.shape[-2:] != (mdp.n_states, mdp.n_actions):
        msg = (
            f"rewards has shape {given.shape}; a batch is (..., {mdp.n_states}, {mdp.n_actions}), "
            "and expected_rewards makes one of rewards by transition"
        )
        raise ValueError(msg)
    return _finite(mdp, given)


def split(mdp: MDP, reward: Any = None) -> tuple[Any, Any]:
    """A reward as (by transition or None, by pair (S, A) or None), one of them None.

    By transition it is dense for dense transitions and CSR (S*A, S) for sparse ones. Nothing is
    masked: what can't happen is read as it stands. JAX and torch arrays are kept, dense only.

    Raises ValueError for another shape, a number that is not finite, sparse transitions with an
    array of another library.
    """
    given = mdp.reward if reward is None else reward
    if callable(given):
        given = tabulated(mdp, given)
    own = hasattr(given, "__array_namespace__") and not isinstance(given, np.ndarray)
    if not own:
        given = as_pairs(given)
    elif mdp.is_sparse:
        msg = f"a {type(given).__name__} needs dense transitions; make the reward a NumPy array"
        raise ValueError(msg)
    S, A = mdp.n_states, mdp.n_actions
    if given.shape not in ((S,), (S, A), (S, A, S), (S * A, S)) or (
        given.shape == (S * A, S) and isinstance(given, np.ndarray) and given.shape != (S, A)
    ):
        msg = (
            f"reward has shape {given.shape}; one reward is ({S},), ({S}, {A}), ({S}, {A}, {S}) or "
            f"sparse ({S * A}, {S})"
        )
        raise ValueError(msg)
    if not own:
        _all_finite(given)
    if isinstance(given, np.ndarray) or own:
        if given.ndim == 1:
            return None, given[:, None] + np.zeros(A)
        if given.ndim == 2:
            return None, given
        if not mdp.is_sparse:
            return given, None
        from scipy.sparse import csr_array

        return csr_array(given.reshape(S * A, S)), None
    return (given, None) if mdp.is_sparse else (given.toarray().reshape(S, A, S), None)


def _all_finite(given: Any) -> None:
    data = given if isinstance(given, np.ndarray) else given.data
    if np.isfinite(data.sum()) or np.isfinite(data).all():
        return
    place = [int(i) for i in np.argwhere(~np.isfinite(data))[0]]
    where = f"reward{place}" if isinstance(given, np.ndarray) else "an entry of the sparse reward"
    msg = f"{where} is not finite; give finite rewards"
    raise ValueError(msg)


def tabulated(mdp: MDP, function: Callable[..., Any]) -> Any:
    """The table of a function of (state), (state, action) or (state, action, next state).

    It is called with whole numbers, once for each that can occur; how many of these it takes is
    read off its signature. The answer is (S,), (S, A), or by transition: (S, A, S) where the
    process is dense, else sparse (S*A, S).

    Raises ValueError for another number of arguments, an answer that is no finite number, and,
    with the place, where the function raises.
    """
    S, A = mdp.n_states, mdp.n_actions
    name, count = getattr(function, "__name__", type(function).__name__), _arity(function)
    if count not in (1, 2, 3):
        msg = (
            f"{name} takes {count} arguments; a reward of a process takes the state, the state and "
            "the action, or these and the next state"
        )
        raise ValueError(msg)

    def at(*where: int) -> float:
        try:
            value = float(function(*where))
        except Exception as error:
            msg = f"{name}{where} raised {type(error).__name__}: {error}"
            raise ValueError(msg) from error
        if not np.isfinite(value):
            msg = f"{name}{where} is {value}; give a finite number"
            raise ValueError(msg)
        return value

    if count == 1:
        return np.array([0.0 if end else at(s) for s, end in enumerate(mdp.is_terminal)])
    if count == 2:
        out = np.zeros((S, A))
        for s, a in np.argwhere(mdp.usable).tolist():
            out[s, a] = at(s, a)
        return out
    from scipy.sparse import csr_array

    P = mdp.pairs
    row = np.repeat(np.arange(S * A), np.diff(P.indptr))
    places = zip(mdp.usable.ravel()[row].tolist(), row.tolist(), P.indices.tolist(), strict=True)
    paid = [at(i // A, i % A, t) if live else 0.0 for live, i, t in places]
    made = csr_array((np.array(paid), P.indices.copy(), P.indptr.copy()), shape=P.shape)
    return made if mdp.is_sparse else made.toarray().reshape(S, A, S)


def _arity(function: Callable[..., Any]) -> int:
    """Arguments that must be given; 3 where the signature can't be read."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 3
    placed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is p.empty and p.kind in placed for p in parameters)


# -- reading --------------------------------------------------------------------------------------
def as_pairs(given: Any) -> Any:
    """A list of matrices by action, or one sparse matrix, as CSR of pairs (S*A, S); else float64.

    Raises ValueError for matrices of different shapes.
    """
    one = given
    if isinstance(given, Sequence) and given and hasattr(given[0], "tocsr"):
        from scipy.sparse import vstack

        S, A = given[0].shape[0], len(given)
        if all(m.shape == (S, S) for m in given):
            order = np.arange(S * A).reshape(A, S).T.ravel()
            stacked: Any = vstack([m.tocsr() for m in given], format="csr")
            one = stacked[order]
        else:
            shapes = [m.shape for m in given]
            msg = f"MDP: matrices by action have shapes {shapes}; all must be the same (S, S)"
            raise ValueError(msg)
    if hasattr(one, "tocsr"):
        from scipy.sparse import csr_array

        out = csr_array(one, dtype=np.float64)
        if not out.has_canonical_format or (out.data == 0).any():
            out = out.copy()  # it shares its arrays with the given one
            out.sum_duplicates()
            out.eliminate_zeros()
        return out
    return np.asarray(given, dtype=np.float64)


def read(mdp: MDP, reward: Any) -> np.ndarray:
    """(S, A) one reward of any form, as `as_pairs` gives it; 0 where no action can be taken.

    Raises ValueError for a reward of another shape.
    """
    return _masked(mdp, _read(mdp, reward))


def _read(mdp: MDP, reward: Any) -> np.ndarray:
    S, A, P = mdp.n_states, mdp.n_actions, mdp.transitions
    if not isinstance(reward, np.ndarray) and reward.shape == (S * A, S):
        paid = reward.multiply(P if mdp.is_sparse else P.reshape(-1, S))
        return np.asarray(paid.sum(axis=1)).reshape(S, A)
    if reward.shape == (S, A, S):
        return _by_transition(mdp, reward)
    if reward.shape == (S, A):
        return reward
    if reward.shape == (S,):
        return np.repeat(reward[:, None], A, axis=1)
    msg = (
        f"reward has shape {reward.shape}; one reward is ({S},), ({S}, {A}), ({S}, {A}, {S}) or "
        f"sparse ({S * A}, {S}), a batch is given as rewards=..."
    )
    raise ValueError(msg)


def _by_transition(mdp: MDP, reward: np.ndarray) -> np.ndarray:
    """(..., S, A) of rewards (..., S, A, S); with sparse transitions only their support is read."""
    P = mdp.transitions
    if not mdp.is_sparse:
        return np.einsum("sat,...sat->...sa", P, reward)
    *lead, S, A, _ = reward.shape
    rows = np.repeat(np.arange(S * A), np.diff(P.indptr))
    paid = reward.reshape(-1, S * A, S)[:, rows, P.indices] * P.data
    out = [np.bincount(rows, x, minlength=S * A) for x in paid]
    return np.array(out).reshape(*lead, S, A)


def _finite(mdp: MDP, paid: np.ndarray) -> np.ndarray:
    out = _masked(mdp, paid)
    if not np.isfinite(out).all():
        *_, s, a = np.argwhere(~np.isfinite(out))[0]
        msg = f"the reward of state {s}, action {a} is not finite; give finite rewards"
        raise ValueError(msg)
    return out


def _masked(mdp: MDP, pair_reward: np.ndarray) -> np.ndarray:
    return np.where(mdp.usable, pair_reward, 0.0)
