"""Picking among k draws by a softmax of the judge's reward at temperature T.

Draws Y_i ~ N(m, s^2), weights w_i = e^(-(Y_i - y_R)^2/T), the pick has the chance w_i/sum w. With
g = (Y - y_T)^2 the error is delta(k, T) = E sum w_i g_i/sum w_j, and 1/x = int_0^inf e^(-u x) du
makes it one integral of expectations of a single draw:

    delta(k, T) = k int_0^inf E[w g e^(-u w)] (E e^(-u w))^(k-1) du.

T = 0 is best of k (`nearest`), T = inf a pick at random. As k grows the pick's law tends to the
draws' tilted by w, a normal law again: with u = T/(T + 2 s^2) its mean is u m + (1 - u) y_R and its
variance s^2 u. That error is quadratic in u, which gives the best temperature; it is above 0
exactly where best of k over-optimises.

For high temperature delta is expanded in x = 1/T around the pick at random, by moments of
v = -(Y - y_R)^2: with Taylor's series of sum w g/sum w and means over k draws,

    delta = A + B (k-1)/k + C (k-1)(k-2)/k^2 + D (k-1)(k^2-6k+6)/k^3 - B V (k-1)/k^2 + O(T^-4)

(A to D in `expansion`, V the variance of v/T). The official code has D (1-1/k)(1-2/k)(1-3/k) in the
third order, right only as k grows.

Formulas: docs/theory/judge.md. a = y_R - y_T, b = y_R - m; scalars unless said.

Source: paper 07, Results 1, 2 and Remark 4, code BLR_non_zero_T.py; the integral, its limits and
the third order are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.judge.nearest import nearest_error

Array = Any
WORK = 1.5e8  # exponentials of one call: a few seconds
REACH, NODES = 9.0, 12
STEP = 0.25  # in log u: the rule's error is e^(-pi^2/STEP), below rounding


@entry(
    "judge_infinite_k",
    kind="theorem",
    cards=("07",),
    provenance="derived",
    formula="(u (m - y_T) + (1-u)(y_R - y_T))^2 + s^2 u, u = T/(T + 2 s^2)",
)
def infinite_error(temperature: Array, mean: Array, spread: Array, judge: Array, truth: Array
                   ) -> np.ndarray:  # fmt: skip
    """Error of endless draws at a temperature >= 0 (inf: a pick at random); all broadcast.

    Raises ValueError for a negative temperature or spread.
    """
    T, m, s, y_r, y_t = _all(temperature, mean, spread, judge, truth)
    u = _kept(T, s)
    return ((u * (m - y_t) + (1 - u) * (y_r - y_t)) ** 2 + s**2 * u)[()]


@entry(
    "judge_optimal_temperature",
    kind="theorem",
    cards=("07",),
    provenance="derived",
    formula="T* = 2 s^2 u*/(1 - u*), u* = (2ab - s^2)/(2 b^2) in [0, 1]",
)
def optimal_temperature(mean: Array, spread: Array, judge: Array, truth: Array) -> np.ndarray:
    """The temperature of least error for endless draws: 0 exactly where 2 a b <= s^2; may be inf.

    All broadcast; where spread is 0 it is 0, since all picks are alike. Raises ValueError for a
    negative spread.
    """
    _, m, s, y_r, y_t = _all(0.0, mean, spread, judge, truth)
    a, b = y_r - y_t, y_r - m
    some = (2 * a * b > s**2) & (s > 0)
    u = np.where(some, (2 * a * b - s**2) / np.where(some, 2 * b**2, 1.0), 0.0)
    hot = u >= 1
    return np.where(hot, np.inf, 2 * s**2 * u / np.where(hot, 1.0, 1 - u))[()]


@entry(
    "judge_best_misspecification",
    kind="theorem",
    cards=("07",),
    provenance="derived",
    formula="c* = T/(2 s^2)",
)
def best_misspecification(temperature: Array, spread: Array) -> np.ndarray:
    """c of the best judge y_R = y_T - c (m - y_T) for endless draws at a temperature T.

    It looks beyond the truth and makes up for what the softmax leaves of the mean; the error is
    then s^2 u. temperature >= 0, spread > 0; broadcast. Raises ValueError for a spread of 0.
    """
    T, s = np.asarray(temperature, dtype=float), np.asarray(spread, dtype=float)
    if not np.all(s > 0):
        msg = f"spread={s.tolist()} must be above 0: without it every draw is the mean"
        raise ValueError(msg)
    return T / (2 * s**2)


@entry(
    "judge_softmax_error",
    kind="theorem",
    cards=("07",),
    section="Result 1",
    provenance="derived",
    formula="k int_0^inf E[w g e^(-uw)] (E e^(-uw))^(k-1) du",
)
def softmax_error(
    k: Array, temperature: float, mean: float, spread: float, judge: float, truth: float
) -> np.ndarray:
    """delta(k, T) exactly, for every k >= 1 of any shape, as the answer; no simulation.

    temperature : 0 (best of k), inf (at random) or at least about 0.05 spread^2 for a judge near
        the draws: colder softmaxes ask for too fine a rule, and best of k is within about T of them

    Raises ValueError for k below 1, a temperature too cold, and a negative temperature or spread.
    """
    k = np.asarray(k, dtype=float)
    T, m, s, y_r, y_t = (float(x) for x in _all(temperature, mean, spread, judge, truth))
    if not np.all(k >= 1):
        msg = f"k={k.tolist()} must be at least 1: one of k draws is picked"
        raise ValueError(msg)
    if s == 0 or np.isinf(T):
        return np.full(k.shape, (m - y_t) ** 2 + s**2)[()]
    if T == 0:
        return nearest_error(k, m, s, y_r, y_t)
    # In units of s: y = (Y - m)/s, weights e^(-(y - b)^2/t).
    b, t, gap = (y_r - m) / s, T / s**2, (m - y_t) / s
    far = REACH + abs(b)
    width = min(0.75, 4 * t / far)  # e^(-u w) turns within t/(2 |y - b|)
    span = (far**2 - max(abs(b) - REACH, 0.0) ** 2) / t  # of the log-weights
    if (span + 100) / STEP * 2 * REACH / width * NODES > WORK:
        msg = (
            f"temperature={T} is too cold for spread={s} and a judge {abs(y_r - m):g} from the mean"
        )
        raise ValueError(msg + "; take a higher one, or 0 for best of k")
    y, mass = _draws(width)
    log_w = -((y - b) ** 2) / t
    log_w = log_w - log_w.max()
    g = (gap + y) ** 2
    grid = np.arange(-np.log(k.max()) - 42, -log_w.min() + 42 / max(k.min() - 1, 0.5) + 6, STEP)
    first, rest = np.empty((2, len(grid)))
    for part in np.array_split(np.arange(len(grid)), -(-len(grid) * len(y) // 4_000_000)):
        reach = np.minimum(grid[part, None] + log_w, 700.0)
        damped = np.exp(-np.exp(reach))
        first[part] = (np.exp(reach) * damped) @ (mass * g)
        # 1 - E e^(-uw), which keeps its digits where u is small.
        rest[part] = -np.expm1(-np.exp(reach)) @ mass
    with np.errstate(divide="ignore"):
        left = np.log1p(-np.minimum(rest, 1.0))
    left = np.where(np.isneginf(left), -1e4, left)
    power = np.exp(np.maximum((k.reshape(-1, 1) - 1) * left, -745.0))
    found = k.ravel() * STEP * (first * power).sum(-1)
    return s**2 * found.reshape(k.shape)[()]


@entry(
    "judge_expansion",
    kind="theorem",
    cards=("07",),
    section="code BLR_non_zero_T.py; third order derived",
    provenance="code",
    formula="A + B(1-1/k) + C(1-1/k)(1-2/k) + third order",
)
def expansion(
    k: Array,
    temperature: Array,
    mean: Array,
    spread: Array,
    judge: Array,
    truth: Array,
    *,
    order: int = 2,
    official: bool = False,
) -> np.ndarray:
    """delta(k, T) for high temperature, to this order in 1/T (0 to 3); all broadcast, T > 0.

    With dT = m - y_T, dR = m - y_R, q = 2 s^2/T: A = dT^2 + s^2, B = -q (2 dR dT + s^2),
    C = q^2 (dR (2 dT + dR) + s^2), D = -q^3 (2 dR (dT + dR) + s^2).

    official : the third order as the released code has it, D (1-1/k)(1-2/k)(1-3/k), whose error is
        still of the third order for finite k

    Raises ValueError for another order and for k below 1 or T not above 0.
    """
    k, T = np.asarray(k, dtype=float), np.asarray(temperature, dtype=float)
    if order not in (0, 1, 2, 3) or not (np.all(k >= 1) and np.all(T > 0)):
        msg = f"order={order}, k={k.tolist()}, temperature={T.tolist()}: 0 to 3, k >= 1, T > 0"
        raise ValueError(msg)
    T, m, s, y_r, y_t = _all(T, mean, spread, judge, truth)
    dt, dr, q = m - y_t, m - y_r, 2 * s**2 / T
    B = -q * (2 * dr * dt + s**2)
    terms = [dt**2 + s**2, B * (1 - 1 / k)]
    terms.append(q**2 * (dr * (2 * dt + dr) + s**2) * (1 - 1 / k) * (1 - 2 / k))
    D = -(q**3) * (2 * dr * (dt + dr) + s**2)
    if official:
        terms.append(D * (1 - 1 / k) * (1 - 2 / k) * (1 - 3 / k))
    else:
        v = (4 * dr**2 * s**2 + 2 * s**4) / T**2  # the variance of the log-weights
        own = (k - 1) * (k**2 - 6 * k + 6) / k**3 * D
        terms.append(own - (k - 1) / k**2 * B * v)
    total = terms[0]
    for term in terms[1 : order + 1]:
        total = total + term
    return np.array(np.broadcast_to(total, np.broadcast_shapes(k.shape, T.shape)))[()]


@entry(
    "judge_expansion_temperature",
    kind="theorem",
    cards=("07",),
    section="Remark 4",
    provenance="code",
    formula="4 s^2 (1-2/k)(s^2 + 2 dT dR + dR^2)/(s^2 + 2 dT dR)",
)
def expansion_temperature(
    k: Array, mean: Array, spread: Array, judge: Array, truth: Array
) -> np.ndarray:
    """The temperature at which the expansion to second order is least, for finite k; broadcast.

    To be trusted where it is well above s^2. inf where the expansion only falls with T.

    Raises ValueError for k below 1 and a negative spread.
    """
    k = np.asarray(k, dtype=float)
    _, m, s, y_r, y_t = _all(0.0, mean, spread, judge, truth)
    if not np.all(k >= 1):
        msg = f"k={k.tolist()} must be at least 1"
        raise ValueError(msg)
    dt, dr = m - y_t, m - y_r
    slope, bend = s**2 + 2 * dt * dr, (1 - 2 / k) * (s**2 + 2 * dt * dr + dr**2)
    inner = (slope > 0) & (bend > 0)
    best = 4 * s**2 * bend / np.where(inner, slope, 1.0)
    # Without an inner minimum the error falls towards T = 0 (slope > 0) or T = inf.
    return np.where(inner, best, np.where(slope > 0, 0.0, np.inf))[()]


def _kept(T: np.ndarray, s: np.ndarray) -> np.ndarray:
    """u = T/(T + 2 s^2): the share of the draws' variance that the tilt leaves."""
    scale = np.where(np.isinf(T), 1.0, T)
    whole = scale + 2 * s**2
    u = scale / np.where(whole > 0, whole, 1.0)
    return np.where(np.isinf(T), 1.0, np.where(whole > 0, u, 1.0))


def _draws(width: float) -> tuple[np.ndarray, np.ndarray]:
    """y and masses of a standard normal draw, on panels of about this width."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    count = int(np.ceil(2 * REACH / width))
    edge = np.linspace(-REACH, REACH, count + 1)
    y = ((edge[1:, None] + edge[:-1, None]) + x * (2 * REACH / count)).ravel() / 2
    mass = np.tile(w, count) * REACH / count * np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
    return y, mass / mass.sum()


def _all(
    T: Array, mean: Array, spread: Array, judge: Array, truth: Array
) -> tuple[np.ndarray, ...]:
    """The arguments as arrays of one shape."""
    out = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (T, mean, spread, judge, truth))
    )
    for name, x in (("temperature", out[0]), ("spread", out[2])):
        if not np.all(x >= 0):
            msg = f"{name}={x.tolist()} must be at least 0"
            raise ValueError(msg)
    return out
