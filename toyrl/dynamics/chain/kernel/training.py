"""Exact updates: policy, forward pass, class weights, backward pass, ascent, till all stop."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled
from toyrl.dynamics.chain.kernel.penalty import kl_pull, kl_scale, visits
from toyrl.dynamics.chain.kernel.sweeps import backward, flat, forward, spread
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
    errors,
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
    rows, A = allowed.shape
    pi = np.empty((rows, A, LANES))
    gpi = np.empty((rows, A, LANES))
    shape = (phases, 2, D + 1, LANES)
    co = (
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
    )
    G = (
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
    )
    kl = np.zeros((rows, A, LANES))
    visited = np.zeros((rows, LANES))
    scale = np.zeros((B, LANES))
    row = (D + 1) * LANES
    flat_co, flat_G = flat(co, phases, row), flat(G, phases, row)
    occ = np.zeros((B, H + 1, phases, 2, row))
    V = np.zeros((2, phases, 2, row))
    flow = np.zeros((4, row))
    wide = np.zeros((2 * H + 1, D + 1, LANES))
    flat_w = wide.reshape(2 * H + 1, row)
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
            coefficients(
                pi, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases, flags, co
            )
            steps[b] = forward(flat_co, H, D, phases, errors, occ[b], flow, prob[b])
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
                visits(occ[b], steps[b], flag[b], scale[b], phases, flags, D, visited)
            kl_pull(pi, log_ref, allowed, visited, form, kl)
        gpi[:] = 0.0
        for b in range(B):
            # Coefficients are cheaper to build again than to keep for every prompt type.
            if B > 1:
                coefficients(
                    pi, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases, flags, co
                )
            for x in G:
                x[:] = 0.0
            spread(w[b], wide)
            backward(flat_co, flat_w, occ[b], H, phases, errors, steps[b], V, flat_G)
            pull_back(
                G, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases, flags, gpi
            )
        for s in range(rows):
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
                    pi, codes, q, slip, repair, guess, flag[b], difficulty[b], D, phases, flags, co
                )
                forward(flat_co, H, D, phases, errors, occ[b], flow, prob[b])
            break
