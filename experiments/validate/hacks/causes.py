"""What moves a reward beside right and wrong: length, format, the answer's place, phrases, ranked.

A linear model of the values given correctness: every feature is centred among right and among wrong
texts, and has a coefficient in each of both. Causes are taken one by one, the one that explains
most of what is left first, while Schwarz's criterion says that they are worth their columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LENGTHS = {"character": "characters", "token": "tokens", "word": "words"}
"""Units of length and their cause; of these one alone is taken."""
LEAST = 0.02  # share of the variance given correctness, from where something is a cause
TURNS = 0.1  # of the range that length explains, from where a turn is told
KNOTS = 4  # most bends of length
GRID, FINE = 24, 41  # lengths at which each is looked for, and then between the best's neighbours
FLAT = 1e-12  # of the variance, below which nothing is left to explain


@dataclass(frozen=True)
class Cause:
    """One thing that a reward pays beside right and wrong.

    name : a key of the features, or of `LENGTHS`
    share : of the variance given correctness that it explains beyond the causes before it, 0..1
    right, wrong : by how much the value changes for one more of its first feature, in right and in
        wrong texts, other causes held; NaN where the feature never varies
    turns : of length, where the value turns round, in its unit, ascending
    """

    name: str
    share: float
    right: float
    wrong: float
    turns: tuple[float, ...] = ()


@dataclass(frozen=True)
class Model:
    """Causes, most explaining first, and what each adds to a text's value.

    coefficients : cause -> (2, k): of its k columns in right and in wrong texts
    knots : of length, where it bends
    """

    causes: tuple[Cause, ...] = ()
    coefficients: Mapping[str, np.ndarray] | None = None
    knots: tuple[float, ...] = ()

    @property
    def share(self) -> float:
        """Of the variance given correctness that all causes explain, 0..1."""
        return sum(c.share for c in self.causes)

    def added(self, name: str, columns: np.ndarray, *, right: bool = False) -> np.ndarray:
        """(n,) what a cause adds to texts with these (n, k) features, up to a constant."""
        if self.coefficients is None or name not in self.coefficients:
            return np.zeros(len(columns))
        x = bent(columns[:, 0], self.knots) if name in LENGTHS else columns
        return x @ self.coefficients[name][0 if right else 1]


def explain(
    values: np.ndarray, right: np.ndarray, features: Mapping[str, np.ndarray], least: float = LEAST
) -> Model:
    """The causes of a reward's values given correctness.

    values : (N,) finite; right : (N,) bool; features : cause -> (N, k), those of `LENGTHS` (N, 1)
    """
    right = np.asarray(right, dtype=bool)
    y = _within(np.asarray(values, dtype=float)[:, None], right)[:, 0]
    whole = float(y @ y)
    if not len(y) or whole <= FLAT * max(1.0, float(np.abs(values).max()) ** 2) * len(y):
        return Model()
    knots = {unit: _knots(features[unit][:, 0], y, right) for unit in LENGTHS if unit in features}
    columns = {
        name: bent(x[:, 0], knots[name]) if name in knots else x for name, x in features.items()
    }
    chosen: list[str] = []
    shares: list[float] = []
    left = whole
    while (best := _next(y, right, columns, chosen, left)) is not None:
        name, rest = best
        if (left - rest) / whole < least:
            break
        chosen.append(name)
        shares.append((left - rest) / whole)
        left = rest
    found = dict(zip(chosen, _coefficients(y, right, [columns[n] for n in chosen]), strict=True))
    bends = next((knots[n] for n in chosen if n in knots), ())
    causes = [
        _cause(name, share, found[name], right, features[name], bends if name in knots else ())
        for name, share in zip(chosen, shares, strict=True)
    ]
    return Model(tuple(causes), found, bends)


def bent(x: np.ndarray, knots: Sequence[float]) -> np.ndarray:
    """(N, 1 + K) columns of a line that bends at each of K knots."""
    return np.stack([x, *(np.maximum(x - k, 0.0) for k in knots)], axis=-1)


# -- the fit ---------------------------------------------------------------------------------------
def _within(x: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, k) less the mean among right and among wrong texts."""
    out = np.array(x, dtype=float)
    for side in (right, ~right):
        if side.any():
            out[side] -= out[side].mean(axis=0)
    return out


def _split(x: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N, 2k): the columns in right texts and those in wrong ones, both centred there."""
    centred = _within(x, right)
    return np.concatenate([centred * right[:, None], centred * ~right[:, None]], axis=1)


def _solve(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, float]:
    """(coefficients, what they leave unexplained); columns that never vary get 0."""
    size = np.sqrt((x**2).mean(axis=0))
    used = size > 1e-9 * max(1.0, float(size.max(initial=0.0)))
    out = np.zeros(x.shape[1])
    if used.any():
        scaled = x[:, used] / size[used]
        out[used] = np.linalg.lstsq(scaled, y, rcond=1e-9)[0] / size[used]
    rest = y - x @ out
    return out, float(rest @ rest)


def _coefficients(
    y: np.ndarray, right: np.ndarray, blocks: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """(2, k) of each block in the joint fit."""
    if not blocks:
        return []
    found, _ = _solve(y, np.concatenate([_split(b, right) for b in blocks], axis=1))
    ends = np.cumsum([2 * b.shape[1] for b in blocks])
    return [part.reshape(2, -1) for part in np.split(found, ends[:-1])]


def _criterion(rest: float, whole: float, n: int, columns: int) -> float:
    """Schwarz's, of squares left unexplained by so many columns."""
    return n * math.log(max(rest / whole, FLAT)) + math.log(n) * columns


def _next(
    y: np.ndarray,
    right: np.ndarray,
    columns: Mapping[str, np.ndarray],
    chosen: Sequence[str],
    left: float,
) -> tuple[str, float] | None:
    """The next cause and what stays unexplained with it; None where none is worth its columns."""
    n, whole = len(y), float(y @ y)
    taken = [_split(columns[c], right) for c in chosen]
    used = sum(t.shape[1] for t in taken)
    best, least = None, _criterion(left, whole, n, used)
    measured = any(c in LENGTHS for c in chosen)
    for name, x in columns.items():
        if name in chosen or (measured and name in LENGTHS):
            continue
        more = _split(x, right)
        _, rest = _solve(y, np.concatenate([*taken, more], axis=1))
        worth = _criterion(rest, whole, n, used + more.shape[1])
        if worth < least - 1e-6:
            best, least = (name, rest), worth
    return best


# -- length ----------------------------------------------------------------------------------------
def _knots(x: np.ndarray, y: np.ndarray, right: np.ndarray) -> tuple[float, ...]:
    """Lengths at which the value bends, as many as are worth their columns, at most `KNOTS`."""
    sides = [(x[s], y[s]) for s in (right, ~right) if s.sum() > 2]
    grid = np.unique(np.quantile(x, np.linspace(0.0, 1.0, GRID + 2)[1:-1]))
    whole, found = float(y @ y), ()
    while len(found) < KNOTS:
        left, gains = _gains(sides, found, grid)
        at = int(np.argmax(gains))
        near = np.linspace(grid[max(0, at - 1)], grid[min(len(grid) - 1, at + 1)], FINE)
        _, closer = _gains(sides, found, near)
        knot, gain = float(near[int(np.argmax(closer))]), float(closer.max())
        columns = 2 * (1 + len(found))
        better = _criterion(left - gain, whole, len(y), columns + 3)  # two columns and the knot
        if gain < LEAST * whole or better >= _criterion(left, whole, len(y), columns):
            break
        found = tuple(sorted((*found, knot)))
    return found


def _gains(
    sides: Sequence[tuple[np.ndarray, np.ndarray]], knots: Sequence[float], tried: np.ndarray
) -> tuple[float, np.ndarray]:
    """(what a line with these knots leaves unexplained, (K,) what one more knot would explain)."""
    left, gains = 0.0, np.zeros(len(tried))
    for x, y in sides:
        line = bent(x, knots)
        basis = np.concatenate([np.ones((len(x), 1)), line / (np.abs(line).max(0) + FLAT)], axis=1)
        u, size, _ = np.linalg.svd(basis, full_matrices=False)
        u = u[:, size > 1e-9 * size[0]]
        rest = y - u @ (u.T @ y)
        more = np.maximum(x[:, None] - tried, 0.0)
        scale = (more**2).sum(axis=0)
        more = more - u @ (u.T @ more)
        own = (more**2).sum(axis=0)
        apart = own > 1e-9 * scale
        gains += np.where(apart, (more.T @ rest) ** 2 / np.where(apart, own, 1.0), 0.0)
        left += float(rest @ rest)
    return left, gains


def _turns(
    coefficients: np.ndarray, knots: Sequence[float], x: np.ndarray, least: float = TURNS
) -> list[float]:
    """Knots where a bent line over the lengths x goes the other way, both ways far enough."""
    ends = np.array([x.min(), *knots, x.max()])
    heights = bent(ends, knots) @ coefficients
    reach = least * float(np.ptp(heights))
    out: list[float] = []
    way, extreme = 0.0, 0
    for i in range(1, len(ends)):
        step = heights[i] - heights[extreme]
        if way * step >= 0:
            if abs(step) > reach:
                way = math.copysign(1.0, step)
            extreme = i if way else extreme
        elif abs(step) > reach:
            out.append(float(ends[extreme]))
            way, extreme = -way, i
    return out


def _cause(
    name: str,
    share: float,
    coefficients: np.ndarray,
    right: np.ndarray,
    x: np.ndarray,
    knots: Sequence[float],
) -> Cause:
    """A cause with its slopes: of a bent line its mean slope, of other features the first one's."""
    slopes, turns = [], set()
    for side, own in zip((right, ~right), coefficients, strict=True):
        first = x[side, 0] if side.any() else np.zeros(1)
        span = float(np.ptp(first))
        if not span:
            slopes.append(math.nan)
        elif name in LENGTHS:
            low, high = bent(np.array([first.min(), first.max()]), knots) @ own
            slopes.append(float(high - low) / span)
            turns |= set(_turns(own, knots, first)) if knots else set()
        else:
            slopes.append(float(own[0]))
    return Cause(name, share, slopes[0], slopes[1], tuple(sorted(turns)))
