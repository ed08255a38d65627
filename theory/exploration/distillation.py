"""Random distribution distillation: what a predictor's distance counts, exactly, on one state.

A predictor f chases draws f_tar ~ N(mu, sigma^2 I_d); f* is the mean of the n draws so far, A =
f* - mu, B = f - f*. The bonus is ||f - mu||^2/d.

Formulas: docs/theory/exploration.md. Source: paper 14 as reported (second-hand), exact forms
derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.shapers.explore.distilled import elliptical_bonus, visit_bonus

Array = Any


@dataclass(frozen=True)
class Errors:
    """Means after n visits, each a scalar or an array of the shape of n (...).

    err : E||f - mu||^2; a : E||A||^2; cross : E<A, B>; b : E||B||^2
    slack : a + b - err = -2 cross, what the reported bound leaves; floor : err as n goes to inf
    """

    err: Any
    a: Any
    cross: Any
    b: Any
    slack: Any
    floor: Any


@entry(
    "distillation_errors",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="section 4.4",
    formula="E||f - mu||^2 = q^2n bias2 + sigma^2 d eta (1 - q^2n)/(2 - eta), q = 1 - eta",
)
def distillation_errors(visits: Any, d: int, *, sigma: float = 1.0, eta: float = 0.1,
                        bias2: float = 0.0) -> Errors:  # fmt: skip
    """The errors of a predictor of constant step after n visits, in expectation.

    visits n >= 1, broadcast; d >= 1; sigma >= 0; eta in (0, 1]; bias2 = ||f_0 - mu||^2 >= 0

    Raises ValueError for arguments out of their ranges.
    """
    n = _visits(visits, least=1)
    _positive(d=d, sigma=sigma, eta=eta, bias2=bias2)
    q = 1 - eta
    err = d * np.asarray(visit_bonus(n, sigma=sigma, step=eta, start=bias2 / d))
    a, cross = sigma**2 * d / n, -(sigma**2) * d * q**n / n
    floor = sigma**2 * d * eta / (2 - eta)
    b, slack = err - a - 2 * cross, -2 * cross
    return Errors(err[()], a[()], cross[()], b[()], slack[()], floor)


@entry(
    "distilled_count",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="Lemma 4.1",
    formula="E z_n = 1/n, Var z_n = 2/(d n^2)",
)
def distilled_count(visits: Any, d: int) -> tuple[np.ndarray, np.ndarray]:
    """(mean, variance) of z_n = ||f* - mu||^2/(d sigma^2): n d z_n is chi-squared with d degrees.

    visits n >= 1, broadcast; d >= 1

    Raises ValueError for arguments out of their ranges.
    """
    n = _visits(visits, least=1)
    _positive(d=d)
    return (1 / n)[()], (2 / (d * n**2))[()]


@entry(
    "moment_count_variance",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="Corollary 4.2",
    formula="Var y_n = [4 mu^2 v/n + 4 mu m3/n^2 + (m4 + 3(n-1) v^2)/n^3]/v^2 - 1/n^2",
)
def moment_count_variance(visits: Any, mean: float, variance: float, *, m3: float = 0.0,
                          m4: float | None = None) -> np.ndarray:  # fmt: skip
    """Variance of DRND's y_n = (f*^2 - mu^2)/(B2 - mu^2), a scalar target with these moments.

    visits n >= 1, broadcast; variance v > 0; m3, m4 : central moments, m4 None: 3 v^2, a normal's
    E y_n = 1/n, as for z_n. The reported Var z_n <= Var y_n holds there; with mu = 0 and m4 < 3 v^2
    it doesn't.

    Raises ValueError for arguments out of their ranges, m4 < v^2 among them.
    """
    n = _visits(visits, least=1)
    fourth = 3 * variance**2 if m4 is None else m4
    least = variance**2 * (1 - 1e-12)
    if not (variance > 0 and np.isfinite([mean, variance, m3, fourth]).all() and fourth >= least):
        msg = f"mean={mean}, variance={variance}, m3={m3}, m4={m4} must be finite, the variance "
        raise ValueError(msg + "above 0 and m4 at least its square")
    v = variance
    top = 4 * mean**2 * v / n + 4 * mean * m3 / n**2 + (fourth + 3 * (n - 1) * v**2) / n**3
    return (np.maximum(top / v**2 - 1 / n**2, 0.0))[()]


@entry(
    "count_tail",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="Theorem 4.3",
    formula="P(|z_n - 1/n| >= eps) <= 2/(d n^2 eps^2)",
)
def count_tail(visits: Any, d: int, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """(exact, Chebyshev's bound) of the chance that z_n is off by eps or more.

    visits n >= 1, broadcast; d >= 1; eps > 0. Exact by the chi-squared law.

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.stats import chi2

    n = _visits(visits, least=1)
    _positive(d=d)
    if not (eps > 0 and np.isfinite(eps)):
        msg = f"eps={eps} must be finite and above 0"
        raise ValueError(msg)
    far = chi2.sf(d * (1 + n * eps), d) + chi2.cdf(d * (1 - n * eps), d)
    return np.asarray(far)[()], np.minimum(2 / (d * n**2 * eps**2), 1.0)[()]


@entry(
    "pathwise_bounds",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="section 4.4, corrected",
    formula="(|A| - |B|)^2 <= ||f - mu||^2 <= 2|A|^2 + 2|B|^2",
)
def pathwise_bounds(f: Array, f_star: Array, mu: Array) -> tuple[np.ndarray, ...]:
    """(least, found, most, reported) of ||f - mu||^2 for points (..., d).

    reported : |A|^2 + |B|^2, which is exceeded twice over at A = B: it holds in expectation where
        E<A, B> <= 0, as for steps of constant size
    """
    f, f_star, mu = (np.asarray(x, dtype=float) for x in (f, f_star, mu))
    a2, b2 = ((f_star - mu) ** 2).sum(-1), ((f - f_star) ** 2).sum(-1)
    found = ((f - mu) ** 2).sum(-1)
    return (np.sqrt(a2) - np.sqrt(b2)) ** 2, found, 2 * (a2 + b2), a2 + b2


@entry(
    "elliptical_count",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="linear predictor",
    formula="E b(x) = sigma^2 x^T (X^T X)^-1 x",
)
def elliptical_count(x: Array, visited: Array, *, sigma: float = 1.0) -> tuple[Any, Any]:
    """(bonus, pseudo-count) of features x (..., p) after visits of rows (n, p) of full rank.

    The bonus is RDD's mean per coordinate for least squares; one-hot rows give sigma^2/n and n.

    Raises ValueError for visits that don't span all features.
    """
    x, X = np.asarray(x, dtype=float), np.asarray(visited, dtype=float)
    if X.ndim != 2 or x.shape[-1] != X.shape[1] or np.linalg.matrix_rank(X) < X.shape[1]:
        msg = f"visited has the shape {X.shape}, x {x.shape}; give rows that span all features"
        raise ValueError(msg)
    norm = elliptical_bonus(x, np.linalg.inv(X.T @ X))
    with np.errstate(divide="ignore"):
        return sigma**2 * norm, 1 / norm


@entry(
    "fixed_target_offset",
    kind="theorem",
    cards=("14",),
    provenance="derived",
    section="bonus-greedy coverage",
    formula="n_i - n_j = log(e_i/e_j)/(2 log(1/q))",
)
def fixed_target_offset(first: float, second: float, eta: float) -> float:
    """By how many visits RND's greedy visitor favours one state over another, for ever.

    first, second : initial errors e_i, e_j > 0; eta in (0, 1)

    Raises ValueError for arguments out of their ranges.
    """
    if not (min(first, second) > 0 and np.isfinite([first, second]).all() and 0 < eta < 1):
        msg = f"first={first} and second={second} must be above 0, eta={eta} in (0, 1)"
        raise ValueError(msg)
    return float((np.log(first) - np.log(second)) / (-2 * np.log1p(-eta)))


def _visits(visits: Any, *, least: int) -> np.ndarray:
    n = np.asarray(visits, dtype=float)
    if not np.all((n >= least) & np.isfinite(n)):
        msg = f"visits={n.tolist()} must be finite, {least} or above"
        raise ValueError(msg)
    return n


def _positive(*, d: int = 1, sigma: float = 1.0, eta: float = 1.0, bias2: float = 0.0) -> None:
    if not (d >= 1 and d % 1 == 0):
        msg = f"d={d} must be a whole number of 1 and above"
        raise ValueError(msg)
    if not (sigma >= 0 and bias2 >= 0 and 0 < eta <= 1 and np.isfinite([sigma, bias2]).all()):
        msg = f"sigma={sigma} and bias2={bias2} must be 0 or above, eta={eta} in (0, 1]"
        raise ValueError(msg)
