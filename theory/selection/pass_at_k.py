"""pass@k and its kin from n samples of which c are right: estimates, their variance, bands.

The unbiased estimate of 1 - (1-p)^k is the share of k-subsets that hold a right sample. It is a
U-statistic, so its variance is exact; the mean over prompts has a band that holds for all k at once
by the multiplier bootstrap.

Formulas: docs/theory/selection.md.

Source: Chen et al. 2021 (arXiv 2107.03374), Eq. 1; variance by Hoeffding 1948; simultaneous bands
by Chernozhukov, Chetverikov and Kato 2013 (Gaussian and Rademacher multipliers).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from toyrl.registry import entry

Array = Any
MULTIPLIERS = 4000
ROWS = 500  # of multipliers at a time
FEW = 1000
"""Samples of a prompt up to which the rows of all counts are kept."""


@entry(
    "pass_at_k_estimate",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="1 - C(n-c,k)/C(n,k)",
)
def pass_at_k(n: int | np.ndarray, c: np.ndarray, k_max: int) -> np.ndarray:
    """(..., k_max) unbiased pass@k, k = 1..k_max, from c right answers among n samples.

    1 - C(n-c, k)/C(n, k) by one cumulative sum of log(1 - c/(n-j)) over k for each pair (n, c)
    there is, or product where all n are alike and few; exactly 1 once k > n - c, and good to 1e-12
    relative where it is tiny. NaN for k > n, where no unbiased estimator exists.

    n, c : whole numbers, shapes that broadcast. Raises ValueError for c outside 0..n and for parts
    of a sample.
    """
    n, c = _counts(n, c)
    least = int(n.min(initial=FEW + 1))
    if least == n.max(initial=0) <= min(FEW, n.size):
        return _every_count(least, k_max)[c]
    return _of_pairs(n, c, lambda n, c: _some(n, c, k_max))


@entry(
    "all_k_right",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="C(c,k)/C(n,k)",
)
def all_right(n: int | np.ndarray, c: np.ndarray, k_max: int) -> np.ndarray:
    """(..., k_max) unbiased estimate of p^k, that all of k are right, k = 1..k_max.

    NaN for k > n. n, c : whole numbers, shapes that broadcast.

    Raises ValueError for c outside 0..n.
    """
    n, c = _counts(n, c)
    return _of_pairs(n, c, lambda n, c: np.exp(_log_none(n, n - c, k_max)))


@entry(
    "pass_at_k_variance",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="sum_(j=1..k) C(k,j) C(n-k,k-j)/C(n,k) (q^(2k-j) - q^(2k)), q = 1-p",
)
def pass_at_k_variance(p: Array, n: int, k: Array) -> np.ndarray:
    """(N..., ...) variance of the unbiased pass@k from n samples at success rate p.

    p : any shape (...), in [0, 1]; k : any shape (N...), whole numbers in 1..n. j counts the
    samples that two random k-subsets share.

    Raises ValueError for a k outside of 1..n and a p outside of [0, 1].
    """
    from scipy.stats import hypergeom

    p, k = np.asarray(p, dtype=float), np.asarray(k)
    if not ((k >= 1) & (k <= n)).all():
        msg = f"k={k.tolist()} must lie in 1..n={n}: a subset of the n samples"
        raise ValueError(msg)
    if not ((p >= 0) & (p <= 1)).all():
        msg = f"p={p.tolist()} must lie in [0, 1]"
        raise ValueError(msg)
    with np.errstate(divide="ignore"):
        log_q = np.log1p(-p)
    out = np.empty(k.shape + p.shape)
    for where, size in np.ndenumerate(k):
        j = np.arange(1, size + 1).reshape(-1, *(1,) * p.ndim)
        shared = hypergeom.pmf(j, n, size, size)
        with np.errstate(invalid="ignore"):  # q = 0: 0 to the power of 0 where j = 2k
            gap = np.exp((2 * size - j) * log_q) * -np.expm1(j * log_q)
        out[where] = (shared * gap).sum(0)
    return out


class Band(NamedTuple):
    """A curve over k with a band that holds everywhere at once.

    mean, low, high : (K,); width : half of it in standard errors; error : (K,) those
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    width: float
    error: np.ndarray


@entry(
    "simultaneous_band",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="mean +- c SE, c the level's quantile of max_k |sum_i e_i (x_ik - mean_k)| / (n SE_k)",
)
def simultaneous_band(
    table: Array, *, level: float = 0.95, multipliers: int = MULTIPLIERS, seed: int = 0
) -> Band:
    """The mean over prompts of a (B, K) table, such as pass@k by prompt and k, and its band.

    Prompts are a sample of those that could have been asked. e are `multipliers` draws of B random
    signs, one product of matrices; a column without spread has no width. One prompt, or none with
    spread, says nothing: a width of NaN for one prompt, and 0 for the others.

    level : in (0, 1). Raises ValueError for another level and for a table that is not (B, K) or
    holds NaN.
    """
    x = np.asarray(table, dtype=float)
    if x.ndim != 2 or not x.size or np.isnan(x).any():
        msg = f"table must be (B, K) numbers without NaN, one row a prompt; its shape is {x.shape}"
        raise ValueError(msg)
    if not 0 < level < 1:
        msg = f"level={level} must lie strictly between 0 and 1"
        raise ValueError(msg)
    unit = np.abs(x).max()
    if unit > 1e150:  # can't be squared
        found = simultaneous_band(x / unit, level=level, multipliers=multipliers, seed=seed)
        curves = (found.mean, found.low, found.high, found.error)
        mean, low, high, error = (c * unit for c in curves)
        return Band(mean, low, high, found.width, error)
    B, mean = len(x), x.mean(0)
    if B == 1:
        nothing = np.full(mean.shape, np.nan)
        return Band(mean, nothing, nothing, float("nan"), nothing)
    gap = x - mean
    error = np.sqrt((gap**2).sum(0) / (B - 1) / B)
    moving = error > 8 * np.finfo(float).eps * np.abs(x).max(0)
    if not moving.any():
        return Band(mean, mean, mean, 0.0, 0 * error)
    # In standard errors, whose quantile is a bootstrap's own: single precision is enough.
    unit = (gap[:, moving] / (B * error[moving])).astype(np.float32)
    rng, worst = np.random.default_rng(seed), []
    for start in range(0, multipliers, ROWS):
        size = min(ROWS, multipliers - start)
        bits = np.frombuffer(rng.bytes(size * (-(-B // 8))), dtype=np.uint8).reshape(size, -1)
        signs = np.unpackbits(bits, axis=1, count=B).astype(np.float32)
        signs *= 2
        signs -= 1
        found = signs @ unit
        worst.append(np.maximum(found.max(1), -found.min(1)))
    width = float(np.quantile(np.concatenate(worst), level))
    error = np.where(moving, error, 0.0)
    return Band(mean, mean - width * error, mean + width * error, width, error)


# -- counts ----------------------------------------------------------------------------------------
def _counts(n: Any, c: Any) -> tuple[np.ndarray, np.ndarray]:
    n, c = np.broadcast_arrays(np.asarray(n), np.asarray(c))
    if not np.all((c >= 0) & (c <= n)):
        msg = "c must lie in 0..n: it counts right answers among n samples"
        raise ValueError(msg)
    if np.any(n % 1 != 0) or np.any(c % 1 != 0):
        msg = "n and c must be whole numbers: they count samples"
        raise ValueError(msg)
    return n.astype(np.int64), c.astype(np.int64)


def _of_pairs(n: np.ndarray, c: np.ndarray, table: Any) -> np.ndarray:
    """`table(n, c)` of each pair there is, dealt out to where it stands."""
    if n.size < 64:
        return table(n, c)
    pairs, place = np.unique(n * (c.max() + 1) + c, return_inverse=True)
    return table(pairs // (c.max() + 1), pairs % (c.max() + 1))[place.reshape(n.shape)]


def _log_none(n: np.ndarray, c: np.ndarray, k_max: int) -> np.ndarray:
    """(..., k_max) log C(n-c, k)/C(n, k), that none of k is among c; NaN for k > n."""
    j = np.arange(k_max)
    left = n[..., None] - j
    with np.errstate(divide="ignore"):
        step = np.log1p(-np.minimum(c[..., None] / np.maximum(left, 1), 1.0))
    return np.where(left > 0, np.cumsum(step, axis=-1), np.nan)


def _some(n: np.ndarray, c: np.ndarray, k_max: int) -> np.ndarray:
    return -np.expm1(_log_none(n, c, k_max))


@lru_cache(maxsize=16)
def _every_count(n: int, k_max: int) -> np.ndarray:
    """(n+1, k_max) pass@k for c = 0..n; kept for the sizes asked for last."""
    c, left = np.arange(n + 1.0)[:, None], n - np.arange(float(min(k_max, n)))
    out = np.full((n + 1, k_max), np.nan)
    # A product, in a fifth of the time of logarithms: for so few samples good to 1e-13.
    out[:, :n] = 1 - np.cumprod(np.maximum(1 - c / left, 0.0), axis=-1)
    out.flags.writeable = False
    return out
