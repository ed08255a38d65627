"""Passes over time: occupancies forward, values backward, both on whole rows of the state."""

from __future__ import annotations

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled

# -- row operations: flat arrays that do not overlap ----------------------------------------------
# One flat loop over progress and lanes: LLVM turns it into vector operations, which it does not
# do for a short inner loop over the lanes alone. Loops do much for each load: memory is what they
# wait for. x is right so far, y has the error bit; `up` is the next progress.


@compiled
def accumulate(x, y, out):
    """out += x y"""
    for i in range(out.size):
        out[i] += x[i] * y[i]


@compiled
def move(x, stay, right, wrong, to, to_right, to_wrong):
    """Mass x stays or answers."""
    for i in range(to.size):
        to[i] = x[i] * stay[i]
        to_right[i] = x[i] * right[i]
        to_wrong[i] = x[i] * wrong[i]


@compiled
def move_with_errors(
    x, y, stay_x, stay_y, err, repair, right_x, right_y, wrong_x, wrong_y, to_x, to_y, right, wrong
):
    """Mass x and y stays, errs, is repaired or answers."""
    for i in range(to_x.size):
        to_x[i] = x[i] * stay_x[i] + y[i] * repair[i]
        to_y[i] = y[i] * stay_y[i] + x[i] * err[i]
        right[i] = x[i] * right_x[i] + y[i] * right_y[i]
        wrong[i] = x[i] * wrong_x[i] + y[i] * wrong_y[i]


@compiled
def advance_with_errors(x, y, advance_x, advance_y, err, to_x, to_y):
    """Mass x and y moves on, into the rows one progress up."""
    for i in range(to_x.size):
        to_x[i] += x[i] * advance_x[i]
        to_y[i] += y[i] * advance_y[i] + x[i] * err[i]


@compiled
def adjoint(x, value, coefficient, g, out):
    """g += x value; out += coefficient value"""
    for i in range(out.size):
        g[i] += x[i] * value[i]
        out[i] += coefficient[i] * value[i]


@compiled
def back(x, value, stay, right, wrong, w_right, w_wrong, g_stay, g_right, g_wrong, out):
    """Adjoint of `move`."""
    for i in range(out.size):
        g_stay[i] += x[i] * value[i]
        g_right[i] += x[i] * w_right[i]
        g_wrong[i] += x[i] * w_wrong[i]
        out[i] = stay[i] * value[i] + right[i] * w_right[i] + wrong[i] * w_wrong[i]


@compiled
def back_with_error(
    x,
    value,
    other,
    stay,
    turn,
    right,
    wrong,
    w_right,
    w_wrong,
    g_stay,
    g_turn,
    g_right,
    g_wrong,
    out,
):
    """Adjoint of half of `move_with_errors`; turn, other : to and in the other error bit."""
    for i in range(out.size):
        g_stay[i] += x[i] * value[i]
        g_turn[i] += x[i] * other[i]
        g_right[i] += x[i] * w_right[i]
        g_wrong[i] += x[i] * w_wrong[i]
        out[i] = (
            stay[i] * value[i] + turn[i] * other[i] + right[i] * w_right[i] + wrong[i] * w_wrong[i]
        )


@compiled
def back_advance_with_error(x, up, up_error, advance, err, g_advance, g_err, out):
    """Adjoint of `advance_with_errors` for mass x."""
    for i in range(out.size):
        g_advance[i] += x[i] * up[i]
        g_err[i] += x[i] * up_error[i]
        out[i] += advance[i] * up[i] + err[i] * up_error[i]


@compiled
def over_progress(flow, out):
    """out (LANES,) += sum over progress of flow (D+1, LANES)."""
    for m in range(flow.shape[0]):
        for lane in range(out.size):
            out[lane] += flow[m, lane]


@compiled
def spread(w, out):
    """out (K, D+1, LANES) = w (K, LANES) for every progress."""
    for k in range(out.shape[0]):
        for m in range(out.shape[1]):
            for lane in range(w.shape[1]):
                out[k, m, lane] = w[k, lane]


# -- passes over time -----------------------------------------------------------------------------
# Rows are flat, (D+1) * LANES long; x[: -LANES] and x[LANES:] pair progress m with m + 1.


@compiled
def forward_step(now, nxt, co, flow_right, flow_wrong, spare, phases, errors):
    """One action: occupancy now -> nxt (phases, 2, row), answers into flow_* (row,).

    spare (2, row) is scratch.
    """
    stay, advance, err, advance_err, repair, end, right, wrong = co
    top = now.shape[2] - LANES
    for p in range(phases):
        x, y, to_x, to_y = now[p, 0], now[p, 1], nxt[p, 0], nxt[p, 1]
        # answers of the second phase are added below
        r, w = (flow_right, flow_wrong) if p == 0 else (spare[0], spare[1])
        if errors:
            move_with_errors(
                x,
                y,
                stay[p, 0],
                stay[p, 1],
                err[p, 0],
                repair[p, 1],
                right[p, 0],
                right[p, 1],
                wrong[p, 0],
                wrong[p, 1],
                to_x,
                to_y,
                r,
                w,
            )
            advance_with_errors(
                x[:top],
                y[:top],
                advance[p, 0, :top],
                advance[p, 1, :top],
                advance_err[p, 0, :top],
                to_x[LANES:],
                to_y[LANES:],
            )
        else:
            move(x, stay[p, 0], right[p, 0], wrong[p, 0], to_x, r, w)
            accumulate(x[:top], advance[p, 0, :top], to_x[LANES:])
        if p == 1:
            accumulate(now[0, 0], end[0, 0], to_x)
            if errors:
                accumulate(now[0, 1], end[0, 1], to_y)
            for i in range(flow_right.size):
                flow_right[i] += r[i]
                flow_wrong[i] += w[i]


@compiled
def forward(co, H, D, phases, errors, occ, flow, prob):
    """Occupancies occ (H+1, phases, 2, row), class probabilities prob (2H+1, LANES).

    flow (4, row) is scratch. Returns the number of steps taken: later ones carry less than 1e-13
    of mass and their classes get probability 0. With `errors` False the error half of the states
    is skipped.
    """
    occ[0] = 0.0
    occ[0, 0, 0, :LANES] = 1.0
    prob[:] = 0.0
    left = prob[2 * H]
    rows = flow.reshape(4, D + 1, LANES)
    for t in range(H):
        forward_step(occ[t], occ[t + 1], co, flow[0], flow[1], flow[2:], phases, errors)
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


@compiled
def backward_step(V, before, occ, co, G, right_w, wrong_w, phases, errors):
    """One action back: values V (phases, 2, row) -> before; occ times values into G."""
    stay, advance, err, advance_err, repair, end, right, wrong = co
    g_stay, g_advance, g_err, g_advance_err, g_repair, g_end, g_right, g_wrong = G
    top = V.shape[2] - LANES
    for p in range(phases):
        for e in range(2 if errors else 1):
            o, to, v = occ[p, e], before[p, e], V[p, e]
            if errors:
                turn, g_turn = (err, g_err) if e == 0 else (repair, g_repair)
                back_with_error(
                    o,
                    v,
                    V[p, 1 - e],
                    stay[p, e],
                    turn[p, e],
                    right[p, e],
                    wrong[p, e],
                    right_w,
                    wrong_w,
                    g_stay[p, e],
                    g_turn[p, e],
                    g_right[p, e],
                    g_wrong[p, e],
                    to,
                )
            else:
                back(
                    o,
                    v,
                    stay[p, e],
                    right[p, e],
                    wrong[p, e],
                    right_w,
                    wrong_w,
                    g_stay[p, e],
                    g_right[p, e],
                    g_wrong[p, e],
                    to,
                )
            if errors and e == 0:
                back_advance_with_error(
                    o[:top],
                    V[p, 0, LANES:],
                    V[p, 1, LANES:],
                    advance[p, 0, :top],
                    advance_err[p, 0, :top],
                    g_advance[p, 0, :top],
                    g_advance_err[p, 0, :top],
                    to[:top],
                )
            else:
                adjoint(o[:top], v[LANES:], advance[p, e, :top], g_advance[p, e, :top], to[:top])
            if phases == 2 and p == 0:
                adjoint(o, V[1, e], end[0, e], g_end[0, e], to)


@compiled
def backward(co, w, occ, H, phases, errors, steps, V, G):
    """Adds d(sum_k w_k prob_k)/d co to the eight arrays G, by a value sweep back in time.

    w (2H+1, row) repeats each class weight for every progress.
    """
    now = 0
    for p in range(phases):
        for e in range(2):
            for i in range(w.shape[1]):  # an array assigned to a slice compiles for seconds
                V[0, p, e, i] = w[2 * H, i]
    for t in range(steps - 1, -1, -1):
        backward_step(V[now], V[1 - now], occ[t], co, G, w[t], w[H + t], phases, errors)
        now = 1 - now


@compiled
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
