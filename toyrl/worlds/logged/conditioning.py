"""Behaviour worlds that look like a log: drawn from the prior, moved towards it, held against it.

Approximate Bayesian computation with regression adjustment (Beaumont, Zhang, Balding 2002). Worlds
are drawn from the prior and fitted to the log's accuracy and mean length. The distance of a world
is the root of the summed squares of its gaps, each in units of `statistics.UNITS` and the log's own
standard error together. Worlds weigh exp(-(distance/h)^2/2), h the smallest from 1 at which `LIKE`
worlds count; their numbers are moved by the weighted regression of the numbers on the statistics,
in normal scores of their ranges, so that none leaves its range. The worlds so made are fitted
and looked at again: what they still don't show is said, and they are not moved any further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from toyrl.rollouts import Rollouts
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import noise, played
from toyrl.worlds.behaviour.worlds import Worlds, fitted
from toyrl.worlds.logged import statistics
from toyrl.worlds.logged.base import Array, form

DRAWN, LIKE, KEPT = 512, 64.0, 32
"""Worlds drawn, the least that count, and those that are kept."""
PROMPTS, READ = 16, 32
"""Of a world that is only looked at."""
RIDGE = 0.1
SURE = 3.0
FARTHEST = 3.0
"""Units of distance that a statistic moves a world by, at most."""
NEVER = ("teachable", "learnable", "distance", "drift", "agreed", "luck")
UNSEEN = tuple(row.name for row in prior.RANGES if row.name in NEVER)
"""Numbers that no statistic of untrained rollouts depends on: how fast right answers are learnt,
how much is left to learn, how far a run goes. They stay as the prior has them."""
BLIND = np.array([row.name in NEVER for row in prior.RANGES])
NARROWED = 0.8
"""A number is identified where its spread, in normal scores, falls below this share."""
EDGE = 0.02
"""Share of a range that counts as its end."""
FAR = 0.025
"""A statistic is not reached where the log's value lies in this tail of what worlds would show."""


@dataclass(frozen=True)
class Told:
    """What worlds are conditioned on.

    accuracy in (0, 1), length and limit in tokens : what they are fitted to
    statistics : name -> (value, standard error) of `statistics`, lengths as logarithms
    """

    accuracy: float
    length: float
    limit: float
    statistics: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Conditioned:
    """W worlds that look like a log, all of one weight.

    numbers : (W,) by name, as `prior.drawn` gives them, with `kind`
    bandwidth : h; nearest : distance of the nearest drawn world, before any was moved
    near : worlds of `DRAWN` within distance 1 a statistic, root mean square
    before, after : statistic -> (5 %, 50 %, 95 %) over worlds of the prior, and over these
    tail : statistic -> share of what these worlds would show in a log of this size that lies
        beyond the log's value, on its side; below `FAR` it is not reached
    spread : number -> its sd over these worlds over that of the prior, in normal scores
    """

    told: Told
    numbers: dict[str, Array]
    bandwidth: float
    nearest: float
    near: int
    before: dict[str, tuple[float, float, float]]
    after: dict[str, tuple[float, float, float]]
    tail: dict[str, float]
    spread: dict[str, float]
    seed: int = 0

    @property
    def missed(self) -> tuple[str, ...]:
        """Statistics that these worlds don't show."""
        return tuple(name for name, p in self.tail.items() if p < FAR)

    @property
    def open(self) -> tuple[str, ...]:
        """Numbers that are as wide as before: the log doesn't tell them."""
        return tuple(k for k, s in self.spread.items() if s > NARROWED or k in UNSEEN)

    @property
    def edge(self) -> tuple[str, ...]:
        """Numbers that stand at an end of their range in most worlds: the log pulls further."""
        found = zip(prior.RANGES, _shares(self.numbers), strict=True)
        return tuple(row.name for row, u in found if np.mean((u < EDGE) | (u > 1 - EDGE)) > 0.5)

    def worlds(self) -> Worlds:
        """The worlds, fitted."""
        return _fit(self.numbers, self.told, self.seed)


def told_of(r: Rollouts, *, seed: int = 0) -> Told:
    """What a log (B, n) says.

    Raises ValueError for a log whose rollouts are all right or all wrong, or that has no lengths:
    no world has such a base.
    """
    w = np.asarray(r.w, dtype=float)
    some = w.sum(-1) > 0
    # A text that ran into the limit isn't read, in a world either.
    read = form(r) * (1.0 - r.cut)
    found = statistics.moments(r.correct, r.length, r.cut * 1.0, read, w)[some]
    stats = statistics.with_errors(found, seed=seed)
    accuracy, length = stats["accuracy"][0], float((r.length * (w > 0)).sum() / (w > 0).sum())
    if not 0 < accuracy < 1 or length <= 0:
        what = "have length 0" if length <= 0 else f"are all {'right' if accuracy else 'wrong'}"
        msg = f"the log's rollouts {what}; worlds need a base that is sometimes right and sometimes"
        msg += " wrong, at some length: log other prompts too, or name the columns"
        raise ValueError(msg)
    return Told(accuracy, length, float(r.max_length), stats)


def conditioned(
    told: Told, *, kind: str | None = None, n: int = KEPT, drawn: int = DRAWN, seed: int = 0
) -> Conditioned:
    """n worlds like a log, out of `drawn` of the prior.

    kind : of base, one of `prior.KINDS`, or None: by the mean length
    """
    start = prior.drawn(drawn, kind, told.length, seed)
    seen = shown(start, told, seed)
    gap, names = _gaps(seen, told)
    distance = np.sqrt((gap**2).sum(-1))
    h, weight = _bandwidth(distance)
    chosen = _systematic(weight, n, seed)
    scores = normal_scores(start)
    held = np.clip(gap, -FARTHEST, FARTHEST)  # a log that no world is like pulls only so far
    moved = scores[chosen] - held[chosen] @ (_slopes(gap, scores, weight) * ~BLIND)
    numbers = _numbers(moved, start["kind"][chosen])
    after = shown(numbers, told, seed + 1)
    spread = _ratio(normal_scores(numbers), scores)
    return Conditioned(
        told,
        numbers,
        float(h),
        float(distance.min()),
        int((distance <= np.sqrt(len(names))).sum()),
        {k: _quantiles(seen[k]) for k in names},
        {k: _quantiles(after[k]) for k in names},
        {k: _tail(after[k], *told.statistics[k]) for k in names},
        spread,
        seed,
    )


def agreeing(numbers: dict[str, Array], share: float, error: float) -> dict[str, Array]:
    """W worlds with a log's share of wrong answers that are the common one, in the prior's place.

    numbers : (W,) by name, as `Conditioned` has them; only `agreed` changes, and worlds that the
        prior had higher stay higher
    share, error : in 0..1, and its standard error
    """
    place = [row.name for row in prior.RANGES].index("agreed")
    agreed = np.clip(share + error * normal_scores(numbers)[:, place], 0.0, 1.0)
    return {**numbers, "agreed": agreed}


def shown(numbers: dict[str, Array], told: Told, seed: int = 0) -> dict[str, Array]:
    """Statistics (W,) of the worlds of these numbers, untrained."""
    w = _fit(numbers, told, seed, prompts=PROMPTS)
    p = played(w, w.rest(), noise(w.size, READ, np.random.default_rng([seed, 6])))
    found = statistics.moments(p.right, p.length, p.cut, p.formed, np.ones(p.right.shape))
    return statistics.summary(found.mean(-2))


def _fit(numbers: dict[str, Array], told: Told, seed: int, **more: int) -> Worlds:
    return fitted(
        numbers, accuracy=told.accuracy, length=told.length, limit=told.limit, seed=seed, **more
    )


def _gaps(seen: dict[str, Array], told: Told) -> tuple[Array, list[str]]:
    """(W, S) in units of distance, 0 where a world has nothing of a kind; and the S names."""
    names = [k for k, (_, error) in told.statistics.items() if np.isfinite(error)]
    rows = []
    for k in names:
        value, error = told.statistics[k]
        rows.append((seen[k] - value) / np.hypot(error, statistics.UNITS[k]))
    return np.nan_to_num(np.stack(rows, axis=-1)), names


def _bandwidth(distance: Array) -> tuple[float, Array]:
    """(h, weights (W,) that sum to 1)."""

    def weights(h: float) -> Array:
        x = -((distance / h) ** 2) / 2
        w = np.exp(x - x.max())
        return w / w.sum()

    low, high = 1.0, max(2.0 * float(distance.max()), 2.0)
    count = min(LIKE, len(distance) / 2)
    if 1 / (weights(low) ** 2).sum() >= count:
        return low, weights(low)
    for _ in range(40):
        middle = np.sqrt(low * high)
        if 1 / (weights(middle) ** 2).sum() >= count:
            high = middle
        else:
            low = middle
    return high, weights(high)


def _systematic(weight: Array, n: int, seed: int) -> Array:
    """(n,) places, each as often as its weight says, to the next whole number."""
    at = (np.arange(n) + np.random.default_rng([seed, 7]).random()) / n
    return np.minimum(np.searchsorted(np.cumsum(weight), at), len(weight) - 1)


def _slopes(gap: Array, scores: Array, weight: Array) -> Array:
    """(S, numbers) weighted ridge regression of scores on gaps; slopes below `SURE` standard
    errors are 0, or the noise of a few worlds would move what the log doesn't tell."""
    x = gap - weight @ gap
    y = scores - weight @ scores
    own = x.T @ (weight[:, None] * x)
    ridge = own + RIDGE * np.diag(np.maximum(np.diag(own), 1e-9))
    out = np.linalg.solve(ridge, x.T @ (weight[:, None] * y))
    left = weight @ (y - x @ out) ** 2
    error = np.sqrt(np.outer(np.diag(np.linalg.inv(ridge)), left) * (weight**2).sum())
    return np.where(np.abs(out) > SURE * error, out, 0.0)


def normal_scores(numbers: dict[str, Array]) -> Array:
    """(W, numbers) of each within its range, as a standard normal has them."""
    return np.stack([ndtri(np.clip(u, 1e-4, 1 - 1e-4)) for u in _shares(numbers)], axis=-1)


def _shares(numbers: dict[str, Array]) -> list[Array]:
    out = []
    for row in prior.RANGES:
        low, high = _ends(row, numbers["kind"])
        x = np.log(numbers[row.name]) if row.log else numbers[row.name]
        out.append((x - low) / (high - low))
    return out


def _numbers(scores: Array, kind: Array) -> dict[str, Array]:
    out: dict[str, Array] = {"kind": kind}
    for i, row in enumerate(prior.RANGES):
        low, high = _ends(row, kind)
        x = low + (high - low) * ndtr(scores[:, i])
        out[row.name] = np.exp(x) if row.log else x
    return out


def _ends(row: prior.Range, kind: Array) -> tuple[Array, Array]:
    ends = np.array([getattr(row, k) for k in prior.KINDS])[kind]
    low, high = np.log(ends.T) if row.log else ends.T
    return low, high


def _ratio(scores: Array, before: Array) -> dict[str, float]:
    ratio = scores.std(0) / before.std(0)
    return {row.name: float(x) for row, x in zip(prior.RANGES, ratio, strict=True)}


def _quantiles(x: Array) -> tuple[float, float, float]:
    low, mid, high = np.nanquantile(x, [0.05, 0.5, 0.95]) if np.isfinite(x).any() else [np.nan] * 3
    return float(low), float(mid), float(high)


def _tail(x: Array, value: float, error: float) -> float:
    """Share of x, with a log's error about it, beyond the value on the nearer side."""
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return 0.0
    below = float(ndtr((value - x) / max(error, 1e-9)).mean())
    return min(below, 1 - below)
