"""Where a reward turns bad: the largest good weight, the first that collapses, and the line.

Along the axis that is read as strength (the weight, else the first axis of numbers), for each
setting of the others. A number found in several worlds has a standard error, and the weight then an
interval; exact worlds leave the interval between neighbours of the grid.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.forecast.word import LAGGING, PILOT, STOP
from toyrl.experiments.sweep.plan import Plan

SIDES = 1.96
GOOD, LOST = "SAFE", "UNSAFE"
UNKNOWN = ""


@dataclass(frozen=True)
class Edge:
    """Where one setting of the other axes turns.

    at : place on the other axes, in their order
    safe : largest value up to which all are good, None where none is; up to `safe_high` they may be
    lost : first value that collapses, None where none does; it may be as low as `lost_low`
    """

    at: tuple[int, ...]
    safe: float | None
    safe_high: float | None
    lost: float | None
    lost_low: float | None


def strength(plan: Plan) -> int | None:
    """The axis along which a reward grows stronger: `weight`, else the first of numbers."""
    names = [a.name for a in plan.axes]
    if "weight" in names:
        return names.index("weight")
    return next((i for i, a in enumerate(plan.axes) if a.numeric and len(a.values) > 1), None)


def edges(plan: Plan, columns: dict[str, np.ndarray], words: np.ndarray) -> list[Edge]:
    """An edge for each setting of the other axes; arrays have the grid's shape.

    words : "" where a cell was not trained: it is as the cells around it, which are all alike
    """
    axis = strength(plan)
    if axis is None:
        return []
    values = np.asarray(plan.axes[axis].values, dtype=float)
    order = np.argsort(values)
    others = [range(n) for i, n in enumerate(plan.shape) if i != axis]
    out = []
    for at in itertools.product(*others):
        where = (*at[:axis], slice(None), *at[axis:])
        p, e, q = (columns[k][where][order] for k in ("p_loss_5", "p_loss_5_error", "p_behind_10"))
        out.append(_edge(at, values[order], words[where][order], p, SIDES * e, q))
    return out


def _edge(
    at: tuple[int, ...], x: np.ndarray, words: np.ndarray, p: np.ndarray, e: np.ndarray,
    behind: np.ndarray,
) -> Edge:  # fmt: skip
    there = words != UNKNOWN
    x, words, p, e, behind = x[there], words[there], p[there], e[there], behind[there]
    bad = words != GOOD
    surely_bad = (behind >= LAGGING) | (p - e >= PILOT)
    lost, maybe_lost = words == LOST, p + e >= STOP
    safe = _before(x, bad)
    return Edge(at, safe, _first(x, surely_bad), _first(x, lost), _below(x, maybe_lost))


def _before(x: np.ndarray, hit: np.ndarray) -> float | None:
    """The last value before the first hit; None where the first value is one."""
    n = int(np.argmax(hit)) if hit.any() else len(x)
    return float(x[n - 1]) if n else None


def _first(x: np.ndarray, hit: np.ndarray) -> float | None:
    return float(x[int(np.argmax(hit))]) if hit.any() else None


def _below(x: np.ndarray, hit: np.ndarray) -> float | None:
    """The last value that is surely no hit, where there is a hit."""
    return _before(x, hit) if hit.any() else None


# -- refinement ------------------------------------------------------------------------------------
def strides(plan: Plan, coarse: int = 8) -> list[int]:
    """Steps of the grid from coarse to every cell, halved each time."""
    most = max((len(a.values) for a in plan.axes if a.numeric), default=1)
    step = 1
    while 2 * step <= coarse and most > 4 * step:
        step *= 2
    out = []
    while step >= 1:
        out.append(step)
        step //= 2
    return out


def lattice(n: int, step: int, fixed: bool) -> list[int]:
    """Places of an axis at one step; its last place is always one. fixed : all of them"""
    if fixed:
        return list(range(n))
    return sorted({*range(0, n, step), n - 1})


def wanted(plan: Plan, step: int, words: np.ndarray) -> list[tuple[int, ...]]:
    """Places to train at this step: all at the coarsest, later those whose block is not of one
    word. words : the grid's, "" where nothing was trained yet."""
    fixed = [not a.numeric for a in plan.axes]
    now = [lattice(n, step, f) for n, f in zip(plan.shape, fixed, strict=True)]
    first = not (words != UNKNOWN).any()
    places = []
    for back in itertools.product(*reversed(now)):
        place = tuple(reversed(back))
        if words[place] == UNKNOWN and (first or _mixed(plan, place, 2 * step, fixed, words)):
            places.append(place)
    return places


def _mixed(
    plan: Plan, place: tuple[int, ...], step: int, fixed: Sequence[bool], words: np.ndarray
) -> bool:
    """Whether the corners of the blocks that hold a place differ in their word.

    Blocks reach one further step to each side, so that a thin strip between corners isn't missed.
    """
    spans = []
    for i, n, f in zip(place, plan.shape, fixed, strict=True):
        known = lattice(n, step, f)
        if f:
            spans.append([i])
            continue
        low = max((k for k, x in enumerate(known) if x <= i), default=0)
        high = min((k for k, x in enumerate(known) if x >= i), default=len(known) - 1)
        spans.append(known[max(low - (low == high), 0) : high + 1 + (low == high)])
    found = {str(words[c]) for c in itertools.product(*spans)} - {UNKNOWN}
    return len(found) > 1


def filled(
    words: np.ndarray, columns: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The grid with cells that were not trained as their nearest trained one."""
    known = words != UNKNOWN
    if known.all():
        return words, columns
    from scipy.ndimage import distance_transform_edt

    place: Any = distance_transform_edt(~known, return_distances=False, return_indices=True)
    at = tuple(place)
    return words[at], {k: v[at] for k, v in columns.items()}
