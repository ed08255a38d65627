"""Tabular Q-learning and SARSA, one step after another (compiled).

Q(s, a) moves by rate (r + discount max_a' Q(s', a') - Q(s, a)); SARSA takes the value of the
action that was drawn next. A terminal state is worth 0.

Source: Watkins and Dayan 1992; Rummery and Niranjan 1994.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from toyrl.dynamics.tabular.experience import Steps
from toyrl.worlds.mdp.model import MDP

__all__ = ["RULES", "learn", "learn_rows"]

RULES = ("q_learning", "sarsa")


def learn(
    mdp: MDP,
    steps: Steps,
    *,
    rate: Any,
    start: Any = 0.0,
    rule: str = "q_learning",
    every: int | None = None,
) -> np.ndarray:
    """(S, A) table after the steps, or (K, S, A), one after every so many of them.

    mdp : gives the discount and the actions that can be taken
    rate : in [0, 1], a scalar or (N,), one a step
    start : (S, A) table at the beginning, or a scalar
    rule : one of `RULES`
    every : None for the last table alone; else the table after each `every` steps

    Raises ValueError for an unknown rule, a rate outside [0, 1], a start that isn't finite or has
    another shape, `every` below 1, or states and actions that the process lacks.
    """
    S, A = mdp.n_states, mdp.n_actions
    if rule not in RULES:
        msg = f"rule={rule!r} is unknown; choose from {', '.join(RULES)}"
        raise ValueError(msg)
    if every is not None and every < 1:
        msg = f"every={every} must be at least 1, or None for the last table"
        raise ValueError(msg)
    table = np.array(np.broadcast_to(np.asarray(start, dtype=np.float64), (S, A)))
    rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), (len(steps),))
    if not np.isfinite(table).all():
        msg = "start must be finite: a learner cannot leave NaN or infinity"
        raise ValueError(msg)
    if not ((rates >= 0) & (rates <= 1)).all():
        msg = f"rate={rate} must lie in [0, 1]"
        raise ValueError(msg)
    row = steps.state * A + steps.action
    known = (steps.state >= 0) & (steps.state < S) & (steps.action >= 0) & (steps.action < A)
    known &= (steps.next_state >= 0) & (steps.next_state < S)
    if not known.all():
        i = int(np.flatnonzero(~known)[0])
        msg = f"step {i} has a state or action that the process lacks: {S} states, {A} actions"
        raise ValueError(msg)
    usable = np.ascontiguousarray(mdp.usable)
    span, found = every or len(steps), []
    for first in range(0, len(steps), span):
        part = slice(first, first + span)
        _walk(
            table,
            row[part],
            steps.next_state[part],
            np.asarray(steps.reward[part], dtype=np.float64),
            np.asarray(steps.ended[part]),
            steps.next_action[part],
            np.ascontiguousarray(rates[part]),
            mdp.discount,
            usable,
            rule == "sarsa",
        )
        found.append(table.copy())
    return np.array(found) if every else table


def learn_rows(shape: tuple[int, int], steps: Steps, *, rate: Any, discount: float) -> np.ndarray:
    """(R, A) table of Q-learning from 0 on, for steps between rows of a table that is no process's
    own: what an agent remembers, say.

    shape : R, A; all actions can be taken everywhere
    rate : in [0, 1], a scalar or (N,); discount : in [0, 1]

    Raises ValueError for a rate or discount out of its range, and rows or actions out of the shape.
    """
    R, A = shape
    rates = np.broadcast_to(np.asarray(rate, dtype=np.float64), (len(steps),))
    if not (((rates >= 0) & (rates <= 1)).all() and 0 <= discount <= 1):
        msg = f"rate={rate} and discount={discount} must lie in [0, 1]"
        raise ValueError(msg)
    ends = ((steps.state, R), (steps.next_state, R), (steps.action, A))
    if not all(((x >= 0) & (x < n)).all() for x, n in ends):
        msg = f"steps have a row or action outside the table of {R} rows, {A} actions"
        raise ValueError(msg)
    table = np.zeros((R, A))
    _walk(table, steps.state * A + steps.action, steps.next_state,
          np.asarray(steps.reward, dtype=np.float64), np.asarray(steps.ended), steps.next_action,
          np.ascontiguousarray(rates), float(discount), np.ones((R, A), dtype=bool),
          False)  # fmt: skip
    return table


@numba.njit(cache=True)
def _walk(
    table, row, after, reward, ended, onward, rate, discount, usable, sarsa
):  # pragma: no cover (compiled)
    """Changes the table in place, step by step."""
    A = table.shape[1]
    for i in range(len(row)):
        s, a, t = row[i] // A, row[i] % A, after[i]
        ahead = 0.0
        if not ended[i]:
            if sarsa:
                ahead = table[t, onward[i]]
            else:
                ahead = -np.inf
                for b in range(A):
                    if usable[t, b] and table[t, b] > ahead:
                        ahead = table[t, b]
        table[s, a] += rate[i] * (reward[i] + discount * ahead - table[s, a])
