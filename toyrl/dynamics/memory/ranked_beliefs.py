"""Backward induction over the counts of K arms (compiled), in one array.

A belief after t pulls is 2K numbers c_0, ..., c_(2K-1) >= 0 with sum t: successes and failures of
each arm. With the partial sums p_i = c_0 + ... + c_(i-1) its number in its layer is

    rank = sum over i = 1..2K-1 of C(p_i + i - 1, i),

which doesn't read t. One more of c_j moves the rank up by sum over i > j of C(p_i + i - 1, i - 1),
never down. So layer t can be written over layer t + 1 in the order of ranks, and the first number
runs fastest: in the inner loop all children lie at fixed distances.

Source: combinatorial number system (textbook); the layout is derived here.
"""

from __future__ import annotations

from math import comb

import numba
import numpy as np

TIE = 1e-12
"""Arms whose values differ by less, in units of a pull's pay, are tied."""


def binomials(arms: int, horizon: int) -> np.ndarray:
    """(2K, n + 1) table of C(p + j, j), row j."""
    return np.array([[comb(p + j, j) for p in range(horizon + 1)] for j in range(2 * arms)])


def sizes(arms: int, horizon: int) -> np.ndarray:
    """(n + 1,) where each layer starts in a list of the beliefs before the last pull; its end."""
    layers = [comb(t + 2 * arms - 1, 2 * arms - 1) for t in range(horizon)]
    return np.concatenate([[0], np.cumsum(layers)]).astype(np.int64)


@numba.njit(cache=True)
def next_sums(p, t):  # pragma: no cover (compiled)
    """The partial sums p_2, ... of the next belief but for its first number; False at the end."""
    m = len(p)
    for j in range(1, m):
        top = p[j + 1] if j + 1 < m else t
        if p[j] < top:
            p[j] += 1
            for i in range(1, j):
                p[i] = 0
            return True
    return False


@numba.njit(cache=True)
def optimum(a, b, n, discount, table, starts, ties):  # pragma: no cover (compiled)
    """(K,) values of the first pull; fills `ties`, a bit mask of best arms by belief, if not empty.

    a, b : (K,) prior; table, starts : of `binomials` and `sizes`
    """
    K = len(a)
    m = 2 * K - 1
    V = np.zeros(starts[n] - starts[n - 1])
    p, shift, win = np.zeros(m, np.int64), np.zeros(2 * K, np.int64), np.zeros(K)
    first, q = np.zeros(K), np.zeros(K)
    for t in range(n - 1, -1, -1):
        p[:] = 0
        g = 0.0 if t == n - 1 else discount
        rank = 0
        while True:
            for j in range(m - 1, 0, -1):
                shift[j] = (shift[j + 1] if j + 1 < 2 * K - 1 else 0) + table[j, p[j]]
            if t == n - 1:
                shift[:] = 0
            for k in range(1, K):
                s = p[2 * k] - p[2 * k - 1]
                f = (p[2 * k + 1] if 2 * k + 1 < m else t) - p[2 * k]
                win[k] = (a[k] + s) / (a[k] + b[k] + s + f)
            width = p[1] if m > 1 else t
            up = shift[1] + 1 if t < n - 1 else 0
            for s in range(width + 1):
                chance = (a[0] + s) / (a[0] + b[0] + width)
                q[0] = chance * (1 + g * V[rank + up]) + (1 - chance) * g * V[rank + shift[1]]
                best = q[0]
                for k in range(1, K):
                    c = win[k]
                    q[k] = c * (1 + g * V[rank + shift[2 * k]])
                    q[k] += (1 - c) * g * V[rank + shift[2 * k + 1]]
                    best = max(best, q[k])
                if len(ties):
                    mask = 0
                    for k in range(K):
                        if q[k] >= best - TIE * (1 + n):
                            mask |= 1 << k
                    ties[starts[t] + rank] = mask
                if t == 0:
                    first[:] = q
                V[rank] = best
                rank += 1
            if not next_sums(p, t):
                break
    return first


@numba.njit(cache=True)
def chances(weights, s, f, pdf, cdf, kind, a, b):  # pragma: no cover (compiled)
    """Writes the chance of each arm at counts s, f (K,): 0 greedy, 1 Thompson, 2 any arm alike."""
    K = len(s)
    if kind == 2:
        weights[:] = 1 / K
        return
    if kind == 1:
        weights[:] = 0.0
        for i in range(pdf.shape[3]):
            for k in range(K):
                x = pdf[k, s[k], f[k], i]
                for j in range(K):
                    if j != k:
                        x *= cdf[j, s[j], f[j], i]
                weights[k] += x
        weights /= weights.sum()
        return
    top, tied = 0, 0.0
    for k in range(K):
        left = (a[k] + s[k]) * (a[top] + b[top] + s[top] + f[top])
        right = (a[top] + s[top]) * (a[k] + b[k] + s[k] + f[k])
        if k == 0 or left > right:
            weights[:] = 0.0
            top, tied = k, 0.0
        if k == top or left == right:
            weights[k] = 1.0
            tied += 1
    weights /= tied


@numba.njit(cache=True)
def total(a, b, n, table, starts, kind, pdf, cdf):  # pragma: no cover (compiled)
    """The expected number of successes of a rule, of `chances`, in n pulls."""
    K = len(a)
    m = 2 * K - 1
    V = np.zeros(starts[n] - starts[n - 1])
    p, shift, w = np.zeros(m, np.int64), np.zeros(2 * K, np.int64), np.zeros(K)
    s, f = np.zeros(K, np.int64), np.zeros(K, np.int64)
    for t in range(n - 1, -1, -1):
        p[:] = 0
        rank = 0
        while True:
            for j in range(m - 1, 0, -1):
                shift[j] = (shift[j + 1] if j + 1 < 2 * K - 1 else 0) + table[j, p[j]]
            shift[0] = shift[1] + 1
            if t == n - 1:
                shift[:] = 0
            for k in range(1, K):
                s[k] = p[2 * k] - p[2 * k - 1]
                f[k] = (p[2 * k + 1] if 2 * k + 1 < m else t) - p[2 * k]
            width = p[1] if m > 1 else t
            for first in range(width + 1):
                s[0], f[0] = first, width - first
                chances(w, s, f, pdf, cdf, kind, a, b)
                value = 0.0
                for k in range(K):
                    c = (a[k] + s[k]) / (a[k] + b[k] + s[k] + f[k])
                    up, down = 0.0, 0.0
                    if t < n - 1:
                        up, down = V[rank + shift[2 * k]], V[rank + shift[2 * k + 1]]
                    value += w[k] * (c * (1 + up) + (1 - c) * down)
                V[rank] = value
                rank += 1
            if not next_sums(p, t):
                break
    return V[0]


@numba.njit(cache=True)
def played(theta, n, table, starts, ties, rng):  # pragma: no cover (compiled)
    """(N,) successes in n pulls of arms with chances theta (N, K), by `ties` of `optimum`."""
    N, K = theta.shape
    c = np.zeros(2 * K, np.int64)
    out = np.zeros(N)
    for block in range(N):
        c[:] = 0
        for t in range(n):
            rank, p = 0, 0
            for i in range(1, 2 * K):
                p += c[i - 1]
                if p > 0:
                    rank += table[i, p - 1]
            mask, arm, tied = ties[starts[t] + rank], 0, 0
            for k in range(K):
                if mask >> k & 1:
                    tied += 1
                    if rng.random() * tied < 1:
                        arm = k
            won = rng.random() < theta[block, arm]
            out[block] += won
            c[2 * arm + (0 if won else 1)] += 1
    return out
