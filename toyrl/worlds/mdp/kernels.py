"""Compiled passes over sparse transitions; row s*A + a of the CSR arrays is a pair."""

from __future__ import annotations

import numba
import numpy as np

FAST = {
    "reassoc",
    "contract",
    "nsz",
}  # sums may be reordered; infinities and NaN keep their meaning


@numba.njit(cache=True)
def topological_order(starts, indices, terminal):  # pragma: no cover (compiled)
    """(n,) states such that edges lead to later ones, self-loops aside; n < S where cycles remain.

    starts (S+1,), indices (E,): the entries of each state; terminal (S,).
    """
    S = len(starts) - 1
    forward = True
    for s in range(S):
        if not terminal[s]:
            for k in range(starts[s], starts[s + 1]):
                if indices[k] < s:
                    forward = False
                    break
        if not forward:
            break
    if forward:
        return np.arange(S)
    waiting = np.zeros(S, np.int64)
    for s in range(S):
        if not terminal[s]:
            for k in range(starts[s], starts[s + 1]):
                if indices[k] != s:
                    waiting[indices[k]] += 1
    order = np.empty(S, np.int64)
    n = 0
    for s in range(S):
        if waiting[s] == 0:
            order[n] = s
            n += 1
    done = 0
    while done < n:
        s = order[done]
        done += 1
        if not terminal[s]:
            for k in range(starts[s], starts[s + 1]):
                t = indices[k]
                if t != s:
                    waiting[t] -= 1
                    if waiting[t] == 0:
                        order[n] = t
                        n += 1
    return order[:n]


@numba.njit(cache=True)
def search(starts, indices, first):  # pragma: no cover (compiled)
    """(states met, depth of the last) of a breadth-first search from one state."""
    S = len(starts) - 1
    depth = np.full(S, -1, np.int64)
    queue = np.empty(S, np.int64)
    queue[0], depth[first] = first, 0
    n, done = 1, 0
    while done < n:
        s = queue[done]
        done += 1
        for k in range(starts[s], starts[s + 1]):
            t = indices[k]
            if depth[t] < 0:
                depth[t] = depth[s] + 1
                queue[n] = t
                n += 1
    return n, depth[queue[n - 1]]


@numba.njit(cache=True)
def stay_within(back, rows, usable, kept, A):  # pragma: no cover (compiled)
    """(S,) bool, `kept` less the states that every usable action may lead out of it.

    back (S+1,), rows (E,): CSC of the pairs, the pairs that lead to each state; usable (S*A,).
    """
    S = len(kept)
    left = np.zeros(S, np.int64)
    for s in range(S):
        for a in range(A):
            left[s] += usable[s * A + a]
    alive = usable.copy()
    stack = np.empty(S, np.int64)
    n = 0
    for s in range(S):
        if not kept[s] or left[s] == 0:
            kept[s] = False
            stack[n] = s
            n += 1
    while n > 0:
        n -= 1
        t = stack[n]
        for k in range(back[t], back[t + 1]):
            pair = rows[k]
            if alive[pair]:
                alive[pair] = False
                s = pair // A
                left[s] -= 1
                if left[s] == 0 and kept[s]:
                    kept[s] = False
                    stack[n] = s
                    n += 1
    return kept


@numba.njit(cache=True)
def backward_values(order, starts, indices, data, discount, reward):  # pragma: no cover (compiled)
    """(S, B) values of a policy whose graph is ordered; entries are its matrix, reward (S, B)."""
    B = reward.shape[1]
    value = reward.copy()
    for i in range(len(order) - 1, -1, -1):
        s = order[i]
        stay = 0.0
        for k in range(starts[s], starts[s + 1]):
            t = indices[k]
            if t == s:
                stay += data[k]
            else:
                for b in range(B):
                    value[s, b] += discount * data[k] * value[t, b]
        if stay > 0:
            for b in range(B):
                value[s, b] /= 1 - discount * stay
    return value


@numba.njit(cache=True, fastmath=FAST)
def backward_uniform(
    order, indptr, indices, data, discount, reward, usable
):  # pragma: no cover (compiled)
    """((S,) values of the uniform policy on an ordered graph, largest residual), from the pairs.

    indptr (S*A+1,): CSR of the pairs, rows of actions that can't be taken empty; reward and usable
    (S, A). A state's pairs are neighbours, so that its entries are read in one go.
    """
    # Unsigned numbers spare the look whether an index counts from the end: half of the time.
    S, A = reward.shape
    value = np.zeros(S)
    worst = 0.0
    for i in range(S - 1, -1, -1):
        s = order[i]
        n, paid = 0, 0.0
        for a in range(A):
            if usable[s, a]:
                n += 1
                paid += reward[s, a]
        if n == 0:
            continue
        own, after, stays = np.uint64(s), 0.0, False
        low, high = np.uint64(indptr[s * A]), np.uint64(indptr[s * A + A])
        for k in range(low, high):
            t = np.uint64(indices[k])
            after += data[k] * value[t]  # 0 for t = s
            stays |= t == own
        total = (paid + discount * after) / n
        value[s] = total
        if stays:
            stay = 0.0
            for k in range(low, high):
                if np.uint64(indices[k]) == own:
                    stay += data[k]
            stay *= discount / n
            value[s] = total / (1 - stay)
            worst = max(worst, abs(total + stay * value[s] - value[s]))
    return value, worst


@numba.njit(cache=True)
def backward_policy(
    order, indptr, indices, data, discount, reward, policy
):  # pragma: no cover (compiled)
    """((S,) values of a policy on an ordered graph, largest residual), from the pairs themselves.

    indptr (S*A+1,): CSR of the pairs; reward, policy (S, A), 0 where no action can be taken.
    """
    S, A = reward.shape
    value = np.zeros(S)
    worst = 0.0
    for i in range(S - 1, -1, -1):
        s = order[i]
        total, stay = 0.0, 0.0
        for a in range(A):
            weight = policy[s, a]
            if weight == 0.0:
                continue
            after = 0.0
            for k in range(indptr[s * A + a], indptr[s * A + a + 1]):
                t = indices[k]
                if t == s:
                    stay += weight * data[k]
                else:
                    after += data[k] * value[t]
            total += weight * (reward[s, a] + discount * after)
        value[s] = total / (1 - discount * stay) if stay > 0 else total
        worst = max(worst, abs(total + discount * stay * value[s] - value[s]))
    return value, worst


@numba.njit(cache=True)
def forward_visits(order, starts, indices, data, discount, start):  # pragma: no cover (compiled)
    """(S, B) discounted visits of a policy whose graph is ordered; start (S, B)."""
    B = start.shape[1]
    visits = start.copy()
    for i in range(len(order)):
        s = order[i]
        stay = 0.0
        for k in range(starts[s], starts[s + 1]):
            if indices[k] == s:
                stay += data[k]
        if stay > 0:
            for b in range(B):
                visits[s, b] /= 1 - discount * stay
        for k in range(starts[s], starts[s + 1]):
            t = indices[k]
            if t != s:
                for b in range(B):
                    visits[t, b] += discount * data[k] * visits[s, b]
    return visits


@numba.njit(cache=True)
def backward_optimum(
    order, indptr, indices, data, discount, reward, usable
):  # pragma: no cover (compiled)
    """(S,) optimal values of an ordered graph; an action that may stay is repeated until it leaves.

    indptr (S*A+1,): CSR of the pairs; reward, usable (S, A).
    """
    S, A = reward.shape
    value = np.zeros(S)
    for i in range(S - 1, -1, -1):
        s = order[i]
        best = -np.inf
        for a in range(A):
            if not usable[s, a]:
                continue
            stay, q = 0.0, reward[s, a]
            for k in range(indptr[s * A + a], indptr[s * A + a + 1]):
                t = indices[k]
                if t == s:
                    stay += data[k]
                else:
                    q += discount * data[k] * value[t]
            if stay > 0:
                q /= 1 - discount * stay
            best = max(best, q)
        if best > -np.inf:
            value[s] = best
    return value


@numba.njit(cache=True, fastmath=FAST)
def _row(indptr, indices, data, value, row):  # pragma: no cover (compiled)
    total = 0.0
    for k in range(indptr[row], indptr[row + 1]):
        total += data[k] * value[indices[k]]
    return total


@numba.njit(cache=True)
def greedy(
    indptr, indices, data, discount, reward, usable, value, after, action
):  # pragma: no cover (compiled)
    """One Bellman step into `after` and `action` (S,); the least and largest change, 0 included."""
    S, A = reward.shape
    low, high = np.inf, -np.inf
    for s in range(S):
        best = -np.inf
        for a in range(A):
            if usable[s, a]:
                q = reward[s, a] + discount * _row(indptr, indices, data, value, s * A + a)
                if q > best:
                    best = q
                    action[s] = a
        if best == -np.inf:
            best = 0.0
        after[s] = best
        low = min(low, best - value[s])
        high = max(high, best - value[s])
    return low, high


@numba.njit(cache=True, fastmath=FAST)
def follow(
    indptr, indices, data, discount, reward, usable, action, value, steps, enough
):  # pragma: no cover (compiled)
    """(S,) value after Jacobi steps of the policy `action` (S,), from `value`.

    At most `steps`, and none more once the largest and the least change differ by `enough`: the
    policy is then known better than it is worth.
    """
    S, A = reward.shape
    # the policy's rows side by side, so that the steps read memory in order
    starts = np.zeros(S + 1, np.int64)
    paid = np.zeros(S)
    for s in range(S):
        row = s * A + action[s]
        n = indptr[row + 1] - indptr[row] if usable[s, action[s]] else 0
        starts[s + 1] = starts[s] + n
        if n > 0:
            paid[s] = reward[s, action[s]]
    to = np.empty(starts[S], indices.dtype)
    chance = np.empty(starts[S])
    for s in range(S):
        first = indptr[s * A + action[s]]
        for k in range(starts[s + 1] - starts[s]):
            to[starts[s] + k] = indices[first + k]
            chance[starts[s] + k] = discount * data[first + k]
    here, there = value.copy(), np.empty(S)
    for _ in range(steps):
        k = 0
        low, high = np.inf, -np.inf
        for s in range(S):
            total = paid[s]
            stop = starts[s + 1]
            while k < stop:
                total += chance[k] * here[to[k]]
                k += 1
            there[s] = total
            low = min(low, total - here[s])
            high = max(high, total - here[s])
        here, there = there, here
        if high - low <= enough:
            break
    return here
