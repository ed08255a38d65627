"""Exact updates: policy, forward pass, class weights, backward pass, ascent, till all stop."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled
from toyrl.dynamics.chain.kernel.penalty import kl_pull, kl_scale, visits
from toyrl.dynamics.chain.kernel.rows import COEFFICIENTS, gradients, rows
from toyrl.dynamics.chain.kernel.sweeps import backward, forward
from toyrl.dynamics.chain.kernel.transitions import coefficients, policy, pull_back
from toyrl.dynamics.chain.kernel.weights import group_weights


@compiled
def train(
    theta,
    codes,
    allowed,
    q,
    slip,
    repair,
    guess,
    flag,
    difficulty,
    share,
    sizes,
    reward,
    variance,
    length,
    reference,
    setup,
    max_length,
    external,
    w,
    log_ref,
    beta,
    form,
    cut,
    updates,
    rate,
    tolerance,
    prob,
    done,
):
    """`updates` (LANES,) exact updates of theta in place; prob (B, K, LANES) at the end.

    sizes = (H, D, phases, flags). With `external` the weights `w` are held fixed. `beta` weighs
    the KL per token to the policy of `log_ref` (rows, A, LANES), see `kl_pull`; `cut` = 1 leaves
    truncated rollouts out of the loss. A lane stops
    early once its class probabilities move by less than `tolerance` in all updates that remain,
    at a rate that does not grow; done (LANES,) returns the updates made.
    """
    H, D, phases, flags = sizes
    B, K = prob.shape[0], prob.shape[1]
    n_rows, A = allowed.shape
    pi = np.empty((n_rows, A, LANES))
    gpi = np.empty((n_rows, A, LANES))
    row = (D + 1) * LANES
    padded = row + LANES
    co = rows(B * phases * COEFFICIENTS, padded).reshape(B, phases, COEFFICIENTS, padded)
    G = gradients(phases, row)
    x, y, scratch = rows(phases, padded), rows(phases, padded), rows(4, row)
    past_x = rows(B * H * phases, row).reshape(B, H, phases, row)
    past_y = rows(B * H * phases, row).reshape(B, H, phases, row)
    kl = np.zeros((n_rows, A, LANES))
    visited = np.zeros((n_rows, LANES))
    scale = np.zeros((B, LANES))
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
            coefficients(pi, codes, q, slip, repair, guess, flag[b], difficulty[b], flags, co[b])
            steps[b] = forward(co[b], H, x, y, scratch, past_x[b], past_y[b], prob[b])
        if u == total:
            break
        if tolerance > 0 and u % window == 0:
            for lane in range(LANES):
                move = 0.0
                for b in range(B):
                    for k in range(K):
                        move = max(move, abs(prob[b, k, lane] - last[b, k, lane]))
                        last[b, k, lane] = prob[b, k, lane]
                if u > 0 and live[lane]:
                    left = (updates[lane] - u) / window
                    if move * left < tolerance and move <= speed[lane]:
                        live[lane] = False
                    speed[lane] = move
            if not live.any():
                break
        if not external:
            group_weights(
                prob, reward, variance, share, length, reference, setup, max_length, cut, w
            )
        if beta > 0:
            kl_scale(prob, share, length, reference, setup[3], max_length, cut, scale)
            visited[:] = 0.0
            for b in range(B):
                visits(past_x[b], past_y[b], steps[b], flag[b], scale[b], flags, visited)
            kl_pull(pi, log_ref, allowed, visited, form, kl)
        gpi[:] = 0.0
        for b in range(B):
            for g in G:
                g[:] = 0.0
            backward(co[b], w[b], past_x[b], past_y[b], H, steps[b], x, y, scratch, G)
            pull_back(G, codes, q, slip, repair, guess, flag[b], difficulty[b], flags, gpi)
        for s in range(n_rows):
            for lane in range(LANES):
                mean = 0.0
                for a in range(A):
                    mean += pi[s, a, lane] * gpi[s, a, lane]
                step = rate if live[lane] else 0.0
                for a in range(A):
                    pull = pi[s, a, lane] * (gpi[s, a, lane] - mean)
                    theta[s, a, lane] += step * (pull - beta * kl[s, a, lane])
        for lane in range(LANES):
            if live[lane]:
                done[lane] += 1
                if done[lane] >= updates[lane]:
                    live[lane] = False
        if not live.any():
            total = u + 1  # one more forward pass for the final probabilities
            policy(theta, allowed, pi)
            for b in range(B):
                coefficients(
                    pi, codes, q, slip, repair, guess, flag[b], difficulty[b], flags, co[b]
                )
                forward(co[b], H, x, y, scratch, past_x[b], past_y[b], prob[b])
            break
