"""Laws of rewards learned from demonstrations: of cuts, of feature gaps, of the latch.

    from toyrl.testing.laws.demonstrations import cuts_ignore_units

Each returns nothing where the law holds and one sentence where it doesn't; x is a table (T, F) of
frames, scores (T, n) or (..., T, n). `find` and `latch` may be functions of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.models.steps.discovery import Segmentation, criterion, discover, uniform_cuts
from toyrl.models.steps.rewards import feature_gap, latched, step_weights
from toyrl.testing import arrays

Array = Any
Find = Callable[..., Segmentation]


def cuts_ignore_units(x: Array, steps: int, *, find: Find = discover, **settings: Any
                      ) -> str | None:  # fmt: skip
    """Order of features, origins and a common factor move no cut; the factor scales the value.

    Stated where the optimum is unique.
    """
    x = np.asarray(x, dtype=float)
    base = find(x, steps, **settings)
    moved = 3.0 * (x[:, ::-1] + np.arange(x.shape[1]))
    other = find(moved, steps, **settings)
    if (base.cuts != other.cuts).any():
        return f"cuts {base.cuts} became {other.cuts} in other units"
    if abs(other.value - 3 * base.value) > arrays.TOLERANCE * max(1.0, base.value):
        return f"three times as large features have the value {other.value:.6g}, not three times"
    return None


def cuts_mirror(x: Array, steps: int, *, find: Find = discover, **settings: Any) -> str | None:
    """Time reversed mirrors the cuts, where the optimum is unique."""
    x = np.asarray(x, dtype=float)
    there, back = (find(t, steps, **settings).cuts for t in (x, x[::-1]))
    want = len(x) - there[::-1]
    return None if (back == want).all() else f"reversed in time the cuts are {back}, not {want}"


def cuts_are_best(x: Array, steps: int, *, find: Find = discover, min_size: int = 3,
                  weighting: str = "equal") -> str | None:  # fmt: skip
    """No worse than uniform cuts, and worth what the criterion says at them."""
    found = find(x, steps, min_size=min_size, weighting=weighting)
    said = criterion(x, found.cuts, weighting=weighting)
    even = uniform_cuts(len(x), steps)
    worth = criterion(x, even, weighting=weighting)
    if abs(said - found.value) > arrays.TOLERANCE * max(1.0, said):
        return f"the cuts have the criterion {said:.6g}, not {found.value:.6g}"
    fits = np.diff([0, *even, len(x)]).min() >= min_size
    if fits and said > worth + arrays.TOLERANCE * max(1.0, worth):
        return f"uniform cuts have the criterion {worth:.6g}, the cuts found {said:.6g}"
    return None


def gap_is_symmetric(positive: Array, negative: Array, *, alpha: float = 5.0) -> str | None:
    """z stays when frames (P, F) and (N, F) are exchanged or moved, and scales with a feature."""
    one, other = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    z = feature_gap(one, other, alpha=alpha)
    size = arrays.TOLERANCE * max(1.0, float(np.abs(z).max()))
    scale = 2.0 ** np.arange(one.shape[1])
    for name, found, want in (
        ("exchanged", feature_gap(other, one, alpha=alpha), z),
        ("moved", feature_gap(one + 1, other + 1, alpha=alpha), z),
        ("scaled", feature_gap(one * scale, other * scale, alpha=alpha) / scale, z),
    ):
        if (np.abs(found - want) > size).any():
            return f"z of frames {name} is {found}, not {want}"
    return None


def latch_holds(scores: Array, *, latch: Callable[[Any], Any] = latched) -> str | None:
    """The latched reward never falls, stays in [0, 2^n - 2], and is 0 for step 1 alone."""
    scores = np.asarray(scores, dtype=float)
    held = np.asarray(latch(scores))
    most = step_weights(scores.shape[-1]).sum()
    if (np.diff(held, axis=-1) < 0).any():
        return f"the latched reward falls by {-np.diff(held, axis=-1).min():.6g}"
    if held.min(initial=0.0) < 0 or held.max(initial=0.0) > most:
        return f"the latched reward leaves [0, {most:.6g}]"
    first = np.asarray(latch(np.where(np.arange(scores.shape[-1]) == 0, scores, 0.0)))
    return None if (first == 0).all() else "step 1, where everybody begins, is paid"
