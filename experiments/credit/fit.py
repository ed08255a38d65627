"""Step rewards fitted to a log's returns, and how well they predict returns held out.

On rollouts held out, least squares with D factors errs by sigma^2 (1 + D/(N - D - 1)) where their
sums are normal (docs/theory/redistribution.md), N being differences of returns: n - 1 for n
siblings, whose level is taken off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.experiments.credit.table import Table
from toyrl.models.linear import LinearScorer
from toyrl.models.steps.return_decoder import ReturnDecoder, picked_apart, solved
from toyrl.theory.redistribution.errors import return_fit_error

HELD = 0.25
"""Share of the prompts that are held out."""
SIZES, REPEATS = 10, 8
LOSSES = {"ridge": "rd", "rrd": "rrd"}


@dataclass(frozen=True)
class Curve:
    """Held-out error against N.

    n : (K,) differences of returns fitted to; ridge, rrd : (K,) mean squared error of a held-out
    return; low, high : (K,) of ridge, two standard errors over random splits; law : (K,) beside it
    uniform : error of equal parts, which predict a prompt's level and nothing else
    """

    n: np.ndarray
    ridge: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rrd: np.ndarray
    law: np.ndarray
    uniform: float


@dataclass(frozen=True)
class Fitted:
    """Step rewards of a log by each loss.

    scorers : "ridge", "rrd" -> the model; weight, error : (D,) of ridge and its standard error, NaN
    where a weight isn't identified
    sigma2 : variance of a return beside what the factors say; free : differences of returns
    curve : held-out errors, None with too few prompts to hold any out
    gain, gain_error : by how much ridge's held-out error is below that of equal parts, as a share
    of it, and its standard error over held-out units; NaN without a curve
    """

    scorers: dict[str, LinearScorer]
    weight: np.ndarray
    error: np.ndarray
    sigma2: float
    free: float
    curve: Curve | None
    gain: float
    gain_error: float


def fit(t: Table, *, penalty: float, picked: int, seed: int, unsure: frozenset[str]) -> Fitted:
    """Both fits, errors and the curve. unsure : factors whose weights aren't identified."""
    scorers = {
        name: ReturnDecoder(loss, picked=picked, penalty=penalty, scale="sum",
                            baseline=t.baseline).fit(t.x, t.which, t.returns, groups=t.groups,
                                                     weight=t.told * 1.0)
        for name, loss in LOSSES.items()
    }  # fmt: skip
    z, y, _, share = t.centred
    w = scorers["ridge"].weight
    gram, free = z.T @ z, float(share.sum())
    rank = int(np.linalg.matrix_rank(z)) if len(z) <= 50_000 else _rank(gram)
    left = y - z @ w
    sigma2 = float(left @ left) / max(free - rank, 1.0)
    error = np.sqrt(np.maximum(sigma2 * np.diag(np.linalg.pinv(gram, rcond=1e-10)), 0))
    lost = np.array([n in unsure for n in t.names])
    curve, gain, gain_error = _held_out(t, penalty, picked, seed, sigma2, rank)
    return Fitted(scorers, w, np.where(lost, np.nan, error), sigma2, free, curve, gain, gain_error)


def _rank(gram: np.ndarray) -> int:
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0, size, 1)
    return int(np.linalg.matrix_rank(gram / np.outer(scale, scale), tol=1e-10))


def _held_out(t: Table, penalty: float, picked: int, seed: int, sigma2: float, rank: int
              ) -> tuple[Curve | None, float, float]:  # fmt: skip
    """(curve, gain, its error); (None, NaN, NaN) where there is too little to hold out."""
    z, y, unit, share = t.centred
    count = int(unit.max()) + 1
    held = int(HELD * count)
    least = rank + 3  # differences of returns from which on the error has a mean
    if held < 2 or share.sum() * (1 - HELD) < least + 1:
        return None, float("nan"), float("nan")
    top = np.floor(share.sum() * (1 - HELD))
    grid = np.unique(np.geomspace(least, top, SIZES).round())
    apart, row = picked_apart(t.x, t.which, len(t.returns), picked), np.cumsum(t.told) - 1
    apart, own = apart[t.told[t.which]], row[t.which][t.told[t.which]]
    rng, runs = np.random.default_rng(seed), []
    whole = apart.T @ apart
    for _ in range(REPEATS):
        place = rng.permutation(count)[unit]
        test = place >= count - held
        mine = apart[test[own]]
        order = np.argsort(place, kind="stable")[: int((~test).sum())]
        runs.append(_split(z, y, share, order, test, grid, whole - mine.T @ mine, penalty, unit))
    ridge, rrd, flat, gains = (np.array(x) for x in zip(*runs, strict=True))
    mean, spread = ridge.mean(0), ridge.std(0, ddof=1) / np.sqrt(REPEATS)
    law = np.array([sigma2 * (1 + return_fit_error(int(n), max(rank, 1))) for n in grid])
    curve = Curve(grid, mean, mean - 2 * spread, mean + 2 * spread, rrd.mean(0), law,
                  float(flat.mean()))  # fmt: skip
    gain, gain_error = gains.mean(0)
    return curve, float(gain), float(gain_error)


def _split(z: np.ndarray, y: np.ndarray, share: np.ndarray, order: np.ndarray, test: np.ndarray,
           grid: np.ndarray, apart: np.ndarray, penalty: float, unit: np.ndarray
           ) -> tuple[list[float], list[float], float, tuple[float, float]]:  # fmt: skip
    """(errors of ridge, of RRD, of equal parts, gain and its error) of one random split.

    order : rows to fit to, unit by unit; apart : what picking adds to the normal equations of all
    """
    fitted, free = np.cumsum(share[order]), float(share[test].sum())
    a, b = z[test], y[test]
    errors: tuple[list[float], list[float]] = ([], [])
    w = np.zeros(z.shape[1])
    for n in grid:
        stop = min(int(np.searchsorted(fitted, n)) + 1, len(order))
        x, target = z[order[:stop]], y[order[:stop]]
        gram, right = x.T @ x, x.T @ target
        for kept, more in zip(errors, (apart * (stop / len(order)), 0 * apart), strict=True):
            w = solved(gram + more, right, penalty / stop)
            kept.append(float(((b - a @ w) ** 2).sum()) / free)
    each = b**2 - (b - a @ w) ** 2
    by = np.bincount(np.unique(unit[test], return_inverse=True)[1], each)
    size = float((b**2).sum())
    gain = by.sum() / size, by.std() * np.sqrt(len(by)) / size
    return errors[1], errors[0], size / free, gain
