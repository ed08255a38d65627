"""Passes over time: occupancies forward, values backward, both on whole rows of the state.

One flat loop over progress and lanes: LLVM turns it into vector operations, where every array is
an argument of its own and sizes of inner loops are not known to it.
"""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.kernel.compiled import LANES, compiled
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
def over_progress(one, other, out, out_other):
    """out, out_other (LANES,) += sums over progress of two rows."""
    for m in range(one.size // LANES):
        for lane in range(out.size):
            i = np.uintp(m * LANES + lane)
            out[lane] += one[i]
            out_other[lane] += other[i]


@compiled
def on_the_way(x, y, out):
    """out (LANES,) += mass x and y of all progress."""
    for m in range(x.size // LANES):
        for lane in range(out.size):
            i = np.uintp(m * LANES + lane)
            out[lane] += x[i] + y[i]


@compiled
def spread(w, v, row, other):
    """Rows = w and v (LANES,) for every progress."""
    for m in range(row.size // LANES):
        for lane in range(w.size):
            i = np.uintp(m * LANES + lane)
            row[i] = w[lane]
            other[i] = v[lane]


@compiled
def act(x, y, co, past_x, past_y, next_x, next_y, right, wrong):
    """One action of a phase: mass x, y -> next_x, next_y, answers into right, wrong.

    x, y have LANES zeros in front: what comes from below the lowest progress. past_x, past_y are
    to hold them without these.
    """
    for i in range(next_x.size):
        own = np.uintp(i + LANES)
        a, b = x[own], y[own]
        past_x[i] = a
        past_y[i] = b
        next_x[i] = a * co[STAY_X, i] + b * co[REPAIR, i] + x[i] * co[ARRIVE_X, i]
        next_y[i] = (
            b * co[STAY_Y, i] + a * co[ERR, i] + y[i] * co[ARRIVE_Y, i] + x[i] * co[ARRIVE_ERR, i]
        )
        right[i] = a * co[RIGHT_X, i] + b * co[RIGHT_Y, i]
        wrong[i] = a * co[WRONG_X, i] + b * co[WRONG_Y, i]


@compiled
def end_thinking(x, y, co, next_x, next_y):
    """Mass that enters the second phase."""
    for i in range(next_x.size):
        own = np.uintp(i + LANES)
        next_x[i] += x[own] * co[END_X, i]
        next_y[i] += y[own] * co[END_Y, i]


@compiled
def renew(x, y, next_x, next_y):
    """x, y behind their zeros = next_x, next_y."""
    for i in range(next_x.size):
        own = np.uintp(i + LANES)
        x[own] = next_x[i]
        y[own] = next_y[i]


@compiled
def forward(co, H, x, y, scratch, past_x, past_y, prob):
    """Occupancies past_x, past_y (H, phases, row), class probabilities prob (2H+1, LANES).

    co (phases, COEFFICIENTS, row + LANES); x, y (phases, LANES + row) and scratch (4, row) need
    hold nothing. Returns the number of steps taken: later ones carry less than 1e-13 of mass and
    their classes get probability 0.
    """
    phases = x.shape[0]
    x[:] = 0.0
    y[:] = 0.0
    prob[:] = 0.0
    left = prob[2 * H]
    for lane in range(LANES):
        x[0, LANES + lane] = 1.0
    for t in range(H):
        for p in range(phases - 1, -1, -1):  # the second phase takes from what the first one was
            act(
                x[p],
                y[p],
                co[p],
                past_x[t, p],
                past_y[t, p],
                scratch[0],
                scratch[1],
                scratch[2],
                scratch[3],
            )
            over_progress(scratch[2], scratch[3], prob[t], prob[H + t])
            if p == 1:
                end_thinking(x[0], y[0], co[0], scratch[0], scratch[1])
            renew(x[p], y[p], scratch[0], scratch[1])
        if t % 8 == 7 or t == H - 1:
            left[:] = 0.0
            for p in range(phases):
                on_the_way(x[p], y[p], left)
            if t < H - 1 and left.max() < 1e-13:
                left[:] = 0.0
                return t + 1
    return H


@compiled
def act_back(
    past_x,
    past_y,
    co,
    right,
    wrong,
    x,
    y,
    g_stay_x,
    g_err,
    g_arrive_x,
    g_arrive_err,
    g_right_x,
    g_wrong_x,
    g_stay_y,
    g_repair,
    g_arrive_y,
    g_right_y,
    g_wrong_y,
):
    """Adjoint of `act`: values x, y (row + LANES zeros) a step back, derivatives into g_*."""
    for i in range(past_x.size):
        up = np.uintp(i + LANES)
        a, b = past_x[i], past_y[i]
        v, w, v_up, w_up = x[i], y[i], x[up], y[up]
        r, s = right[i], wrong[i]
        g_stay_x[i] += a * v
        g_err[i] += a * w
        g_arrive_x[i] += a * v_up
        g_arrive_err[i] += a * w_up
        g_right_x[i] += a * r
        g_wrong_x[i] += a * s
        g_stay_y[i] += b * w
        g_repair[i] += b * v
        g_arrive_y[i] += b * w_up
        g_right_y[i] += b * r
        g_wrong_y[i] += b * s
        x[i] = (
            co[STAY_X, i] * v
            + co[ERR, i] * w
            + co[ARRIVE_X, up] * v_up
            + co[ARRIVE_ERR, up] * w_up
            + co[RIGHT_X, i] * r
            + co[WRONG_X, i] * s
        )
        y[i] = (
            co[STAY_Y, i] * w
            + co[REPAIR, i] * v
            + co[ARRIVE_Y, up] * w_up
            + co[RIGHT_Y, i] * r
            + co[WRONG_Y, i] * s
        )


@compiled
def end_back(past_x, past_y, co, after_x, after_y, x, y, g_end_x, g_end_y):
    """Adjoint of `end_thinking`: after_x, after_y are values of the second phase."""
    for i in range(past_x.size):
        g_end_x[i] += past_x[i] * after_x[i]
        g_end_y[i] += past_y[i] * after_y[i]
        x[i] += co[END_X, i] * after_x[i]
        y[i] += co[END_Y, i] * after_y[i]


@compiled
def backward(co, w, past_x, past_y, H, steps, x, y, scratch, G):
    """Adds d(sum_k w_k prob_k)/d co to G (see `gradients`), by a value sweep back in time.

    w (2H+1, LANES); x, y (phases, row + LANES) and scratch (4, row) need hold nothing.
    """
    phases, right, wrong = x.shape[0], scratch[2], scratch[3]
    for p in range(phases):
        spread(w[2 * H], w[2 * H], x[p], y[p])
        for lane in range(LANES):  # nothing is above the highest progress
            x[p, right.size + lane] = 0.0
            y[p, right.size + lane] = 0.0
    for t in range(steps - 1, -1, -1):
        spread(w[t], w[H + t], right, wrong)
        for p in range(phases):
            act_back(
                past_x[t, p],
                past_y[t, p],
                co[p],
                right,
                wrong,
                x[p],
                y[p],
                G[STAY_X][p],
                G[ERR][p],
                G[ARRIVE_X][p],
                G[ARRIVE_ERR][p],
                G[RIGHT_X][p],
                G[WRONG_X][p],
                G[STAY_Y][p],
                G[REPAIR][p],
                G[ARRIVE_Y][p],
                G[RIGHT_Y][p],
                G[WRONG_Y][p],
            )
            if phases == 2 and p == 0:
                end_back(
                    past_x[t, 0],
                    past_y[t, 0],
                    co[0],
                    x[1],
                    y[1],
                    x[0],
                    y[0],
                    G[END_X][0],
                    G[END_Y][0],
                )
