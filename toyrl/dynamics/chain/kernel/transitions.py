"""Policies and their transitions: softmax, the eight coefficients of a state, and the adjoint."""

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
def coefficients(pi, codes, q, slip, repair, guess, flag, difficulty, D, phases, flags, co):
    """Transition coefficients co, eight arrays (phases, 2, D+1, LANES), of one prompt type."""
    stay, advance, err, advance_err, fixed, end, right, wrong = co
    M = D + 1
    for x in co:
        x[:] = 0.0
    for p in range(phases):
        for e in range(2):
            for m in range(M):
                for a in range(codes.shape[0]):
                    code = codes[a]
                    for lane in range(LANES):
                        if flags == 1:
                            x = pi[p * M + m, a, lane]
                        else:
                            f = flag[e, m, lane]
                            x = (1 - f) * pi[p * 2 * M + m, a, lane] + f * pi[
                                (p * 2 + 1) * M + m, a, lane
                            ]
                        if code == STEP:
                            up = q[lane] if m < D else 0.0
                            bad = slip[lane] if e == 0 else 0.0
                            stay[p, e, m, lane] += x * (1 - up) * (1 - bad)
                            advance[p, e, m, lane] += x * up * (1 - bad)
                            err[p, e, m, lane] += x * (1 - up) * bad
                            advance_err[p, e, m, lane] += x * up * bad
                        elif code == CHECK:
                            fix = repair[lane] if e == 1 else 0.0
                            fixed[p, e, m, lane] += x * fix
                            stay[p, e, m, lane] += x * (1 - fix)
                        elif code == END_THINK:
                            end[p, e, m, lane] += x
                        elif code == ANSWER:
                            ok = 1.0 if (e == 0 and m >= difficulty[lane]) else guess[lane]
                            right[p, e, m, lane] += x * ok
                            wrong[p, e, m, lane] += x * (1 - ok)
                        else:
                            stay[p, e, m, lane] += x


@compiled
def pull_back(G, codes, q, slip, repair, guess, flag, difficulty, D, phases, flags, gpi):
    """Adjoint of `coefficients`: adds dJ/dpi to gpi from G = dJ/dco, arrays like co."""
    g_stay, g_advance, g_err, g_advance_err, g_fixed, g_end, g_right, g_wrong = G
    M = D + 1
    for p in range(phases):
        for e in range(2):
            for m in range(M):
                for a in range(codes.shape[0]):
                    code = codes[a]
                    for lane in range(LANES):
                        if code == STEP:
                            up = q[lane] if m < D else 0.0
                            bad = slip[lane] if e == 0 else 0.0
                            g = (1 - bad) * (
                                (1 - up) * g_stay[p, e, m, lane] + up * g_advance[p, e, m, lane]
                            )
                            g += bad * (
                                (1 - up) * g_err[p, e, m, lane] + up * g_advance_err[p, e, m, lane]
                            )
                        elif code == CHECK:
                            fix = repair[lane] if e == 1 else 0.0
                            g = fix * g_fixed[p, e, m, lane] + (1 - fix) * g_stay[p, e, m, lane]
                        elif code == END_THINK:
                            g = g_end[p, e, m, lane]
                        elif code == ANSWER:
                            ok = 1.0 if (e == 0 and m >= difficulty[lane]) else guess[lane]
                            g = ok * g_right[p, e, m, lane] + (1 - ok) * g_wrong[p, e, m, lane]
                        else:
                            g = g_stay[p, e, m, lane]
                        if flags == 1:
                            gpi[p * M + m, a, lane] += g
                        else:
                            f = flag[e, m, lane]
                            gpi[p * 2 * M + m, a, lane] += (1 - f) * g
                            gpi[(p * 2 + 1) * M + m, a, lane] += f * g
