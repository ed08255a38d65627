"""Policies and their transitions: softmax, the coefficients of a state, and the adjoint."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import (
    ANSWER,
    CHECK,
    END_THINK,
    LANES,
    STEP,
    compiled,
)
from toyrl.dynamics.chain.kernel.rows import (
    ARRIVE_ERR,
    ARRIVE_X,
    ARRIVE_Y,
    END_X,
    END_Y,
    ERR,
    REPAIR,
    RIGHT_X,
    RIGHT_Y,
    STAY_X,
    STAY_Y,
    WRONG_X,
    WRONG_Y,
)


@compiled
def policy(theta, allowed, pi):
    """Masked softmax: theta, pi (rows, A, LANES); allowed (rows, A)."""
    rows, A = allowed.shape
    for s in range(rows):
        for lane in range(theta.shape[2]):
            top = -np.inf
            for a in range(A):
                if allowed[s, a] and theta[s, a, lane] > top:
                    top = theta[s, a, lane]
            total = 0.0
            for a in range(A):
                x = np.exp(theta[s, a, lane] - top) if allowed[s, a] else 0.0
                pi[s, a, lane] = x
                total += x
            for a in range(A):
                pi[s, a, lane] /= total


@compiled
def coefficients(pi, codes, q, slip, repair, guess, flag, difficulty, flags, co):
    """Transition coefficients co (phases, COEFFICIENTS, row + LANES) of one prompt type."""
    M = co.shape[2] // LANES - 1
    co[:] = 0.0
    for p in range(co.shape[0]):
        for m in range(M):
            at = m * LANES
            above = at + LANES
            low, high = (p * M + m, p * M + m) if flags == 1 else (2 * p * M + m, 2 * p * M + M + m)
            for a in range(codes.shape[0]):
                code = codes[a]
                for lane in range(LANES):
                    i, up = np.uintp(at + lane), np.uintp(above + lane)
                    one, other = pi[low, a, lane], pi[high, a, lane]
                    x = (1 - flag[0, m, lane]) * one + flag[0, m, lane] * other
                    y = (1 - flag[1, m, lane]) * one + flag[1, m, lane] * other
                    if code == STEP:
                        on = q[lane] if m < M - 1 else 0.0
                        bad = slip[lane]
                        co[p, STAY_X, i] += x * (1 - on) * (1 - bad)
                        co[p, ARRIVE_X, up] += x * on * (1 - bad)
                        co[p, ERR, i] += x * (1 - on) * bad
                        co[p, ARRIVE_ERR, up] += x * on * bad
                        co[p, STAY_Y, i] += y * (1 - on)
                        co[p, ARRIVE_Y, up] += y * on
                    elif code == CHECK:
                        co[p, STAY_X, i] += x
                        co[p, REPAIR, i] += y * repair[lane]
                        co[p, STAY_Y, i] += y * (1 - repair[lane])
                    elif code == END_THINK:
                        co[p, END_X, i] += x
                        co[p, END_Y, i] += y
                    elif code == ANSWER:
                        ok = 1.0 if m >= difficulty[lane] else guess[lane]
                        co[p, RIGHT_X, i] += x * ok
                        co[p, WRONG_X, i] += x * (1 - ok)
                        co[p, RIGHT_Y, i] += y * guess[lane]
                        co[p, WRONG_Y, i] += y * (1 - guess[lane])
                    else:
                        co[p, STAY_X, i] += x
                        co[p, STAY_Y, i] += y


@compiled
def pull_back(G, codes, q, slip, repair, guess, flag, difficulty, flags, gpi):
    """Adjoint of `coefficients`: adds dJ/dpi to gpi from the derivatives G (see `gradients`)."""
    M = G[STAY_X].shape[1] // LANES
    for p in range(G[STAY_X].shape[0]):
        for m in range(M):
            at = m * LANES
            low, high = (p * M + m, p * M + m) if flags == 1 else (2 * p * M + m, 2 * p * M + M + m)
            for a in range(codes.shape[0]):
                code = codes[a]
                for lane in range(LANES):
                    i = np.uintp(at + lane)
                    if code == STEP:
                        on = q[lane] if m < M - 1 else 0.0
                        bad = slip[lane]
                        x = (1 - bad) * (
                            (1 - on) * G[STAY_X][p, i] + on * G[ARRIVE_X][p, i]
                        ) + bad * ((1 - on) * G[ERR][p, i] + on * G[ARRIVE_ERR][p, i])
                        y = (1 - on) * G[STAY_Y][p, i] + on * G[ARRIVE_Y][p, i]
                    elif code == CHECK:
                        x = G[STAY_X][p, i]
                        y = repair[lane] * G[REPAIR][p, i] + (1 - repair[lane]) * G[STAY_Y][p, i]
                    elif code == END_THINK:
                        x, y = G[END_X][p, i], G[END_Y][p, i]
                    elif code == ANSWER:
                        ok, g = 1.0 if m >= difficulty[lane] else guess[lane], guess[lane]
                        x = ok * G[RIGHT_X][p, i] + (1 - ok) * G[WRONG_X][p, i]
                        y = g * G[RIGHT_Y][p, i] + (1 - g) * G[WRONG_Y][p, i]
                    else:
                        x, y = G[STAY_X][p, i], G[STAY_Y][p, i]
                    gpi[low, a, lane] += (1 - flag[0, m, lane]) * x + (1 - flag[1, m, lane]) * y
                    gpi[high, a, lane] += flag[0, m, lane] * x + flag[1, m, lane] * y
