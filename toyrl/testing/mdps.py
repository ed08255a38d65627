"""Hypothesis strategies for tabular processes: fast, ugly on purpose, shrinking to the smallest.

One draw of bytes is a whole process. Its layout does not depend on the sizes drawn: a smaller
process is a corner of the larger one, so that lowering a size keeps the rest in place, and each
byte shrinks by itself towards 0: one state, one action, self-loops, no reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from toyrl.worlds.mdp.model import MDP

__all__ = ["mdps", "policies"]

FORMS = ("sa", "s", "sas")  # the simplest for most laws first: shrinking goes there
WEIGHTS = 4  # a row's weights are 0..3: zeros and ties are common
GRID = 8  # rewards are multiples of 1/8, exact in binary
HEADER = 5  # bytes for sizes and switches
# A byte as a reward: 0, 1/8, -1/8, 2/8, ..., so that small bytes are small rewards.
_n = np.arange(256) % (4 * GRID + 1)
PAID = (_n + 1) // 2 * np.where(_n % 2, 1, -1) / GRID


def mdps(
    *,
    states: tuple[int, int] = (1, 4),
    actions: tuple[int, int] = (1, 3),
    discounts: Sequence[float] = (0.5, 0.9, 0.0),
    ends: Sequence[str] = ("never", "may", "surely"),
    rewards: Sequence[str] = FORMS,
    masked: bool = False,
    sparse: bool = False,
) -> st.SearchStrategy[MDP]:
    """Processes with cycles, ties, unreachable states and equal rewards among them.

    states, actions : smallest and largest S and A
    discounts : below 1, the simplest first
    ends : "never" has no terminal state; in "may" the last state is terminal; in "surely" every
        action may enter it too, and the discount is 1. One state alone is never terminal
    rewards : forms, of "s" (S,), "sa" (S, A), "sas" (S, A, S); numbers on a grid of 1/8 in [-2, 2]
    masked : some actions can't be taken
    sparse : transitions (and rewards by transition) as CSR of pairs

    Raises ValueError for an unknown form or end, or sizes below 1.
    """
    if states[0] < 1 or actions[0] < 1 or states[0] > states[1] or actions[0] > actions[1]:
        msg = f"states={states} and actions={actions} are (smallest, largest), at least 1"
        raise ValueError(msg)
    wrong = [x for x in rewards if x not in FORMS]
    wrong += [x for x in ends if x not in ("never", "may", "surely")]
    if wrong:
        msg = f"{wrong} unknown; rewards are of {FORMS}, ends of ('never', 'may', 'surely')"
        raise ValueError(msg)
    S, A = states[1], actions[1]
    size = HEADER + 2 * S * A * S + S + S * A
    choices = (states, actions, tuple(discounts), tuple(ends), tuple(rewards), masked, sparse)
    return st.binary(min_size=size, max_size=size).map(lambda flat: _read(flat, *choices))


def policies(mdp: MDP) -> st.SearchStrategy[np.ndarray]:
    """Policies (S, A) of a process, deterministic ones and zeros among them."""
    S, A = mdp.n_states, mdp.n_actions
    first = mdp.usable & (mdp.usable.cumsum(-1) == 1)

    def read(flat: bytes) -> np.ndarray:
        weight = np.frombuffer(flat, dtype=np.uint8).reshape(S, A) % WEIGHTS * mdp.usable
        weight = np.where(weight.any(-1, keepdims=True), weight, first)
        return weight / np.maximum(1, weight.sum(-1, keepdims=True))

    return st.binary(min_size=S * A, max_size=S * A).map(read)


def _read(
    flat: bytes,
    states: tuple[int, int],
    actions: tuple[int, int],
    discounts: Sequence[float],
    ends: Sequence[str],
    rewards: Sequence[str],
    masked: bool,
    sparse: bool,
) -> MDP:
    most, many = states[1], actions[1]
    S = states[0] + flat[0] % (states[1] - states[0] + 1)
    A = actions[0] + flat[1] % (actions[1] - actions[0] + 1)
    discount, form = discounts[flat[2] % len(discounts)], rewards[flat[4] % len(rewards)]
    end = ends[flat[3] % len(ends)] if S > 1 else "never"
    # Read backwards: shrinking sorts zeros to the front, and so moves what matters to low indices.
    # Actions vary fastest: neighbours are swapped most easily, so that fewer actions are needed.
    numbers = np.frombuffer(flat, dtype=np.uint8)[: HEADER - 1 : -1]
    block, cube = most * many * most, (most, most, many)
    corner = (slice(S), slice(S), slice(A))
    paid = PAID[numbers[:block].reshape(cube)[corner].transpose(0, 2, 1)]
    weight = numbers[block : 2 * block].reshape(cube)[corner].transpose(0, 2, 1) % WEIGHTS
    weight = weight.astype(float)
    start = (numbers[2 * block : 2 * block + S] % WEIGHTS).astype(float)
    terminal = None
    if end != "never":
        terminal = np.arange(S) == S - 1
        paid[-1] = 0.0
        start[-1] = 0.0
    if end == "surely":
        discount = 1.0
        weight[..., -1] += 1.0
    mass = weight.sum(-1)
    idle = mass == 0
    if idle.any():
        s, a = idle.nonzero()
        weight[s, a, s] = 1.0
        mass[idle] = 1.0
    if terminal is not None:
        weight[-1] = 0.0
        weight[-1, :, -1] = mass[-1] = 1.0
    if not start.any():
        start[0] = 1.0
    available = None
    if masked:
        # byte 0 leaves an action in place, and the first is always left
        available = numbers[2 * block + most :].reshape(most, many)[:S, :A] % 2 == 0
        available[:, 0] |= ~available.any(-1)
        weight[~available] = 0.0
    moves: Any = weight / mass[..., None]
    reward: Any = paid[:, 0, 0] if form == "s" else paid[..., 0] if form == "sa" else paid
    if sparse:
        from scipy.sparse import csr_array

        if form == "sas":
            reward = csr_array((paid * (moves > 0)).reshape(S * A, S))
        moves = csr_array(moves.reshape(S * A, S))
    return MDP.trusted(moves, reward, discount, start / start.sum(), available, terminal)
