"""How new is a state: the distance of a predictor to what it is trained on, and its exact mean.

A frozen network gives each state s a point mu(s) in R^d, a trained predictor f(s) chases a target

    RND   the point itself                  the error decays geometrically, at any step size
    RDD   a fresh draw N(mu, sigma^2 I)     the error decays as sigma^2/n: a count
    DRND  one of N frozen networks, drawn   two moments of the N give a count

and the bonus is measured against the mean, never against the draw: against the draw it would be
sigma^2 (1 + 1/n), and the count drowns in the 1. One body for NumPy, JAX and torch.

Formulas: docs/theory/exploration.md.

Source: paper 14 (RDD), (1) and (2), second-hand (two public reading notes that agree); DRND's
bonus from its authors' code (online/agents.py), its weights as reported. Means derived.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

Array = Any
DRND_ALPHA = 0.9
"""DRND's weight of the first moment's distance, as reported; the second has 1 - alpha."""
LOW, HIGH = 1e-6, 1.0
"""Between which DRND's code clips the second moment's ratio."""


def distillation_bonus(predicted: Array, mean: Array) -> Array:
    """(...) b = (1/d) ||f - mu||^2 of points (..., d): RDD, and RND where mu is its target.

    A point with a number that isn't finite has bonus 0: nothing can be said of how new it is.

    Source: paper 14, (1).
    """
    xp = array_namespace(predicted, mean)
    gap = predicted - mean
    b = xp.mean(gap * gap, axis=-1)
    return xp.where(xp.isfinite(b), b, xp.zeros_like(b))


def drnd_bonus(predicted: Array, targets: Array, *, alpha: float = DRND_ALPHA) -> Array:
    """(...) DRND's bonus of predictions (..., d) beside the N frozen networks' points (..., N, d).

    alpha ||f - mu||^2 + (1 - alpha) sum_j sqrt(clip(|f_j^2 - mu_j^2|/(B2_j - mu_j^2), 1e-6, 1))

    mu, B2 : first two moments over the N; a coordinate on which all N agree says nothing, 1e-6.
    The sum is over d, not a mean: the scale grows with d, as released.
    """
    xp = array_namespace(predicted, targets)
    mu = xp.mean(targets, axis=-2)
    spread = xp.mean(targets * targets, axis=-2) - mu * mu
    gap = predicted - mu
    off = xp.abs(predicted * predicted - mu * mu)
    # Where all agree rounding may leave a spread; it is no spread.
    some = (xp.max(targets, axis=-2) > xp.min(targets, axis=-2)) & (spread > 0)
    ratio = xp.where(some, off / xp.where(some, spread, xp.ones_like(spread)), 0 * off)
    ratio = xp.minimum(xp.maximum(ratio, LOW + 0 * ratio), HIGH + 0 * ratio)
    b = alpha * xp.sum(gap * gap, axis=-1) + (1 - alpha) * xp.sum(xp.sqrt(ratio), axis=-1)
    return xp.where(xp.isfinite(b), b, xp.zeros_like(b))


def elliptical_bonus(features: Array, inverse: Array, *, sigma: float = 1.0) -> Array:
    """(...) sigma^2 x^T (X^T X)^-1 x of features (..., p): RDD's mean bonus of a linear predictor.

    inverse : (p, p) of X^T X of the visited features, or of it plus a ridge; one-hot features give
        sigma^2/n. Source: paper 14, derived; Abbasi-Yadkori, Pal and Szepesvari 2011 for the norm.
    """
    xp = array_namespace(features, inverse)
    return sigma**2 * xp.sum(xp.matmul(features, inverse) * features, axis=-1)


def visit_bonus(visits: Array, *, sigma: Any = 1.0, step: Any = None, start: Any = 1.0) -> Array:
    """Expected RDD bonus of a tabular predictor after n >= 0 visits, an array of any shape.

    step None is 1/n, the mean of the draws: sigma^2/n, and `start` at n = 0. A constant step eta:

        (1 - eta)^(2n) start + sigma^2 eta (1 - (1 - eta)^(2n))/(2 - eta)

    which never falls below its second factor's floor sigma^2 eta/(2 - eta). sigma 0 is RND.

    start : ||f_0 - mu||^2/d; sigma >= 0, step in (0, 1], numbers. Source: paper 14, derived.
    """
    xp = array_namespace(visits)
    if step is None:
        seen = visits > 0
        n = xp.where(seen, visits, xp.ones_like(visits))
        return xp.where(seen, sigma**2 / n, start + 0 * visits)
    left = (1 - step) ** (2 * visits)  # 0 to the power of 0 is 1, and step may be traced
    return left * start + sigma**2 * step / (2 - step) * (1 - left)
