"""Weighted statistics of siblings: the only way shapers and estimators look at a group.

Every function reduces one axis (the last unless told), takes values ``x`` and non-negative
weights ``w`` of the same shape, and keeps the reduced axis with length 1, so results broadcast
back over the group. A weight is a presence flag (0 or 1), a multiplicity (2 counts twice) or a
class probability: one body serves a sampled group, a multiset of classes and the population.
Where no weight is left (an empty group, an axis of length 0) means, standard deviations and ranks
are 0 and extremes are the neutral element of their operation; nothing here returns NaN for finite
values. Half precision is summed in float32 and given back in its own dtype.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from toyrl.dtypes import array_namespace, half, lowered, raised

Array = Any
F = TypeVar("F", bound=Callable[..., Any])


def _in_float32(function: F) -> F:
    """The function with halves made float32 where they come in; its answer is of the first's dtype.

    A sum of bfloat16 stops growing at 256.
    """

    @functools.wraps(function)
    def inner(x: Array, *others: Any, **named: Any) -> Array:
        given = (x, *others, *named.values())
        if not any(half(v.dtype) for v in given if hasattr(v, "dtype")):
            return function(x, *others, **named)
        out = function(*map(raised, (x, *others)), **{k: raised(v) for k, v in named.items()})
        return lowered(out, x.dtype if half(x.dtype) else None)

    return inner  # pyright: ignore[reportReturnType]


@_in_float32
def total(x: Array, w: Array, *, axis: int = -1) -> Array:
    """Weighted sum; rows of weight 0 count nothing, whatever their value (NaN included)."""
    xp = array_namespace(x, w)
    return xp.sum(xp.where(w > 0, x, xp.zeros_like(x)) * w, axis=axis, keepdims=True)


@_in_float32
def mass(w: Array, *, axis: int = -1) -> Array:
    """Sum of weights: how many rollouts (or how much probability) take part."""
    xp = array_namespace(w)
    return xp.sum(w, axis=axis, keepdims=True)


@_in_float32
def mean(x: Array, w: Array, *, axis: int = -1) -> Array:
    """Weighted mean; 0 for an empty group."""
    xp = array_namespace(x, w)
    n = mass(w, axis=axis)
    return total(x, w, axis=axis) / xp.where(n > 0, n, xp.ones_like(n))


def minimum(x: Array, w: Array, *, axis: int = -1) -> Array:
    """Smallest participating value; +inf for an empty group."""
    xp = array_namespace(x, w)
    return _extreme(xp.min, xp.where(w > 0, x, xp.full_like(x, xp.inf)), xp.inf, axis)


def maximum(x: Array, w: Array, *, axis: int = -1) -> Array:
    """Largest participating value; -inf for an empty group."""
    xp = array_namespace(x, w)
    return _extreme(xp.max, xp.where(w > 0, x, xp.full_like(x, -xp.inf)), -xp.inf, axis)


def _extreme(reduce: Callable[..., Array], x: Array, neutral: float, axis: int) -> Array:
    """`reduce` along the axis, kept; the neutral element where it has length 0 (no tokens)."""
    if x.shape[axis]:
        return reduce(x, axis=axis, keepdims=True)
    return array_namespace(x).sum(x, axis=axis, keepdims=True) + neutral  # a sum of nothing


def tied(x: Array, w: Array, *, axis: int = -1) -> Array:
    """True where all participating values are equal (max == min), or none takes part."""
    return ~(maximum(x, w, axis=axis) > minimum(x, w, axis=axis))


def bessel(n: Array | float, ddof: float) -> Array | float:
    """n/(n - ddof), the correction of a variance over n rollouts; 1 at n = inf, 0 where n <= ddof.

    Written as 1/(1 - ddof/n) so that the population limit n = inf needs no special case.
    """
    if isinstance(n, (int, float)) and isinstance(ddof, (int, float)):
        return 1.0 / (1.0 - ddof / n) if n > ddof else 0.0
    xp = array_namespace(n, ddof)
    if isinstance(n, (int, float)):
        n = xp.full_like(ddof, n)
    some = n > ddof
    safe = xp.where(some, n, xp.zeros_like(n) + ddof + 1.0)
    return xp.where(some, 1.0 / (1.0 - ddof / safe), xp.zeros_like(n))


@_in_float32
def std(
    x: Array, w: Array, *, ddof: float = 0.0, size: Array | float | None = None, axis: int = -1
) -> Array:
    """Weighted standard deviation, exactly 0 for a tied group.

    Two passes on values shifted to their mean: E[x^2] - E[x]^2 in float32 loses the signal of
    a nearly tied group. ``size`` is the number of rollouts behind the weights (None: their sum;
    inf: the population, where ``ddof`` has no effect). A group of at most ``ddof`` rollouts has
    standard deviation 0.
    """
    xp = array_namespace(x, w)
    n = mass(w, axis=axis)
    flat = tied(x, w, axis=axis)
    deviation = xp.where(flat | ~(w > 0), xp.zeros_like(x), x - mean(x, w, axis=axis))
    # Rewards of 1e30 overflow when squared: scale by the largest deviation first.
    scale = _extreme(xp.max, xp.abs(deviation), 0.0, axis)
    unit = xp.where(scale > 0, scale, xp.ones_like(scale))
    variance = total((deviation / unit) ** 2, w, axis=axis) / xp.where(n > 0, n, xp.ones_like(n))
    variance = variance * bessel(n if size is None else size, ddof)
    # The inner `where` keeps the gradient of sqrt at 0 finite under jax.grad.
    positive = variance > 0
    root = xp.sqrt(xp.where(positive, variance, xp.ones_like(variance)))
    return xp.where(positive & ~flat, unit * root, xp.zeros_like(root))


@_in_float32
def rank(x: Array, w: Array, *, axis: int = -1) -> Array:
    """Share of participating weight strictly below each value, ties counted half; in [0, 1].

    Shape of ``x``. O(G^2) in the group size, without sorting, so multiplicities and ties need
    no care. Only the last axis is supported.

    Raises ValueError for another axis than the last.
    """
    if axis != -1:
        msg = f"axis={axis} is not supported by rank; move the group axis last"
        raise ValueError(msg)
    xp = array_namespace(x, w)
    other, own = x[..., None, :], x[..., :, None]
    weight = w[..., None, :]
    half = xp.astype(other < own, x.dtype) + 0.5 * xp.astype(other == own, x.dtype)
    below = xp.sum(xp.where(weight > 0, half, xp.zeros_like(half)) * weight, axis=-1)
    n = mass(w)
    return below / xp.where(n > 0, n, xp.ones_like(n))


@_in_float32
def quantile(x: Array, w: Array, q: Any, *, axis: int = -1) -> Array:
    """The q-quantile of the participating values: 0 the smallest, 0.5 the median, 1 the largest.

    Between two values where q of the weight lies below one and the rest above the other, their
    mean; inf for an empty group. O(G^2) in the group size, as `rank`. Only the last axis.

    Raises ValueError for another axis than the last.
    """
    if axis != -1:
        msg = f"axis={axis} is not supported by quantile; move the group axis last"
        raise ValueError(msg)
    xp = array_namespace(x, w)
    other, own = x[..., None, :], x[..., :, None]
    weight = xp.where(w > 0, w, xp.zeros_like(w))[..., None, :]
    below, until = (
        xp.sum(xp.astype(side, x.dtype) * weight, axis=-1) for side in (other < own, other <= own)
    )
    at = q * mass(w)
    slack = 8 * xp.finfo(x.dtype).eps * mass(w)
    here = (w > 0) & (below <= at + slack) & (until >= at - slack)
    kept = xp.astype(here, x.dtype)
    low, high = minimum(x, kept), maximum(x, kept)
    some = mass(w) > 0
    zero = xp.zeros_like(low)
    middle = 0.5 * (xp.where(some, low, zero) + xp.where(some, high, zero))
    return xp.where(some, middle, zero + xp.inf)


def picked(law: Array, u: Array) -> Array:
    """(...) entries that uniform numbers u (...) in [0, 1) pick from laws (..., A).

    Laws need not sum to 1; an entry of probability 0 is never picked.
    """
    xp = array_namespace(law, u)
    upto = xp.cumulative_sum(law, axis=-1)
    return xp.sum(xp.astype(u[..., None] * upto[..., -1:] >= upto, xp.int64), axis=-1)


def sigmoid(x: Array) -> Array:
    """1/(1 + e^-x) without overflow; any shape and backend."""
    xp = array_namespace(x)
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, 1 / (1 + small), small / (1 + small))
