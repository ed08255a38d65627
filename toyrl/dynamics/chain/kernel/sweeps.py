"""Passes over time: occupancies forward, values backward, both on whole rows of the state."""

from __future__ import annotations

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled

# -- row operations: flat arrays that do not overlap ----------------------------------------------
# One flat loop over progress and lanes: LLVM turns it into vector operations, which it does not
# do for a short inner loop over the lanes alone.


@compiled
def multiply(x, y, out):
    """out = x y"""
    for i in range(out.size):
        out[i] = x[i] * y[i]


@compiled
def accumulate(x, y, out):
    """out += x y"""
    for i in range(out.size):
        out[i] += x[i] * y[i]


@compiled
def adjoint(x, value, coefficient, g, out):
    """g += x value; out += coefficient value"""
    for i in range(out.size):
        g[i] += x[i] * value[i]
        out[i] += coefficient[i] * value[i]


@compiled
def terminal(x, right, wrong, right_w, wrong_w, g_right, g_wrong, out):
    """Answers: g_right += x right_w, g_wrong += x wrong_w; out = right right_w + wrong wrong_w."""
    for i in range(out.size):
        g_right[i] += x[i] * right_w[i]
        g_wrong[i] += x[i] * wrong_w[i]
        out[i] = right[i] * right_w[i] + wrong[i] * wrong_w[i]


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


@compiled
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


@compiled
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


@compiled
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
