"""A flow on one logit: where it rests, which way it runs, and what separates the basins.

For policies with one choice left, d logit(q)/dt = f(q), whatever f comes from: two modes under a
reward that depends on the policy itself, a reward model that follows the policy, label-free votes.
Source: derived; textbook phase line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np

Drift = Callable[[np.ndarray], np.ndarray]
"""Chances (N,) in (0, 1) -> d logit/dt (N,)."""


class Rest(NamedTuple):
    """A zero of the drift: the chance, and whether the flow comes back to it."""

    chance: float
    stable: bool


def rests(drift: Drift, *, reach: float = 12.0, points: int = 2001) -> list[Rest]:
    """The zeros of the drift between logits -reach and reach, from low to high chances.

    A zero is stable where the drift falls through it, and a separatrix where it rises: starts on
    its two sides end in different places. points : of the grid on which signs are looked for; two
    zeros within one step of it are missed.
    """
    from scipy.optimize import brentq

    z = np.linspace(-reach, reach, points)
    value = np.asarray(drift(1 / (1 + np.exp(-z))), dtype=float)
    z, value = z[value != 0], value[value != 0]  # a zero on the grid lies between its neighbours
    out = []

    def at(x: float) -> float:
        return float(np.asarray(drift(np.array([1 / (1 + np.exp(-x))])))[0])

    for i in np.flatnonzero(value[:-1] * value[1:] < 0):
        x = cast("float", brentq(at, z[i], z[i + 1], xtol=1e-13))
        out.append(Rest(float(1 / (1 + np.exp(-x))), bool(value[i] > 0)))
    return out


def separatrix(drift: Drift, **options: float) -> float:
    """The one unstable zero between two basins; NaN where there is none or more than one.

    options : of `rests`
    """
    found = [r.chance for r in rests(drift, **options) if not r.stable]  # pyright: ignore[reportArgumentType]
    return found[0] if len(found) == 1 else float("nan")
