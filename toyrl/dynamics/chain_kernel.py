"""The compiled inner loop of exact training: many worlds in SIMD lanes, adjoint by hand.

Arrays hold LANES worlds in their last axis, so that every inner loop is one vector operation.
Per update: policy -> transition coefficients -> forward pass (occupancies, class
probabilities) -> class weights -> backward value sweep -> gradient of the logits. The transition
of the chain is banded (progress moves by 0 or 1), so a state needs eight coefficients:

    0 stay   1 advance   2 err   3 advance and err   4 repair   5 end thinking
    6 answer right       7 answer wrong

States are s = (phase * 2 + error bit) * (D+1) + m; policy rows (phase * flags + flag) * (D+1) + m.
`toyrl.dynamics.exact` is the host side; `toyrl.dynamics.forward` the readable reference.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 8
STEP, FILL, CHECK, REPEAT, END_THINK, ANSWER = range(6)
STAY, ADVANCE, ERR, ADVANCE_ERR, REPAIR, END, RIGHT, WRONG = range(8)
FAST = {"contract", "reassoc", "nsz", "arcp"}  # no assumption about NaN or infinity

_jit = njit(cache=True, fastmath=FAST, nogil=True, error_model="numpy")


@_jit
def policy(theta, allowed, pi):
    """Masked softmax: theta, pi (rows, A, LANES); allowed (rows, A)."""
    rows, A = allowed.shape
    for s in range(rows):
        for l in range(LANES):
            top = -np.inf
            for a in range(A):
                if allowed[s, a] and theta[s, a, l] > top:
                    top = theta[s, a, l]
            total = 0.0
            for a in range(A):
                x = np.exp(theta[s, a, l] - top) if allowed[s, a] else 0.0
                pi[s, a, l] = x
                total += x
            for a in range(A):
                pi[s, a, l] /= total


@_jit
def coefficients(pi, codes, q, slip, repair, guess, flag, difficulty, D, phases, flags, co):
    """Transition coefficients co (S, 8, LANES) of one prompt type from the policy."""
    M = D + 1
    co[:] = 0.0
    for p in range(phases):
        for e in range(2):
            for m in range(M):
                s = (p * 2 + e) * M + m
                for a in range(codes.shape[0]):
                    code = codes[a]
                    for l in range(LANES):
                        if flags == 1:
                            x = pi[p * M + m, a, l]
                        else:
                            f = flag[e, m, l]
                            x = (1 - f) * pi[p * 2 * M + m, a, l] + f * pi[(p * 2 + 1) * M + m, a, l]
                        if code == STEP:
                            up = q[l] if m < D else 0.0
                            bad = slip[l] if e == 0 else 0.0
                            co[s, STAY, l] += x * (1 - up) * (1 - bad)
                            co[s, ADVANCE, l] += x * up * (1 - bad)
                            co[s, ERR, l] += x * (1 - up) * bad
                            co[s, ADVANCE_ERR, l] += x * up * bad
                        elif code == CHECK:
                            fix = repair[l] if e == 1 else 0.0
                            co[s, REPAIR, l] += x * fix
                            co[s, STAY, l] += x * (1 - fix)
                        elif code == END_THINK:
                            co[s, END, l] += x
                        elif code == ANSWER:
                            ok = 1.0 if (e == 0 and m >= difficulty[l]) else guess[l]
                            co[s, RIGHT, l] += x * ok
                            co[s, WRONG, l] += x * (1 - ok)
                        else:
                            co[s, STAY, l] += x


@_jit
def pull_back(G, codes, q, slip, repair, guess, flag, difficulty, D, phases, flags, gpi):
    """Adjoint of `coefficients`: adds dJ/dpi to gpi from G = dJ/dco (S, 8, LANES)."""
    M = D + 1
    for p in range(phases):
        for e in range(2):
            for m in range(M):
                s = (p * 2 + e) * M + m
                for a in range(codes.shape[0]):
                    code = codes[a]
                    for l in range(LANES):
                        if code == STEP:
                            up = q[l] if m < D else 0.0
                            bad = slip[l] if e == 0 else 0.0
                            g = (1 - bad) * ((1 - up) * G[s, STAY, l] + up * G[s, ADVANCE, l])
                            g += bad * ((1 - up) * G[s, ERR, l] + up * G[s, ADVANCE_ERR, l])
                        elif code == CHECK:
                            fix = repair[l] if e == 1 else 0.0
                            g = fix * G[s, REPAIR, l] + (1 - fix) * G[s, STAY, l]
                        elif code == END_THINK:
                            g = G[s, END, l]
                        elif code == ANSWER:
                            ok = 1.0 if (e == 0 and m >= difficulty[l]) else guess[l]
                            g = ok * G[s, RIGHT, l] + (1 - ok) * G[s, WRONG, l]
                        else:
                            g = G[s, STAY, l]
                        if flags == 1:
                            gpi[p * M + m, a, l] += g
                        else:
                            f = flag[e, m, l]
                            gpi[p * 2 * M + m, a, l] += (1 - f) * g
                            gpi[(p * 2 + 1) * M + m, a, l] += f * g


@_jit
def forward(co, H, D, phases, errors, occ, prob):
    """Occupancies occ (H+1, S, LANES) and class probabilities prob (2H+1, LANES).

    Returns the number of steps taken: later ones carry less than 1e-13 of mass and their classes
    get probability 0. With `errors` False the error half of the states is skipped.
    """
    M = D + 1
    occ[0] = 0.0
    for l in range(LANES):
        occ[0, 0, l] = 1.0
    steps = H
    for t in range(H):
        for l in range(LANES):
            prob[t, l] = 0.0
            prob[H + t, l] = 0.0
        for p in range(phases):
            for m in range(M):
                s0 = p * 2 * M + m
                s1 = s0 + M
                for l in range(LANES):
                    x = occ[t, s0, l]
                    prob[t, l] += x * co[s0, RIGHT, l]
                    prob[H + t, l] += x * co[s0, WRONG, l]
                    new = x * co[s0, STAY, l]
                    if m > 0:
                        new += occ[t, s0 - 1, l] * co[s0 - 1, ADVANCE, l]
                    if p == 1:
                        new += occ[t, m, l] * co[m, END, l]
                    occ[t + 1, s0, l] = new
                if errors:
                    for l in range(LANES):
                        x = occ[t, s1, l]
                        prob[t, l] += x * co[s1, RIGHT, l]
                        prob[H + t, l] += x * co[s1, WRONG, l]
                        occ[t + 1, s0, l] += x * co[s1, REPAIR, l]
                        new = x * co[s1, STAY, l] + occ[t, s0, l] * co[s0, ERR, l]
                        if m > 0:
                            new += occ[t, s1 - 1, l] * co[s1 - 1, ADVANCE, l]
                            new += occ[t, s0 - 1, l] * co[s0 - 1, ADVANCE_ERR, l]
                        if p == 1:
                            new += occ[t, M + m, l] * co[M + m, END, l]
                        occ[t + 1, s1, l] = new
        left = 0.0
        for s in range(phases * 2 * M):
            for l in range(LANES):
                left = max(left, occ[t + 1, s, l])
        if left < 1e-13:
            steps = t + 1
            break
    for t in range(steps, H):
        for l in range(LANES):
            prob[t, l] = 0.0
            prob[H + t, l] = 0.0
    for l in range(LANES):
        total = 0.0
        if steps == H:
            for s in range(phases * 2 * M):
                total += occ[H, s, l]
        prob[2 * H, l] = total
    return steps


@_jit
def backward(co, w, occ, H, D, phases, errors, steps, V, G):
    """G (S, 8, LANES) = d(sum_k w_k prob_k)/d co, by a value sweep back in time."""
    M = D + 1
    G[:] = 0.0
    now = 0
    for s in range(phases * 2 * M):
        for l in range(LANES):
            V[0, s, l] = w[2 * H, l]
    for t in range(steps - 1, -1, -1):
        nxt = 1 - now
        for p in range(phases):
            for m in range(M):
                s0 = p * 2 * M + m
                s1 = s0 + M
                for l in range(LANES):
                    x, v0, right, wrong = occ[t, s0, l], V[now, s0, l], w[t, l], w[H + t, l]
                    G[s0, STAY, l] += x * v0
                    G[s0, RIGHT, l] += x * right
                    G[s0, WRONG, l] += x * wrong
                    value = co[s0, STAY, l] * v0 + co[s0, RIGHT, l] * right
                    value += co[s0, WRONG, l] * wrong
                    if m < D:
                        up = V[now, s0 + 1, l]
                        G[s0, ADVANCE, l] += x * up
                        value += co[s0, ADVANCE, l] * up
                    if phases == 2 and p == 0:
                        end = V[now, 2 * M + m, l]
                        G[s0, END, l] += x * end
                        value += co[s0, END, l] * end
                    if errors:
                        v1 = V[now, s1, l]
                        G[s0, ERR, l] += x * v1
                        value += co[s0, ERR, l] * v1
                        if m < D:
                            up = V[now, s1 + 1, l]
                            G[s0, ADVANCE_ERR, l] += x * up
                            value += co[s0, ADVANCE_ERR, l] * up
                    V[nxt, s0, l] = value
                if errors:
                    for l in range(LANES):
                        x, v1, v0 = occ[t, s1, l], V[now, s1, l], V[now, s0, l]
                        right, wrong = w[t, l], w[H + t, l]
                        G[s1, STAY, l] += x * v1
                        G[s1, REPAIR, l] += x * v0
                        G[s1, RIGHT, l] += x * right
                        G[s1, WRONG, l] += x * wrong
                        value = co[s1, STAY, l] * v1 + co[s1, REPAIR, l] * v0
                        value += co[s1, RIGHT, l] * right + co[s1, WRONG, l] * wrong
                        if m < D:
                            up = V[now, s1 + 1, l]
                            G[s1, ADVANCE, l] += x * up
                            value += co[s1, ADVANCE, l] * up
                        if phases == 2 and p == 0:
                            end = V[now, 3 * M + m, l]
                            G[s1, END, l] += x * end
                            value += co[s1, END, l] * end
                        V[nxt, s1, l] = value
        now = nxt


@_jit
def class_weights(prob, reward, variance, share, length, reference, setup, max_length, w):
    """w (B, K, LANES): the infinite-group weights of GroupEstimator with PolicyGradient.

    setup = (baseline, scale, eps, aggregation) as codes: baseline 0 none, 1 batch, 2 mean;
    scale 0 none, 1 group, 2 batch; aggregation 0 sum, 1 grpo, 2 dapo, 3 dr_grpo. `reference`
    (LANES,) multiplies per-token aggregations. Weights include the prompt's share.
    """
    B, K = prob.shape[0], prob.shape[1]
    baseline, scale, eps, aggregation = setup
    for l in range(LANES):
        mean_all = square_all = tokens = 0.0
        for b in range(B):
            for k in range(K):
                x = share[b, l] * prob[b, k, l]
                mean_all += x * reward[b, k, l]
                tokens += x * length[k]
        for b in range(B):
            for k in range(K):
                d = reward[b, k, l] - mean_all
                square_all += share[b, l] * prob[b, k, l] * (d * d + variance[b, k, l])
        for b in range(B):
            mean = square = 0.0
            low, high, large = np.inf, -np.inf, 0.0
            for k in range(K):
                mean += prob[b, k, l] * reward[b, k, l]
                if prob[b, k, l] > 0:
                    low = min(low, reward[b, k, l])
                    high = max(high, reward[b, k, l])
                    large = max(large, abs(reward[b, k, l]), np.sqrt(variance[b, k, l]))
            for k in range(K):
                d = reward[b, k, l] - mean
                square += prob[b, k, l] * (d * d + variance[b, k, l])
            centre = 0.0
            if baseline == 1:
                centre = mean_all
            elif baseline == 2:
                centre = mean
            divisor = 1.0
            signal = not (baseline == 2 and high <= low)
            if scale > 0:
                std = np.sqrt(square if scale == 1 else square_all)
                signal = signal and std > (8 * 2.220446049250313e-16 * large if eps == 0 else 0.0)
                divisor = std + eps
            factor = share[b, l] / divisor if signal else 0.0
            if aggregation == 2:
                factor *= reference[l] / tokens
            elif aggregation == 3:
                factor *= reference[l] / max_length
            for k in range(K):
                x = factor * (reward[b, k, l] - centre)
                if aggregation == 1:
                    x *= reference[l] / max(length[k], 1.0)
                w[b, k, l] = x


@_jit
def train(theta, codes, allowed, q, slip, repair, guess, flag, difficulty, share, sizes, errors,
          reward, variance, length, reference, setup, max_length, external, w, updates, rate,
          tolerance, prob, done):
    """`updates` (LANES,) exact updates of theta in place; prob (B, K, LANES) at the end.

    sizes = (H, D, phases, flags). With `external` the weights `w` are held fixed. A lane stops
    early once its class probabilities move by less than `tolerance` in all updates that remain,
    at a rate that does not grow; done (LANES,) returns the updates made.
    """
    H, D, phases, flags = sizes
    B, K = prob.shape[0], prob.shape[1]
    rows, A = allowed.shape
    S = phases * 2 * (D + 1)
    pi = np.empty((rows, A, LANES))
    gpi = np.empty((rows, A, LANES))
    co = np.zeros((B, S, 8, LANES))
    occ = np.zeros((B, H + 1, S, LANES))
    V = np.zeros((2, S, LANES))
    G = np.zeros((S, 8, LANES))
    steps = np.zeros(B, dtype=np.int64)
    last = np.zeros((B, K, LANES))
    speed = np.full(LANES, np.inf)
    live = updates > 0
    done[:] = 0
    window = 50
    total = updates.max()
    for u in range(total + 1):
        policy(theta, allowed, pi)
        for b in range(B):
            coefficients(pi, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases,
                         flags, co[b])
            steps[b] = forward(co[b], H, D, phases, errors, occ[b], prob[b])
        if u == total:
            break
        if tolerance > 0 and u % window == 0:
            for l in range(LANES):
                move = 0.0
                for b in range(B):
                    for k in range(K):
                        move = max(move, abs(prob[b, k, l] - last[b, k, l]))
                        last[b, k, l] = prob[b, k, l]
                if u > 0 and live[l]:
                    left = (updates[l] - u) / window
                    if move * left < tolerance and move <= speed[l]:
                        live[l] = False
                    speed[l] = move
            if not live.any():
                break
        if not external:
            class_weights(prob, reward, variance, share, length, reference, setup, max_length, w)
        gpi[:] = 0.0
        for b in range(B):
            backward(co[b], w[b], occ[b], H, D, phases, errors, steps[b], V, G)
            pull_back(G, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases, flags,
                      gpi)
        for s in range(rows):
            for l in range(LANES):
                mean = 0.0
                for a in range(A):
                    mean += pi[s, a, l] * gpi[s, a, l]
                step = rate if live[l] else 0.0
                for a in range(A):
                    theta[s, a, l] += step * pi[s, a, l] * (gpi[s, a, l] - mean)
        for l in range(LANES):
            if live[l]:
                done[l] += 1
                if done[l] >= updates[l]:
                    live[l] = False
        if not live.any():
            total = u + 1  # one more forward pass for the final probabilities
            policy(theta, allowed, pi)
            for b in range(B):
                coefficients(pi, codes, q, slip, repair, guess, flag[b], difficulty[b], D,
                             phases, flags, co[b])
                forward(co[b], H, D, phases, errors, occ[b], prob[b])
            break
