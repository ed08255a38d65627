"""Rows of the state, (D+1) * LANES numbers of one phase and error bit, and arrays of them.

x is right so far, y has the error bit. A transition coefficient is a row too; what moves on stands
where it arrives. Rows begin at multiples of 64 bytes: a vector that lies in two cache lines takes
twice as long.
"""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import compiled

# Of x: stays, errs, arrives one progress up, arrives there with an error, ends thinking, answers.
STAY_X, ERR, ARRIVE_X, ARRIVE_ERR, END_X, RIGHT_X, WRONG_X = range(7)
# Of y: stays, is repaired, arrives one progress up, ends thinking, answers.
STAY_Y, REPAIR, ARRIVE_Y, END_Y, RIGHT_Y, WRONG_Y = range(7, 13)
COEFFICIENTS = 13


@compiled
def rows(n, size):
    """(n, size) zeros whose rows begin at multiples of 64 bytes; size : a multiple of 8."""
    room = np.zeros(n * size + 8)
    start = (-room.ctypes.data // 8) % 8
    return room[start : start + n * size].reshape(n, size)


@compiled
def gradients(phases, size):
    """An array (phases, size) for each coefficient: its derivatives, where its mass leaves.

    One array each, for a compiled loop that adds to several rows of one can't tell them apart.
    """
    return (
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
        rows(phases, size),
    )
