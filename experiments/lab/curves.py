"""Roots, thresholds and pictures of functions of one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np

from toyrl.experiments.core import Curve, Picture

Array = Any


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f changes sign between low and high; NaN where it does not."""
    from scipy.optimize import brentq

    if f(low) * f(high) > 0:
        return float("nan")
    return cast("float", brentq(f, low, high, xtol=1e-13))


def threshold(
    bad: Callable[[np.ndarray], np.ndarray],
    low: float,
    high: float,
    passes: int,
) -> tuple[float, float]:
    """The bracket around the least bad number in [low, high]; (inf, inf) if none is bad.

    bad : (n,) numbers -> (n,) bool, all asked at once; once bad, larger ones are
    passes : each of 16 numbers, geometrically, narrows the bracket 15-fold
    """
    for _ in range(passes):
        grid = np.geomspace(low, high, 16)
        hit = bad(grid)
        if not hit.any():
            return float("inf"), float("inf")
        i = int(np.argmax(hit))
        if i == 0:
            return float(grid[0]), float(grid[0])
        low, high = float(grid[i - 1]), float(grid[i])
    return low, high


def middle(bracket: tuple[float, float]) -> float:
    """The geometric middle of a bracket."""
    return float(np.sqrt(bracket[0] * bracket[1]))


def lines(
    name: str,
    title: str,
    labels: tuple[str, str],
    curves: Mapping[str, Array],
    *,
    x: Sequence[float] | None = None,
    most: int = 120,
    dashed: Sequence[str] = (),
    points: Sequence[str] = (),
    **options: Any,
) -> Picture:
    """Lines over x (None: 0, 1, ...), at most about `most` points each; labels of both axes.

    curves : y, or a tuple (x, y) or (x, y, low, high) with an x and a band of its own
    dashed, points : labels of curves in that style; options : further fields of `Picture`
    """
    styles = dict.fromkeys(dashed, "dashed") | dict.fromkeys(points, "points")
    drawn = []
    for label, given in curves.items():
        own, *ys = given if isinstance(given, tuple) else (x, given)
        y, *band = (np.asarray(v, dtype=float) for v in ys)
        keep = np.unique(np.linspace(0, len(y) - 1, min(most, len(y))).astype(int))
        at = keep if own is None else np.asarray(own)[keep]
        rest = [v[keep].tolist() for v in band]
        style = styles.get(label, "line")
        drawn.append(Curve(label, at.tolist(), y[keep].tolist(), *rest, style=style))
    return Picture(name, title, *labels, curves=tuple(drawn), **options)
