"""The KL penalty: expected visits of each policy row, and the gradient that pulls it back."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled


@compiled
def visits(past_x, past_y, steps, flag, scale, flags, out):
    """Adds scale (LANES,) times the expected visits of each policy row to out (rows, LANES).

    past_x, past_y (H, phases, row) : occupancies of one prompt type; flag (2, D+1, LANES)
    """
    M = past_x.shape[2] // LANES
    for t in range(steps):
        for p in range(past_x.shape[1]):
            for m in range(M):
                at = m * LANES
                for lane in range(scale.size):
                    i = np.uintp(at + lane)
                    x, y = scale[lane] * past_x[t, p, i], scale[lane] * past_y[t, p, i]
                    if flags == 1:
                        out[p * M + m, lane] += x + y
                    else:
                        f, g = flag[0, m, lane], flag[1, m, lane]
                        out[p * 2 * M + m, lane] += (1 - f) * x + (1 - g) * y
                        out[(p * 2 + 1) * M + m, lane] += f * x + g * y


@compiled
def kl_pull(pi, log_ref, allowed, visited, form, out):
    """out (rows, A, LANES) = visits times the gradient of each row's KL by its logits.

    form 0: KL(policy || reference), pi (log pi/ref - KL); 1: KL(reference || policy), pi - ref
    """
    rows, A = allowed.shape
    for s in range(rows):
        for lane in range(LANES):
            kl = 0.0
            if form == 0:
                for a in range(A):
                    if allowed[s, a] and pi[s, a, lane] > 0:
                        kl += pi[s, a, lane] * (np.log(pi[s, a, lane]) - log_ref[s, a, lane])
            for a in range(A):
                x = 0.0
                if allowed[s, a] and form == 1:
                    x = pi[s, a, lane] - np.exp(log_ref[s, a, lane])
                elif allowed[s, a] and pi[s, a, lane] > 0:
                    x = pi[s, a, lane] * (np.log(pi[s, a, lane]) - log_ref[s, a, lane] - kl)
                out[s, a, lane] = visited[s, lane] * x


@compiled
def kl_scale(prob, share, length, reference, aggregation, max_length, cut, scale):
    """scale (B, LANES): what each prompt's tokens weigh in the loss, as class weights do.

    Of per-rollout means (aggregation 1) the mean length of a prompt stands for each length.
    """
    B = prob.shape[0]
    each, pooled = np.zeros((B, LANES)), np.zeros(LANES)
    for b in range(B):
        for k in range(prob.shape[1] - cut):
            for lane in range(LANES):
                each[b, lane] += prob[b, k, lane] * length[k]
        for lane in range(LANES):
            pooled[lane] += share[b, lane] * each[b, lane]
    for b in range(B):
        for lane in range(LANES):
            unit = 1.0
            if aggregation == 1:
                unit = reference[lane] / max(each[b, lane], 1e-300)
            elif aggregation == 2:
                unit = reference[lane] / max(pooled[lane], 1e-300)
            elif aggregation == 3:
                unit = reference[lane] / max_length
            scale[b, lane] = share[b, lane] * unit
