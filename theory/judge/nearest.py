"""Best of k by a judge with a centre of its own: the error, its rate, and when k should stop.

Draws Y ~ N(m, s^2); the judge pays -(Y - y_R)^2 and the best of k is kept; the error is
delta(k) = E (Y_kept - y_T)^2 against the truth y_T. Write a = y_R - y_T (the judge's bias) and
b = y_R - m (how far the draws are from where it looks).

The kept draw is the one nearest to y_R. At distance r it lies above y_R with odds
e^(-b r/s^2) : e^(b r/s^2), a mean sign of -tanh(b r/s^2), so that

    delta(k) = a^2 + E h(r_k),   h(r) = r^2 - 2 a r tanh(b r/s^2),   P(r_k > r) = S(r)^k

with S(r) = P(|Y - y_R| > r): one integral, whatever k. As tanh(x)/x + sech(x)^2 <= 2 with equality
at 0, h' >= 0 everywhere if and only if 2 a b <= s^2. Hence the theorem: then delta falls in k
towards a^2; else h falls first and rises later, S^k is totally positive in k and r, and delta has
one minimum, at a finite k. For y_R = y_T - c (m - y_T): a finite optimum if and only if
2 c (1 + c)(m - y_T)^2 > s^2.

Near y_R the density of Y is f = e^(-b^2/(2 s^2))/(s sqrt(2 pi)), r_k is exponential of rate 2 f k,
and k^2 (delta - a^2) tends to pi s^2 e^(b^2/s^2) (1 - 2 a b/s^2).

Formulas: docs/theory/judge.md. Arguments broadcast: k >= 1, mean m, spread s >= 0, judge y_R,
truth y_T.

Source: paper 07, Results 1 to 3 and Remark 3; the integral and the theorem are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
PANELS, NODES = 20, 12
END = 45.0  # S^k below e^-45 is left out
START = 1e-18  # and so is the mass of r_k below the distance of that chance


@entry(
    "judge_best_of_k",
    kind="theorem",
    cards=("07",),
    section="Results 1 to 3",
    provenance="derived",
    formula="a^2 + int_0^inf h'(r) S(r)^k dr",
)
def nearest_error(k: Array, mean: Array, spread: Array, judge: Array, truth: Array) -> np.ndarray:
    """delta(k): squared error of the draw nearest to the judge's centre, exact to about 1e-12.

    All broadcast; k >= 1, whole or not, up to 1e15; spread >= 0 (0: every draw is the mean).

    Raises ValueError for k below 1 and a negative spread.
    """
    k, s, a, b = _problem(k, mean, spread, judge, truth)
    flat = s == 0
    safe = np.where(flat, 1.0, s)
    alpha, beta = np.where(b < 0, -a, a) / safe, np.where(flat, 0.0, np.abs(b) / safe)
    r, log_left, log_density, w = _nodes(k, beta)
    h = r**2 - 2 * alpha[..., None] * r * np.tanh(beta[..., None] * r)
    chance = np.exp(np.log(k)[..., None] + (k[..., None] - 1) * log_left + log_density)
    found = a**2 + s**2 * (w * chance * h).sum(-1)
    return np.where(flat, (a - b) ** 2, found)[()]


@entry(
    "judge_rate",
    kind="theorem",
    cards=("07",),
    section="Result 3",
    provenance="derived",
    formula="pi s^2 e^(b^2/s^2) (1 - 2ab/s^2)",
)
def rate_coefficient(mean: Array, spread: Array, judge: Array, truth: Array) -> np.ndarray:
    """Limit of k^2 (delta(k) - a^2), negative where best of k over-optimises; all broadcast.

    spread > 0. For the teacher as judge (a = 0), (k+1)(k+2) in the place of k^2 is far more
    accurate.

    Raises ValueError for a spread that is not above 0.
    """
    _, s, a, b = _problem(1.0, mean, spread, judge, truth)
    if not np.all(s > 0):
        msg = f"spread={s.tolist()} must be above 0: without it every draw is the mean"
        raise ValueError(msg)
    with np.errstate(over="ignore"):
        return (np.pi * s**2 * np.exp((b / s) ** 2) * (1 - 2 * a * b / s**2))[()]


@entry(
    "finite_optimal_k",
    kind="theorem",
    cards=("07",),
    section="Remark 3",
    provenance="derived",
    formula="2 (y_R - y_T)(y_R - m) > s^2",
)
def has_finite_optimum(mean: Array, spread: Array, judge: Array, truth: Array) -> np.ndarray:
    """Whether drawing more hurts from some k on: 2 a b > s^2, in Booleans, broadcast.

    Raises ValueError for a negative spread.
    """
    _, s, a, b = _problem(1.0, mean, spread, judge, truth)
    return (2 * a * b > s**2) & (s > 0)


@entry(
    "judge_optimal_k",
    kind="theorem",
    cards=("07",),
    section="Remark 3",
    provenance="derived",
    formula="the k of the least delta(k); inf where 2ab <= s^2",
)
def optimal_k(
    mean: float, spread: float, judge: float, truth: float, *, most: float = 1e15
) -> float:
    """The best whole number of draws; inf where more never hurts (or beyond `most`).

    By the sign of d delta/dk = int h' S^k log S dr, which changes once: a bisection in log k.
    scalars; spread >= 0 (0: 1, since all draws are alike).

    Raises ValueError for a negative spread.
    """
    _, s, a, b = (float(x) for x in _problem(1.0, mean, spread, judge, truth))
    if s == 0:
        return 1.0
    if 2 * a * b <= s**2:
        return np.inf
    alpha, beta = abs(a) / s, abs(b) / s  # of one sign, since a b > 0

    def falls(k: float) -> bool:
        r, log_left, _, w = _nodes(np.array(k), np.array(beta))
        x = beta * r
        sech2 = 1 / np.cosh(np.minimum(x, 350.0)) ** 2
        slope = 2 * r - 2 * alpha * (np.tanh(x) + x * sech2)
        return float((w * slope * np.exp(k * log_left) * log_left).sum()) < 0

    low, high = 0.0, float(np.log(most))
    if falls(most):
        return np.inf
    while np.exp(high) - np.exp(low) > 0.5 and high - low > 1e-14:
        middle = (low + high) / 2
        low, high = (middle, high) if falls(float(np.exp(middle))) else (low, middle)
    near = np.unique(np.maximum(np.floor(np.exp(high)) + np.arange(-1, 3), 1.0))
    return float(near[np.argmin(nearest_error(near, mean, spread, judge, truth))])


def _problem(k: Array, mean: Array, spread: Array, judge: Array, truth: Array
             ) -> tuple[np.ndarray, ...]:  # fmt: skip
    """k, s, a, b of one shape."""
    k, m, s, y_r, y_t = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (k, mean, spread, judge, truth))
    )
    if not np.all(k >= 1):
        msg = f"k={k.tolist()} must be at least 1: one of k draws is kept"
        raise ValueError(msg)
    if not np.all(s >= 0):
        msg = f"spread={s.tolist()} must be at least 0: it is a standard deviation"
        raise ValueError(msg)
    return k, s, y_r - y_t, y_r - m


def _log_inside(rho: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """log P(|Y - y_R| <= rho s), b = beta s >= 0, without cancellation for small rho."""
    from scipy.special import log_ndtr

    close = rho * np.maximum(beta, 1.0) < 0.03  # there a series, of error below 1e-13
    x = np.where(close, rho, 1.0)
    bend = (beta**2 - 1) / 6 * x**2 + ((beta**2 - 6) * beta**2 + 3) / 120 * x**4
    series = np.log(2 * x) - beta**2 / 2 - np.log(2 * np.pi) / 2
    y = np.where(close, 1.0, rho)
    up, down = log_ndtr(y - beta), log_ndtr(-y - beta)
    difference = up + np.log(-np.expm1(np.minimum(down - up, -1e-12)))
    return np.where(close, series + np.log1p(np.where(close, bend, 0.0)), difference)


def _log_left(rho: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """log P(|Y - y_R| > rho s)."""
    from scipy.special import log_ndtr

    inside = _log_inside(rho, beta)
    outside = np.logaddexp(log_ndtr(-rho - beta), log_ndtr(beta - rho))
    return np.where(inside < -0.7, np.log1p(-np.exp(np.minimum(inside, -0.6))), outside)


def _distance(level: float, k: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """rho at which -k log S = level, to within a factor that a range may be off by."""
    low, high = np.full(k.shape, np.log(1e-40)), np.log(beta + 12)
    for _ in range(20):  # to a ten thousandth, and the answer errs to the wide side
        middle = (low + high) / 2
        over = -k * _log_left(np.exp(middle), beta) > level
        low, high = np.where(over, low, middle), np.where(over, middle, high)
    return np.exp(high if level > 1 else low)


def _nodes(k: np.ndarray, beta: np.ndarray) -> tuple[np.ndarray, ...]:
    """rho (..., M), log S, log density of |Y - y_R|/s, and weights, where r_k has its mass."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    first, last = (_distance(level, k, beta) for level in (START, END))
    edge = np.linspace(0, 1, PANELS + 1)
    unit = ((edge[1:, None] + edge[:-1, None]) + x / PANELS).ravel() / 2
    weight = np.tile(w / (2 * PANELS), PANELS)
    rho = first[..., None] + (last - first)[..., None] * unit
    wide = np.broadcast_to(beta[..., None], rho.shape)
    density = np.logaddexp(-((wide + rho) ** 2) / 2, -((wide - rho) ** 2) / 2)
    return rho, _log_left(rho, wide), density - np.log(2 * np.pi) / 2, (
        (last - first)[..., None] * weight)  # fmt: skip
