"""Tabular Markov decision processes: transitions, reward, discount, start, terminal states.

Shapes: S states, A actions. Transitions are dense (S, A, S) or sparse: one SciPy CSR array of
state-action pairs (S*A, S), row s*A + a. A reward is paid when an action is taken: by state (S,),
by pair (S, A), or by transition, (S, A, S) or sparse (S*A, S), where an absent entry pays 0.

An episode ends on entering a terminal state: its value is 0, it is not counted as visited, and
what entering it pays stands in a reward by transition or by the pair that leads there. Rows of
terminal states are self-loops or empty. An absorbing state that is not declared terminal is a
state like any other.

`toyrl.worlds.mdp.solve` evaluates policies, `toyrl.worlds.mdp.control` finds optimal ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from toyrl.pytree import register
from toyrl.worlds.mdp.laws import broken_laws, remarks
from toyrl.worlds.mdp.rewards import as_pairs, read

__all__ = [
    "MDP",
    "policy_matrix",
    "uniform_policy",
]


@register
@dataclass(frozen=True, eq=False)
class MDP:
    """A finite Markov decision process (host object: NumPy or SciPy arrays, kept, not copied).

    transitions : P(next | state, action), (S, A, S) array; or sparse, (S*A, S) with row s*A + a,
        or a list of A sparse (S, S) matrices, one an action
    reward : (S,), (S, A), (S, A, S), or sparse (S*A, S) or a list as for transitions
    discount : in [0, 1]; 1 needs terminal states that every policy reaches from every state
    start : (S,) law of the first state; None: uniform over the states that are not terminal
    available : (S, A) bool, the actions that can be taken; None: all. Rows of the others are
        emptied, and their rewards are never read
    terminal : (S,) bool, or None for none
    improper : say True to allow discount 1 where only some policies end, at least one from each
        state; evaluating a policy that doesn't end is then refused

    Raises ValueError that lists every broken law with its places, a line each.
    """

    transitions: Any
    reward: Any
    discount: float
    start: Any = None
    available: Any = None
    terminal: Any = None
    improper: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "transitions", as_pairs(self.transitions))
        put(self, "reward", as_pairs(self.reward))
        put(self, "discount", float(self.discount))
        for name in ("available", "terminal"):
            if getattr(self, name) is not None:
                put(self, name, np.asarray(getattr(self, name), dtype=bool))
        start = self.start
        if start is None and self._n_rows:
            start = np.ones(self.n_states)
            if self.terminal is not None and self.terminal.shape == start.shape:
                start[self.terminal] = 0.0
            start /= max(1.0, start.sum())
        put(self, "start", np.asarray(0.0 if start is None else start, dtype=np.float64))
        problems = broken_laws(self)
        if problems:
            raise ValueError(_message(problems))
        put(self, "transitions", _emptied(self))

    @classmethod
    def trusted(
        cls,
        transitions: Any,
        reward: Any,
        discount: float,
        start: np.ndarray,
        available: np.ndarray | None = None,
        terminal: np.ndarray | None = None,
        *,
        improper: bool = False,
    ) -> MDP:
        """A process without any check, for builders that satisfy the laws by construction.

        Fields as they are kept: float64 arrays (S, A, S) or canonical CSR (S*A, S), rows of actions
        that can't be taken empty, start (S,); a test of the builder calls `validate`.
        """
        out = object.__new__(cls)
        given = (transitions, reward, discount, start, available, terminal, improper)
        out.__dict__.update(zip(_FIELDS, given, strict=True))
        return out

    # -- sizes ----------------------------------------------------------------------------------
    @property
    def _n_rows(self) -> int:
        return self.transitions.shape[0] if getattr(self.transitions, "ndim", 0) else 0

    @property
    def is_sparse(self) -> bool:
        """Whether transitions are a sparse array of pairs."""
        return not isinstance(self.transitions, np.ndarray)

    @property
    def n_states(self) -> int:
        """S."""
        return int(self.transitions.shape[-1])

    @property
    def n_actions(self) -> int:
        """A."""
        if self.is_sparse:
            return int(self.transitions.shape[0] // max(1, self.n_states))
        return int(self.transitions.shape[1])

    # -- views ----------------------------------------------------------------------------------
    @cached_property
    def is_terminal(self) -> np.ndarray:
        """(S,) bool, all False where none is declared."""
        return np.zeros(self.n_states, dtype=bool) if self.terminal is None else self.terminal

    @cached_property
    def usable(self) -> np.ndarray:
        """(S, A) bool: the actions that can be taken; none in a terminal state."""
        if self.available is None:
            return np.repeat(~self.is_terminal[:, None], self.n_actions, axis=1)
        return self.available & ~self.is_terminal[:, None]

    @cached_property
    def pairs(self) -> Any:
        """(S*A, S) CSR of transitions, row s*A + a, made of a dense tensor when first asked for."""
        if self.is_sparse:
            return self.transitions
        from scipy.sparse import csr_array

        return csr_array(self.transitions.reshape(-1, self.n_states))

    @cached_property
    def dense(self) -> np.ndarray:
        """(S, A, S) transitions as a tensor."""
        if not self.is_sparse:
            return self.transitions
        return self.transitions.toarray().reshape(self.n_states, self.n_actions, self.n_states)

    @cached_property
    def pair_reward(self) -> np.ndarray:
        """(S, A) expected reward of each pair, 0 where no action can be taken."""
        return read(self, self.reward)

    @cached_property
    def reachable(self) -> np.ndarray:
        """(S,) bool: states that some policy reaches from the start."""
        from toyrl.worlds.mdp.structure import reachable

        return reachable(self)

    # -- copies ---------------------------------------------------------------------------------
    def with_(self, **changes: Any) -> MDP:
        """A copy with some fields replaced; all laws are checked again."""
        return replace(self, **changes)

    def continued(self) -> MDP:
        """The same process with its terminal states as ordinary absorbing ones that pay nothing.

        Occupancies then have the mass 1 / (1 - discount), as papers on infinite horizons count.

        Raises ValueError at discount 1.
        """
        if self.terminal is None:
            return self
        ends = np.flatnonzero(self.terminal)
        rows = (ends[:, None] * self.n_actions + np.arange(self.n_actions)).ravel()
        if self.is_sparse:
            from scipy.sparse import coo_array

            loops = coo_array(
                (np.ones(rows.size), (rows, np.repeat(ends, self.n_actions))),
                shape=self.transitions.shape,
            )
            keep = np.repeat(~self.is_terminal, self.n_actions).astype(float)
            moves = (self.transitions.multiply(keep[:, None]) + loops).tocsr()
        else:
            moves = self.transitions.copy()
            moves[ends] = 0.0
            moves[ends, :, ends] = 1.0
        available = None if self.available is None else self.available | self.terminal[:, None]
        return self.with_(transitions=moves, terminal=None, available=available)

    def validate(self, *, every_state_reachable: bool = False) -> tuple[str, ...]:
        """Check every law again; returns what is allowed but worth knowing, a sentence each.

        every_state_reachable : refuse states that no policy reaches from the start

        Raises ValueError that lists every broken law with its places.
        """
        problems = broken_laws(self)
        if not problems:
            said = remarks(self)
            if not every_state_reachable:
                return tuple(x for kind in said.values() for x in kind)
            problems = list(said["unreachable"])
        if problems:
            raise ValueError(_message(problems))
        return tuple(remarks(self)["absorbing"])


_FIELDS = tuple(f.name for f in fields(MDP))


def uniform_policy(mdp: MDP) -> np.ndarray:
    """(S, A) every action that can be taken with the same probability; 0 in terminal states."""
    usable = mdp.usable.astype(np.float64)
    return usable / np.maximum(1.0, usable.sum(-1, keepdims=True))


def policy_matrix(mdp: MDP, policy: Any = None) -> np.ndarray:
    """A policy as probabilities (S, A), rows of terminal states 0.

    policy : (S, A) probabilities, (S,) whole numbers (an action a state), or None for uniform

    Raises ValueError with the states whose row is no law, or takes an action that can't be taken.
    """
    if policy is None:
        return uniform_policy(mdp)
    given = np.asarray(policy)
    S, A = mdp.n_states, mdp.n_actions
    if given.shape == (S,) and given.dtype.kind in "iu":
        wrong = ((given < 0) | (given >= A)) & ~mdp.is_terminal
        if wrong.any():
            s = int(np.flatnonzero(wrong)[0])
            msg = f"policy[{s}] = {given[s]} is no action; actions are 0..{A - 1}"
            raise ValueError(msg)
        given = (given[:, None] == np.arange(A)).astype(np.float64)
    if given.shape != (S, A):
        msg = f"policy has shape {given.shape}; give ({S}, {A}) probabilities or ({S},) actions"
        raise ValueError(msg)
    given = np.where(mdp.is_terminal[:, None], 0.0, given.astype(np.float64))
    mass = np.where(mdp.is_terminal, 1.0, given.sum(-1))
    bad = ~((given >= 0).all(-1) & (abs(mass - 1) <= 1e-9))
    if bad.any():
        s = int(np.flatnonzero(bad)[0])
        msg = f"policy[{s}] = {given[s]} must be non-negative and sum to 1; normalise the row"
        raise ValueError(msg)
    barred = (given > 0) & ~mdp.usable
    if barred.any():
        s, a = np.argwhere(barred)[0]
        msg = f"policy[{s}, {a}] = {given[s, a]:g}, but action {a} can't be taken in state {s}"
        raise ValueError(msg)
    return given


# -- reading --------------------------------------------------------------------------------------
def _emptied(mdp: MDP) -> Any:
    """Transitions without the rows of actions that can't be taken."""
    barred = None if mdp.available is None else ~(mdp.available | mdp.is_terminal[:, None])
    if barred is None or not barred.any():
        return mdp.transitions
    if not mdp.is_sparse:
        if not mdp.transitions[barred].any():
            return mdp.transitions
        return np.where(barred[..., None], 0.0, mdp.transitions)
    counts = np.diff(mdp.transitions.indptr)
    if not counts[barred.ravel()].any():
        return mdp.transitions
    from scipy.sparse import csr_array

    keep = np.repeat(~barred.ravel(), counts)
    ends = np.concatenate([[0], np.cumsum(np.where(barred.ravel(), 0, counts))])
    data, indices = mdp.transitions.data[keep], mdp.transitions.indices[keep]
    return csr_array((data, indices, ends), shape=mdp.transitions.shape)


def _message(problems: Sequence[str]) -> str:
    n = len(problems)
    return f"MDP: {n} law{'s' * (n > 1)} broken\n" + "\n".join(f"  - {x}" for x in problems)
