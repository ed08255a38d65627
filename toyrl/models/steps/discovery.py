"""Steps of a demonstration: the cuts between which its features change least.

    found = discover(x, 4, min_size=3)          x (T, F) frames
    found.cuts, found.value                     (3,) first frames of steps 2, 3, 4; the criterion
    overlap(found.cuts, truth, len(x))          mean Jaccard index of the steps

The criterion is a mean over steps of a step's spread, the mean over features of the *population*
standard deviation of its frames:

    equal    (1/n) sum_g spread(g)              the paper's: every step counts alike
    length   (1/T) sum_g L_g spread(g)          ours: every frame does

A step of L noisy frames has a spread below the noise (0 for L = 1), so that "equal" buys tiny steps
where noise is large beside what tells two steps apart (`toyrl.theory.learned.short_segments`).

Source: paper 44, step discovery, from memory of the paper, unverified; "length" derived.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from toyrl.messages import shortened

Array = Any
WEIGHTINGS = ("equal", "length")
SEARCHES = ("exhaustive", "greedy")
ROUNDING = 64 * np.finfo(float).eps
"""Times the largest spread: sums of spreads that are closer than this are tied."""


class Segmentation(NamedTuple):
    """cuts : (n - 1,) first frame of each step but the first; value : of the criterion."""

    cuts: np.ndarray
    value: float


def spreads(x: Array) -> np.ndarray:
    """(T + 1, T + 1) spread of frames a..b-1 in row a, column b; inf where b <= a.

    x : (T, F). Each is computed from its own frames, so that equal frames have a spread of 0.
    O(T^3 F). Raises ValueError for what is no table of finite numbers.
    """
    frames = _frames(x)
    T = len(frames)
    out = np.full((T + 1, T + 1), np.inf)
    for length in range(1, T + 1):
        windows = np.lib.stride_tricks.sliding_window_view(frames, length, axis=0)
        first = np.arange(T - length + 1)
        out[first, first + length] = windows.std(axis=-1).mean(axis=-1)
    return out


def criterion(x: Array, cuts: Array, *, weighting: str = "equal") -> float:
    """What `discover` minimises, at these cuts (n - 1,) of frames x (T, F).

    Raises ValueError for cuts that don't rise from 1 to T - 1, and for an unknown weighting.
    """
    frames = _frames(x)
    _known("weighting", weighting, WEIGHTINGS)
    edges = np.array([0, *np.asarray(cuts, dtype=int), len(frames)])
    if not (np.diff(edges) > 0).all():
        msg = f"cuts={shortened(cuts)} must rise and lie in 1..{len(frames) - 1}"
        raise ValueError(msg)
    own = [frames[a:b].std(axis=0).mean() for a, b in pairwise(edges)]
    share = np.diff(edges) / len(frames) if weighting == "length" else 1 / len(own)
    return float((share * np.array(own)).sum())


def discover(x: Array, steps: int, *, min_size: int = 3, weighting: str = "equal",
             search: str = "exhaustive") -> Segmentation:  # fmt: skip
    """The segmentation of frames x (T, F) into `steps` steps of least criterion.

    min_size : least frames of a step; 3 limits the preference for tiny steps (the paper's number is
        not known to us)
    search : "exhaustive", the optimum, as the paper's recursion finds it (here by dynamic
        programming); "greedy", one best cut after another, the paper's cheaper variant as we read
        it, which need not find the optimum

    Frames with a NaN are dropped; cuts count all frames. Among ties the leftmost cuts. One step:
    no cut. Raises ValueError for fewer than steps * min_size frames, for numbers below 1, unknown
    words, and where the greedy cuts leave no room for the next.
    """
    _known("weighting", weighting, WEIGHTINGS)
    _known("search", search, SEARCHES)
    table = np.asarray(x, dtype=float)
    if table.ndim != 2:
        msg = f"a demonstration has the shape {table.shape}; give frames of features, (T, F)"
        raise ValueError(msg)
    kept = np.flatnonzero(~np.isnan(table).any(axis=1))
    T = len(kept)
    if steps < 1 or min_size < 1:
        msg = f"steps={steps} and min_size={min_size} must be 1 or more"
        raise ValueError(msg)
    if steps * min_size > T:
        msg = f"a demonstration of {T} frames (NaN apart) has no {steps} steps of {min_size} frames"
        raise ValueError(msg + "; give longer demonstrations, fewer steps or a smaller min_size")
    cost = spreads(table[kept])
    length = np.arange(T + 1) - np.arange(T + 1)[:, None]
    cost[length < min_size] = np.inf
    cost *= np.where(length > 0, length / T, 1.0) if weighting == "length" else 1 / steps
    cuts = least_cost_cuts(cost, steps) if search == "exhaustive" else _greedy(cost, steps)
    edges = [0, *cuts, T]
    value = float(sum(cost[a, b] for a, b in pairwise(edges)))
    return Segmentation(kept[np.array(cuts, dtype=int)], value)


def least_cost_cuts(cost: Array, steps: int) -> list[int]:
    """The leftmost n - 1 cuts of the least total, for costs (T + 1, T + 1) of frames a..b-1.

    cost : inf where a segment is not allowed. O(n T^2).
    """
    T = len(cost) - 1
    best, choices = cost[:, T], []  # the least cost of frames a.. in one step, two, ...
    for _ in range(steps - 1):
        total = cost + best
        choices.append(_first_least(total, cost))
        best = total.min(axis=1)
    cuts, at = [], 0
    for choice in reversed(choices):
        at = int(choice[at])
        cuts.append(at)
    return cuts


def uniform_cuts(frames: int, steps: int) -> np.ndarray:
    """(steps - 1,) cuts into steps as equal as whole frames allow."""
    return np.round(np.arange(1, steps) * frames / steps).astype(int)


def step_of(cuts: Array, frames: int) -> np.ndarray:
    """(frames,) number of each frame's step, from 0; cuts (n - 1,)."""
    return np.searchsorted(np.asarray(cuts), np.arange(frames), side="right")


def overlap(cuts: Array, truth: Array, frames: int) -> float:
    """Mean over steps of the Jaccard index of a step's frames, found and true.

    cuts, truth : (n - 1,) each. Raises ValueError for different numbers of cuts.
    """
    if len(cuts) != len(truth):
        msg = f"{len(cuts)} cuts against {len(truth)}: compare segmentations of equal step number"
        raise ValueError(msg)
    one, other = step_of(cuts, frames), step_of(truth, frames)
    both = [(one == g, other == g) for g in range(len(truth) + 1)]
    return float(np.mean([(a & b).sum() / max((a | b).sum(), 1) for a, b in both]))


def _first_least(total: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """The first column of each row that is least, up to rounding."""
    slack = ROUNDING * cost[np.isfinite(cost)].max()
    return (total <= total.min(axis=-1, keepdims=True) + slack).argmax(axis=-1)


def _greedy(cost: np.ndarray, steps: int) -> list[int]:
    edges = [0, len(cost) - 1]
    whole = np.arange(len(cost))
    for _ in range(steps - 1):
        change = np.full(len(cost), np.inf)
        for a, b in pairwise(edges):
            inside = whole[a + 1 : b]
            change[inside] = cost[a, inside] + cost[inside, b] - cost[a, b]
        if not np.isfinite(change).any():
            msg = f"the greedy search has {len(edges) - 1} steps and no room for another; use "
            raise ValueError(msg + 'search="exhaustive" or a smaller min_size')
        edges = sorted([*edges, int(_first_least(change, cost))])
    return edges[1:-1]


def _frames(x: Array) -> np.ndarray:
    frames = np.asarray(x, dtype=float)
    if frames.ndim != 2 or not frames.size or not np.isfinite(frames).all():
        msg = f"frames of the shape {frames.shape} must be a table (T, F) of finite numbers, "
        raise ValueError(msg + "with at least one of each")
    return frames


def _known(name: str, word: str, words: Sequence[str]) -> None:
    if word not in words:
        msg = f"{name}={shortened(word)} is not one of {', '.join(words)}"
        raise ValueError(msg)
