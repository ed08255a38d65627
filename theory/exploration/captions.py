"""Bonuses for captions: what farming pays, how many labels there are, and how wrong they stay.

Formulas: docs/theory/exploration.md. Source: paper 06; all derived here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
SUMMED = 1000


@entry(
    "farming_total",
    kind="theorem",
    cards=("06",),
    provenance="derived",
    section="section 2, (1)",
    formula="alpha sum_(k<=n) k^-beta",
)
def farming_total(times: Any, beta: float, *, alpha: float = 1.0) -> np.ndarray:
    """Paid in all for one helpful caption repeated so many times in an episode.

    times : n >= 0, whole numbers or inf, broadcast; beta >= 0. n = inf gives alpha zeta(beta), inf
        for beta <= 1

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.special import zeta

    n = np.asarray(times, dtype=float)
    if not (beta >= 0 and np.isfinite(beta)):
        msg = f"beta={beta} must be 0 or above, and finite"
        raise ValueError(msg)
    if not np.all((n >= 0) & (np.floor(n) == n)):
        msg = f"times={n.tolist()} must be whole numbers, 0 or above, or inf"
        raise ValueError(msg)
    limit = zeta(beta) if beta > 1 else np.inf
    total = np.where(np.isinf(n), limit, _harmonic(np.where(np.isinf(n), 0.0, n), beta))
    return (alpha * total if alpha else 0.0 * n)[()]


def _harmonic(n: np.ndarray, beta: float) -> np.ndarray:
    """H_n(beta): summed up to `SUMMED`, by Euler and Maclaurin beyond, to rounding."""
    sums = np.concatenate([[0.0], np.cumsum(np.arange(1, SUMMED + 1) ** -float(beta))])
    x = np.maximum(n, SUMMED)

    def upto(k: Any) -> Any:  # the integral and three terms, at one end
        whole = np.log(k) if beta == 1 else k ** (1 - beta) / (1 - beta)
        third = beta * (beta + 1) * (beta + 2) * k ** (-beta - 3) / 720
        return whole + k**-beta / 2 - beta * k ** (-beta - 1) / 12 + third

    far = sums[-1] + upto(x) - upto(float(SUMMED))
    return np.where(n <= SUMMED, sums[np.minimum(n, SUMMED).astype(int)], far)


@entry(
    "farming_horizon",
    kind="theorem",
    cards=("06",),
    provenance="derived",
    section="section 5 of its toy",
    formula="least n with H_n(beta) > J + alpha_ext R/alpha_int",
)
def farming_horizon(ahead: int, beta: float, *, task: float = 0.0) -> float:
    """Repeats from which one helpful caption pays more than all that lies ahead; inf for none.

    ahead : J >= 1 distinct helpful captions ahead, each met once; task : alpha_ext R/alpha_int,
        what the task pays at their end, in units of a caption, >= 0. beta >= 0. Beyond 2^1000: inf.
    With beta > 1 progress wins at every horizon if and only if J + task >= zeta(beta).

    Raises ValueError for arguments out of their ranges.
    """
    if not (ahead >= 1 and ahead % 1 == 0 and task >= 0 and np.isfinite(task)):
        msg = f"ahead={ahead} must be a whole number of 1 and above, task={task} 0 or above"
        raise ValueError(msg)
    goal = ahead + task
    if farming_total(np.inf, beta) <= goal:
        return float("inf")
    low, high = 0, 1
    while farming_total(float(high), beta) <= goal:
        low, high = high, 2 * high
        if high > 2**1000:
            return float("inf")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if farming_total(float(middle), beta) > goal else (middle, high)
    return float(high)


@entry(
    "labelled_share",
    kind="theorem",
    cards=("06",),
    provenance="derived",
    section="section 5 of its toy",
    formula="1 - sum_m p_m (1 - p_m)^(n - 1)",
)
def labelled_share(chances: Array, step: Any) -> np.ndarray:
    """(...) chance that the caption of step n was labelled before, labels coming at once.

    chances : (M,) of captions drawn independently, sum 1; step n : >= 1, broadcast

    Raises ValueError for chances that are none and steps below 1.
    """
    p, n = np.asarray(chances, dtype=float), np.asarray(step, dtype=float)
    if p.ndim != 1 or not p.size or p.min() < 0 or abs(p.sum() - 1) > 1e-9:
        msg = f"chances={p.tolist()} must be (M,) chances that sum to 1"
        raise ValueError(msg)
    if not np.all(n >= 1):
        msg = f"step={n.tolist()} must be 1 or above: the first caption is that of step 1"
        raise ValueError(msg)
    return (1 - (p * (1 - p) ** (n[..., None] - 1)).sum(-1))[()]


@entry(
    "voted_label_error",
    kind="theorem",
    cards=("06",),
    provenance="derived",
    section="section 5 of its toy",
    formula="P(Bin(k, rho) > k/2) for unhelpful kinds, P(Bin(k, rho) >= k/2) for helpful ones",
)
def voted_label_error(labelled: Any, flip: float, *, helpful: bool = True) -> np.ndarray:
    """Chance that a kind of captions is misjudged from k labels, each turned with chance rho.

    labelled k >= 1, broadcast; flip rho in [0, 1]. A tie is no (the classifier asks for more than a
    half), so helpful kinds err a little more. A table of single captions errs with rho for ever.

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.stats import binom

    k = np.asarray(labelled, dtype=float)
    if not np.all((k >= 1) & (k % 1 == 0)) or not 0 <= flip <= 1:
        msg = f"labelled={k.tolist()} must be whole numbers of 1 and above, flip={flip} in [0, 1]"
        raise ValueError(msg)
    most = np.ceil(k / 2) - 1 if helpful else np.floor(k / 2)
    return np.asarray(binom.sf(most, k, flip))[()]


@entry(
    "ranked_gap",
    kind="theorem",
    cards=("06",),
    provenance="derived",
    section="section 2, (2)",
    formula="r_1 - r_2 = log(f/(1 - f))",
)
def ranked_gap(share: Any) -> np.ndarray:
    """Difference of scores at which the pair loss is least, the first preferred in a share f.

    share f : in [0, 1], ties a half each, broadcast; +-inf at 1 and 0

    Raises ValueError for shares out of [0, 1].
    """
    f = np.asarray(share, dtype=float)
    if not np.all((f >= 0) & (f <= 1)):
        msg = f"share={f.tolist()} must lie in [0, 1]"
        raise ValueError(msg)
    with np.errstate(divide="ignore"):
        return (np.log(f) - np.log1p(-f))[()]
