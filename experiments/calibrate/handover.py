"""One forecast out of two: the log as far as it carries, worlds that look like it beyond.

Both are read by their distance from the base, KL a rollout. Up to the log's end its own path
stands; from there every world's change since that distance is added to the log's change there, each
resample of the log with each world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from toyrl.worlds.behaviour.training import Path
from toyrl.worlds.logged.reach import Reach

POINTS = 40
READ = ("accuracy", "length")


@dataclass(frozen=True)
class Forecast:
    """The joined path and its end.

    nats : (P,); handover : nats where worlds take over
    mid, low, high : name -> (P,) median, 5 % and 95 % of the change; of the length its logarithm
    end : name -> (mean, 5 %, 95 %) at the end of the worlds' runs, length as a factor
    nats_end : median distance there
    below_base, below_outcome : probabilities that accuracy ends below the base, and below
        correctness-only training of the same worlds (None where that was not trained)
    """

    nats: np.ndarray
    handover: float
    mid: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]
    end: dict[str, tuple[float, float, float]]
    nats_end: float
    below_base: float
    below_outcome: float | None


def joined(log: Reach, worlds: Path, outcome: Path | None, spread: np.ndarray | float) -> Forecast:
    """The log's path continued by the worlds' runs.

    spread : of a run's end about that of its world, one for all or (W,)
    """
    far = worlds.kl.max(0)
    end = min(log.end, float(np.median(far)))
    nats = np.linspace(0.0, max(float(np.median(far)), log.end), POINTS)
    beyond = nats > log.end
    mid, low, high, last = {}, {}, {}, {}
    for name in READ:
        own = np.stack([np.interp(nats, log.nats, row) for row in log.draws[name]])  # (D, P)
        there = _changes(worlds, name, nats) - _changes(worlds, name, np.array([log.end]))
        both = own[:, None] + np.where(beyond, there, 0.0)  # (D, W, P)
        low[name], mid[name], high[name] = _three(both.reshape(-1, len(nats)))
        mid[name] = np.where(beyond, mid[name], np.interp(nats, log.nats, log.change[name]))
        last[name] = _last(log, worlds, name)
    accuracy, length = last["accuracy"], np.exp(last["length"])
    behind = None
    if outcome is not None:
        gap = outcome.change - worlds.change
        behind = float(ndtr(gap / (spread * 2**0.5)).mean())
    noise = 1.645 * float(np.mean(spread))
    a, b, c = accuracy.mean(), *np.quantile(accuracy, [0.05, 0.95])
    ends = {
        "accuracy": (float(a), float(b - noise), float(c + noise)),
        "length": tuple(
            float(x) for x in (np.exp(np.log(length).mean()), *np.quantile(length, [0.05, 0.95]))
        ),
    }
    each = accuracy.reshape(-1, worlds.kl.shape[1])
    below = float(ndtr(-each / spread).mean())
    return Forecast(nats, end, mid, low, high, ends, float(np.median(far)), below, behind)


def _changes(path: Path, name: str, nats: np.ndarray) -> np.ndarray:
    """(W, P) change against the base where a world's run has come this far; its end beyond."""
    out = []
    for w in range(path.kl.shape[1]):
        x = np.maximum.accumulate(path.kl[:, w])
        y = getattr(path, name)[:, w]
        y = np.log(y) if name == "length" else y
        out.append(np.interp(nats, x, y - y[0]))
    return np.stack(out)


def _last(log: Reach, worlds: Path, name: str) -> np.ndarray:
    """(D * W,) changes at the ends of the worlds' runs, the log's own first part in them."""
    y = getattr(worlds, name)
    y = np.log(y) if name == "length" else y
    change = y[-1] - y[0]
    stop = np.minimum(worlds.kl[-1], log.end)
    own = np.stack([np.interp(stop, log.nats, row) for row in log.draws[name]])  # (D, W)
    at = np.array([_changes(worlds, name, np.array([s]))[k, 0] for k, s in enumerate(stop)])
    return (own + np.where(worlds.kl[-1] > log.end, change - at, 0.0)).ravel()


def _three(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    low, mid, high = np.quantile(rows, [0.05, 0.5, 0.95], axis=0)
    return low, mid, high
