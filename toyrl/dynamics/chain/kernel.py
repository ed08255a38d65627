"""The compiled inner loop of exact training: many worlds in SIMD lanes, adjoint by hand.

Arrays hold LANES worlds in their last axis, so that every inner loop is one vector operation.
Per update: policy -> transition coefficients -> forward pass (occupancies, class
probabilities) -> class weights -> backward value sweep -> gradient of the logits. The transition
of the chain is banded (progress moves by 0 or 1), so a state needs eight coefficients:

    0 stay   1 advance   2 err   3 advance and err   4 repair   5 end thinking
    6 answer right       7 answer wrong

State arrays are (phases, error bit, D+1, LANES); policy rows (phase * flags + flag) * (D+1) + m.
`toyrl.dynamics.chain.exact` is the host side; `toyrl.worlds.chain.forward` the readable reference.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.core.compiler import Compiler

LANES = 16
STEP, FILL, CHECK, REPEAT, END_THINK, ANSWER = range(6)
STAY, ADVANCE, ERR, ADVANCE_ERR, REPAIR, END, RIGHT, WRONG = range(8)
FAST = {"contract", "reassoc", "nsz", "arcp"}  # no assumption about NaN or infinity


class DistinctArguments(Compiler):
    """Tells LLVM that array arguments do not overlap; without it no lane loop is vectorised."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):
        flags = flags.copy()
        flags.noalias = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)


_jit = njit(
    cache=True, fastmath=FAST, nogil=True, error_model="numpy", pipeline_class=DistinctArguments
)


@_jit
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


@_jit
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


@_jit
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


# -- row operations: flat arrays that do not overlap ----------------------------------------------
# One flat loop over progress and lanes: LLVM turns it into vector operations, which it does not
# do for a short inner loop over the lanes alone.


@_jit
def multiply(x, y, out):
    """out = x y"""
    for i in range(out.size):
        out[i] = x[i] * y[i]


@_jit
def accumulate(x, y, out):
    """out += x y"""
    for i in range(out.size):
        out[i] += x[i] * y[i]


@_jit
def adjoint(x, value, coefficient, g, out):
    """g += x value; out += coefficient value"""
    for i in range(out.size):
        g[i] += x[i] * value[i]
        out[i] += coefficient[i] * value[i]


@_jit
def terminal(x, right, wrong, right_w, wrong_w, g_right, g_wrong, out):
    """Answers: g_right += x right_w, g_wrong += x wrong_w; out = right right_w + wrong wrong_w."""
    for i in range(out.size):
        g_right[i] += x[i] * right_w[i]
        g_wrong[i] += x[i] * wrong_w[i]
        out[i] = right[i] * right_w[i] + wrong[i] * wrong_w[i]


@_jit
def over_progress(flow, out):
    """out (LANES,) += sum over progress of flow (D+1, LANES)."""
    for m in range(flow.shape[0]):
        for lane in range(out.size):
            out[lane] += flow[m, lane]


@_jit
def spread(w, out):
    """out (K, D+1, LANES) = w (K, LANES) for every progress."""
    for k in range(out.shape[0]):
        for m in range(out.shape[1]):
            for lane in range(w.shape[1]):
                out[k, m, lane] = w[k, lane]


# -- passes over time -----------------------------------------------------------------------------
# Rows are flat, (D+1) * LANES long; x[: -LANES] and x[LANES:] pair progress m with m + 1.


@_jit
def forward_step(now, nxt, co, flow_right, flow_wrong, phases, errors):
    """One action: occupancy now -> nxt (phases, 2, row), answers into flow_* (row,)."""
    stay, advance, err, advance_err, repair, end, right, wrong = co
    top = now.shape[2] - LANES
    for p in range(phases):
        a, b, to_a, to_b = now[p, 0], now[p, 1], nxt[p, 0], nxt[p, 1]
        multiply(a, stay[p, 0], to_a)
        accumulate(a[:top], advance[p, 0, :top], to_a[LANES:])
        if p == 0:
            multiply(a, right[p, 0], flow_right)
            multiply(a, wrong[p, 0], flow_wrong)
        else:
            accumulate(a, right[p, 0], flow_right)
            accumulate(a, wrong[p, 0], flow_wrong)
            accumulate(now[0, 0], end[0, 0], to_a)
        if errors:
            multiply(b, stay[p, 1], to_b)
            accumulate(b, repair[p, 1], to_a)
            accumulate(a, err[p, 0], to_b)
            accumulate(b[:top], advance[p, 1, :top], to_b[LANES:])
            accumulate(a[:top], advance_err[p, 0, :top], to_b[LANES:])
            accumulate(b, right[p, 1], flow_right)
            accumulate(b, wrong[p, 1], flow_wrong)
            if p == 1:
                accumulate(now[0, 1], end[0, 1], to_b)


@_jit
def forward(co, H, D, phases, errors, occ, flow, prob):
    """Occupancies occ (H+1, phases, 2, row), class probabilities prob (2H+1, LANES).

    flow (2, row) is scratch. Returns the number of steps taken: later ones carry less than 1e-13
    of mass and their classes get probability 0. With `errors` False the error half of the states
    is skipped.
    """
    occ[0] = 0.0
    occ[0, 0, 0, :LANES] = 1.0
    prob[:] = 0.0
    left = prob[2 * H]
    rows = flow.reshape(2, D + 1, LANES)
    for t in range(H):
        forward_step(occ[t], occ[t + 1], co, flow[0], flow[1], phases, errors)
        over_progress(rows[0], prob[t])
        over_progress(rows[1], prob[H + t])
        if t % 8 == 7 or t == H - 1:
            left[:] = 0.0
            for p in range(phases):
                for e in range(2 if errors else 1):
                    over_progress(occ[t + 1, p, e].reshape(D + 1, LANES), left)
            if t < H - 1 and left.max() < 1e-13:
                left[:] = 0.0
                return t + 1
    return H


@_jit
def backward_step(V, before, occ, co, G, right_w, wrong_w, phases, errors):
    """One action back: values V (phases, 2, row) -> before; occ times values into G."""
    stay, advance, err, advance_err, repair, end, right, wrong = co
    g_stay, g_advance, g_err, g_advance_err, g_repair, g_end, g_right, g_wrong = G
    top = V.shape[2] - LANES
    for p in range(phases):
        for e in range(2 if errors else 1):
            o, to = occ[p, e], before[p, e]
            terminal(
                o, right[p, e], wrong[p, e], right_w, wrong_w, g_right[p, e], g_wrong[p, e], to
            )
            adjoint(o, V[p, e], stay[p, e], g_stay[p, e], to)
            adjoint(o[:top], V[p, e, LANES:], advance[p, e, :top], g_advance[p, e, :top], to[:top])
            if phases == 2 and p == 0:
                adjoint(o, V[1, e], end[0, e], g_end[0, e], to)
        if errors:
            o, to = occ[p, 0], before[p, 0]
            adjoint(o, V[p, 1], err[p, 0], g_err[p, 0], to)
            adjoint(
                o[:top],
                V[p, 1, LANES:],
                advance_err[p, 0, :top],
                g_advance_err[p, 0, :top],
                to[:top],
            )
            adjoint(occ[p, 1], V[p, 0], repair[p, 1], g_repair[p, 1], before[p, 1])


@_jit
def backward(co, w, occ, H, phases, errors, steps, V, G):
    """Adds d(sum_k w_k prob_k)/d co to the eight arrays G, by a value sweep back in time.

    w (2H+1, row) repeats each class weight for every progress.
    """
    now = 0
    for p in range(phases):
        for e in range(2):
            V[0, p, e] = w[2 * H]
    for t in range(steps - 1, -1, -1):
        backward_step(V[now], V[1 - now], occ[t], co, G, w[t], w[H + t], phases, errors)
        now = 1 - now


@_jit
def flat(x, phases, row):
    """The eight arrays with progress and lanes as one axis."""
    shape = (phases, 2, row)
    return (
        x[0].reshape(shape),
        x[1].reshape(shape),
        x[2].reshape(shape),
        x[3].reshape(shape),
        x[4].reshape(shape),
        x[5].reshape(shape),
        x[6].reshape(shape),
        x[7].reshape(shape),
    )


@_jit
def weighted_sums(prob, reward, length, share, mean, tokens):
    """Adds sum_k share prob reward to mean and sum_k share prob length to tokens, by lane."""
    for k in range(prob.shape[0]):
        for lane in range(share.size):
            x = share[lane] * prob[k, lane]
            mean[lane] += x * reward[k, lane]
            tokens[lane] += x * length[k]


@_jit
def squares(prob, reward, variance, mean, share, out):
    """Adds sum_k share prob ((reward - mean)^2 + variance) to out, by lane."""
    for k in range(prob.shape[0]):
        for lane in range(out.size):
            d = reward[k, lane] - mean[lane]
            out[lane] += share[lane] * prob[k, lane] * (d * d + variance[k, lane])


@_jit
def fill_weights(reward, factor, centre, per_token, w):
    """w = factor (reward - centre) per_token, by lane."""
    for lane in range(w.size):
        w[lane] = factor[lane] * (reward[lane] - centre[lane]) * per_token


@_jit
def extremes(prob, reward, low, high):
    """low, high = least and largest reward of classes with probability above 0, by lane."""
    low[:] = np.inf
    high[:] = -np.inf
    for k in range(prob.shape[0]):
        for lane in range(low.size):
            x, here = reward[k, lane], prob[k, lane] > 0
            low[lane] = x if here and x < low[lane] else low[lane]
            high[lane] = x if here and x > high[lane] else high[lane]


@_jit
def class_weights(prob, reward, variance, share, length, reference, setup, max_length, cut, w):
    """w (B, K, LANES): the infinite-group weights of GroupEstimator with PolicyGradient.

    setup = (baseline, scale, eps, aggregation) as codes: baseline 0 none, 1 batch, 2 mean;
    scale 0 none, 1 group, 2 batch; aggregation 0 sum, 1 grpo, 2 dapo, 3 dr_grpo. `reference`
    (LANES,) multiplies per-token aggregations. Weights include the prompt's share. `cut` = 1 gives
    the last class, truncated, weight 0 and leaves its tokens out of the loss's count; advantages
    are still those of whole groups.
    """
    B, K = prob.shape[0], prob.shape[1]
    baseline, scale, eps, aggregation = setup
    mean_all, tokens = np.zeros(LANES), np.zeros(LANES)
    for b in range(B):
        weighted_sums(prob[b], reward[b], length, share[b], mean_all, tokens)
        for lane in range(LANES):
            tokens[lane] -= cut * share[b, lane] * prob[b, K - 1, lane] * length[K - 1]
    square_all = np.zeros(LANES)
    if scale == 2:
        for b in range(B):
            squares(prob[b], reward[b], variance[b], mean_all, share[b], square_all)
    one = np.ones(LANES)
    mean, square = np.empty(LANES), np.empty(LANES)
    factor, centre = np.empty(LANES), np.empty(LANES)
    low, high = np.empty(LANES), np.empty(LANES)
    for b in range(B):
        mean[:] = 0.0
        square[:] = 0.0
        weighted_sums(prob[b], reward[b], length, one, mean, factor)
        if scale == 1:
            squares(prob[b], reward[b], variance[b], mean, one, square)
        if baseline == 2 or eps == 0:
            extremes(prob[b], reward[b], low, high)
        for lane in range(LANES):
            large = max(abs(low[lane]), abs(high[lane]))
            centre[lane] = mean_all[lane] if baseline == 1 else mean[lane] if baseline == 2 else 0.0
            divisor = 1.0
            signal = not (baseline == 2 and high[lane] <= low[lane])
            if scale > 0:
                std = np.sqrt(square[lane] if scale == 1 else square_all[lane])
                signal = signal and std > (8 * 2.220446049250313e-16 * large if eps == 0 else 0.0)
                divisor = std + eps
            factor[lane] = share[b, lane] / divisor if signal else 0.0
            if aggregation == 2:
                factor[lane] *= reference[lane] / tokens[lane]
            elif aggregation == 3:
                factor[lane] *= reference[lane] / max_length
            elif aggregation == 1:
                factor[lane] *= reference[lane]
        for k in range(K):
            per_token = 1.0 / max(length[k], 1.0) if aggregation == 1 else 1.0
            fill_weights(reward[b, k], factor, centre, per_token, w[b, k])
        if cut:
            w[b, K - 1] = 0.0


@_jit
def visits(occ, steps, flag, scale, phases, flags, D, out):
    """Adds scale (LANES,) times the expected visits of each policy row to out (rows, LANES).

    occ (H+1, phases, 2, row) : occupancies of one prompt type; flag (2, D+1, LANES)
    """
    M = D + 1
    for t in range(steps):
        for p in range(phases):
            for e in range(2):
                here = occ[t, p, e].reshape(M, scale.size)
                for m in range(M):
                    for lane in range(scale.size):
                        x = scale[lane] * here[m, lane]
                        if flags == 1:
                            out[p * M + m, lane] += x
                        else:
                            f = flag[e, m, lane]
                            out[p * 2 * M + m, lane] += (1 - f) * x
                            out[(p * 2 + 1) * M + m, lane] += f * x


@_jit
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


@_jit
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


@_jit
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
    flow = np.zeros((2, row))
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
            class_weights(
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
